package mixer

import "time"

const (
	tickEvery = 20 * time.Millisecond
	// lateAfter makes a tick late; behind catchUp, ticks are left out instead of following each other at once.
	lateAfter = 5 * time.Millisecond
	catchUp   = 60 * time.Millisecond
)

// clock is what the tick goes by: it only runs forward, whatever happens to the time of day.
type clock interface {
	now() time.Duration
	sleep(d time.Duration)
}

// machine is the machine's monotonic clock.
type machine struct{ start time.Time }

func (m machine) now() time.Duration { return time.Since(m.start) }

// beat keeps the times of the ticks.
type beat struct {
	clock   clock
	started bool
	next    time.Duration // when the next tick is due
	began   time.Duration // when the last one began
}

// wait sleeps until the next tick is due. It tells how late the tick begins, how long after the one before
// (0 for the first), and how many were left out.
func (b *beat) wait() (late, gap time.Duration, skipped uint64) {
	now := b.clock.now()
	if b.started {
		b.next += tickEvery
	} else {
		b.started, b.next, b.began = true, now, now
	}
	// A clock that ran away: forward (a stall, a laptop that slept) ticks are left out; a step back cannot be,
	// but must not stop the sound if it is.
	if behind := now - b.next; behind > catchUp {
		skipped = uint64(behind / tickEvery)
		b.next += time.Duration(skipped) * tickEvery
	} else if behind < -tickEvery {
		b.next = now + tickEvery
	}
	for now < b.next {
		b.clock.sleep(b.next - now)
		now = b.clock.now()
		if b.next-now > tickEvery {
			b.next = now
		}
	}
	gap = now - b.began
	b.began = now
	return now - b.next, gap, skipped
}
