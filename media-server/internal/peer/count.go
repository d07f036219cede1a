package peer

import "time"

const (
	bucket  = 100 * time.Microsecond
	buckets = 20_000 // up to 2 s; longer gaps count in the last
)

// Gaps are the times from one packet of a call to its next, in milliseconds.
type Gaps struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Report is what was counted in a span of time.
type Report struct {
	Seconds float64 `json:"seconds"`
	Calls   int     `json:"calls"`
	// Silent calls received no packet, Sent and Received are packets.
	Silent   int    `json:"silent"`
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	// Lost are missing in the sequence numbers; Sounding packets have something to hear in them.
	Lost     uint64 `json:"lost"`
	Sounding uint64 `json:"sounding"`
	Gap      Gaps   `json:"gap_ms"`
	// Dropped by the kernel on this side, for want of reading; LateSends packets left more than 5 ms after their
	// time: when there are any, the peer is what limits.
	Dropped   uint64 `json:"dropped_here"`
	LateSends uint64 `json:"late_sends"`
	// Said and Heard are when bursts began, in Unix seconds: at the mouth (20 ms before the packet that ends with
	// it left) and at the ear (when the packet came, and as far into it).
	Said  []float64 `json:"said,omitempty"`
	Heard []float64 `json:"heard,omitempty"`
}

// hearing is what one call received. It belongs to the line's lock.
type hearing struct {
	ssrc        uint32
	first, last uint64 // extended sequence numbers
	received    uint64
	sounding    uint64
	lost        uint64 // of streams that are over
	at          int64  // of the last packet, Unix nanoseconds; 0: none yet
	quiet       int    // samples since it last sounded
	counted     uint64 // of this stream
}

// begin forgets what was counted; the stream goes on.
func (h *hearing) begin() { *h = hearing{at: h.at, quiet: h.quiet} }

// packet takes one in; it gives the gap before it, and whether there is one.
func (h *hearing) packet(ssrc uint32, sequence uint16, at int64) (gap time.Duration, ok bool) {
	if h.received == 0 || ssrc != h.ssrc {
		h.settle()
		h.ssrc, h.first, h.last = ssrc, 1<<16+uint64(sequence), 1<<16+uint64(sequence)
		h.counted = 0
	}
	if here := h.last + uint64(int64(int16(sequence-uint16(h.last)))); here > h.last {
		h.last = here
	}
	h.counted++
	h.received++
	gap, ok = time.Duration(at-h.at), h.at != 0
	h.at = at
	return gap, ok
}

// settle counts what the stream so far has lost.
func (h *hearing) settle() {
	if span := h.last - h.first + 1; h.counted > 0 && span > h.counted {
		h.lost += span - h.counted
	}
	h.counted, h.first = 0, h.last+1
}

// gaps is a histogram.
type gaps struct {
	count [buckets]uint32
	total uint64
	max   time.Duration
}

func (g *gaps) add(gap time.Duration) {
	g.count[min(max(gap/bucket, 0), buckets-1)]++
	g.total++
	g.max = max(g.max, gap)
}

func (g *gaps) merge(other *gaps) {
	for i, n := range other.count {
		g.count[i] += n
	}
	g.total += other.total
	g.max = max(g.max, other.max)
}

func (g *gaps) read() Gaps {
	return Gaps{P50: g.at(0.5), P99: g.at(0.99), Max: g.max.Seconds() * 1e3}
}

// at gives the gap that a share of all does not pass.
func (g *gaps) at(share float64) float64 {
	left := uint64(share * float64(g.total))
	for i, n := range g.count {
		if uint64(n) > left {
			return (float64(i) + 0.5) * bucket.Seconds() * 1e3
		}
		left -= uint64(n)
	}
	return 0
}
