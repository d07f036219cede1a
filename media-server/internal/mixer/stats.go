package mixer

// Stats are the figures of the tick, as GET /v1/stats shows them. Busy and gaps are of the last 1,024 ticks
// (20 s), in microseconds; the counters and LongestGap are of the whole run.
type Stats struct {
	Ticks uint64 `json:"ticks"`
	// Late ticks began more than 5 ms after their time; Skipped ones were left out after a stall.
	Late       uint64 `json:"late"`
	Skipped    uint64 `json:"skipped"`
	LongestGap int64  `json:"longest_gap_us"`
	GapP99     int64  `json:"gap_p99_us"`
	// Busy is the time of one tick: Say (ports give, levels), Mix, Hear (ports take), Record, and all of it.
	Say    Busy `json:"say"`
	Mix    Busy `json:"mix"`
	Hear   Busy `json:"hear"`
	Record Busy `json:"record"`
	Tick   Busy `json:"tick"`
	// Ports attached, rooms open, and whether the tick's thread runs at real-time priority.
	Ports    int  `json:"ports"`
	Rooms    int  `json:"rooms"`
	Realtime bool `json:"realtime"`
}

// Busy is a time spent per tick, in microseconds.
type Busy struct {
	P50 int64 `json:"p50_us"`
	P99 int64 `json:"p99_us"`
	Max int64 `json:"max_us"`
}
