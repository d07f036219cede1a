package mixer

import (
	"slices"
	"sync/atomic"
	"time"
)

// Stats are the figures of the tick, as GET /v1/stats shows them. Busy and gaps are of the last 1,024 ticks
// (20 s), in microseconds; the counters and LongestGap are of the whole run.
type Stats struct {
	Ticks uint64 `json:"ticks"`
	// Late ticks began more than 5 ms after their time; Skipped ones were left out after a stall.
	Late    uint64 `json:"late"`
	Skipped uint64 `json:"skipped"`
	// A gap is the time from the beginning of one tick to that of the next.
	LongestGap int64 `json:"longest_gap_us"`
	Gap        Spent `json:"gap"`
	// The time of one tick: Say (ports give, levels), Mix, Hear (ports take), Record, and all of it.
	Say    Spent `json:"say"`
	Mix    Spent `json:"mix"`
	Hear   Spent `json:"hear"`
	Record Spent `json:"record"`
	Tick   Spent `json:"tick"`
	// Ports attached, rooms open, recordings not yet encoded, and whether the tick's thread runs at real-time
	// priority.
	Ports      int  `json:"ports"`
	Rooms      int  `json:"rooms"`
	Recordings int  `json:"recordings"`
	Realtime   bool `json:"realtime"`
}

// Spent is a time per tick, in microseconds.
type Spent struct {
	P50 int64 `json:"p50_us"`
	P99 int64 `json:"p99_us"`
	Max int64 `json:"max_us"`
}

const remembered = 1024 // ticks

// series holds the last values of one figure: written by the tick, read by anybody.
type series [remembered]atomic.Int64

// figures count the tick; reading them does not disturb it.
type figures struct {
	ticks, late, skipped   atomic.Uint64
	longest                atomic.Int64
	realtime               atomic.Bool
	gap                    series
	say, mix, hear, record series
	all                    series
}

// tick notes how a tick began.
func (f *figures) tick(late, gap time.Duration, skipped uint64) {
	f.gap[f.ticks.Load()%remembered].Store(gap.Microseconds())
	if late > lateAfter {
		f.late.Add(1)
	}
	f.skipped.Add(skipped)
	f.longest.Store(max(f.longest.Load(), gap.Microseconds()))
}

// busy notes what a tick spent, and ends it.
func (f *figures) busy(say, mix, hear, record time.Duration) {
	i := f.ticks.Load() % remembered
	f.say[i].Store(say.Microseconds())
	f.mix[i].Store(mix.Microseconds())
	f.hear[i].Store(hear.Microseconds())
	f.record[i].Store(record.Microseconds())
	f.all[i].Store((say + mix + hear + record).Microseconds())
	f.ticks.Add(1)
}

func (f *figures) read() Stats {
	count := f.ticks.Load()
	return Stats{
		Ticks: count, Late: f.late.Load(), Skipped: f.skipped.Load(), LongestGap: f.longest.Load(),
		Gap: f.gap.spent(count), Say: f.say.spent(count), Mix: f.mix.spent(count), Hear: f.hear.spent(count),
		Record: f.record.spent(count), Tick: f.all.spent(count), Realtime: f.realtime.Load(),
	}
}

func (s *series) spent(count uint64) Spent {
	values := make([]int64, min(count, remembered))
	if len(values) == 0 {
		return Spent{}
	}
	for i := range values {
		values[i] = s[i].Load()
	}
	slices.Sort(values)
	return Spent{P50: values[len(values)/2], P99: values[len(values)*99/100], Max: values[len(values)-1]}
}
