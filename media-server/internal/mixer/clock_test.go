package mixer

import (
	"testing"
	"time"
)

// byHand is a clock that moves when somebody sleeps, and jumps when the test says so.
type byHand struct {
	at    time.Duration
	jumps map[int]time.Duration // by the number of the sleep
	slept int
}

func (c *byHand) now() time.Duration { return c.at }

func (c *byHand) sleep(d time.Duration) {
	c.at += d + c.jumps[c.slept]
	c.slept++
}

// beats tells when each of n ticks begins, in ms, and what the beat says of them.
func beats(c *byHand, n int) (began []int64, late int, skipped uint64, longest time.Duration) {
	b := beat{clock: c}
	for range n {
		l, gap, s := b.wait()
		began = append(began, c.at.Milliseconds())
		if l > lateAfter {
			late++
		}
		skipped += s
		longest = max(longest, gap)
	}
	return began, late, skipped, longest
}

func TestTicksKeepTheirTime(t *testing.T) {
	began, late, skipped, longest := beats(&byHand{jumps: map[int]time.Duration{3: 3 * time.Millisecond}}, 8)
	want := []int64{0, 20, 40, 60, 83, 100, 120, 140}
	for i := range want {
		if began[i] != want[i] {
			t.Fatalf("ticks begin at %v", began)
		}
	}
	if late != 0 || skipped != 0 || longest != 23*time.Millisecond {
		t.Fatalf("late %d, skipped %d, longest %v", late, skipped, longest)
	}
}

func TestAShortStallIsMadeUpForALongOneIsLeftOut(t *testing.T) {
	began, late, skipped, _ := beats(&byHand{jumps: map[int]time.Duration{0: 50 * time.Millisecond}}, 6)
	if late != 3 || skipped != 0 || began[1] != 70 || began[3] != 70 || began[4] != 80 {
		t.Fatalf("short: late %d, skipped %d, %v", late, skipped, began)
	}
	began, _, skipped, longest := beats(&byHand{jumps: map[int]time.Duration{0: time.Second}}, 6)
	// Due at 40 ms, now 1,020: 49 are left out, and the rhythm is the old one.
	if skipped != 49 || began[2] != 1020 || began[3] != 1040 || longest < time.Second {
		t.Fatalf("long: skipped %d, %v, longest %v", skipped, began, longest)
	}
}

func TestAClockThatJumpsDoesNotStopTheSound(t *testing.T) {
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour, -time.Second, -15 * time.Millisecond} {
		c := &byHand{at: 48 * time.Hour, jumps: map[int]time.Duration{10: jump}}
		began, _, _, _ := beats(c, 60)
		if last := began[59] - began[20]; last != 39*20 {
			t.Fatalf("after a jump of %v 39 ticks take %d ms: %v", jump, last, began)
		}
	}
}
