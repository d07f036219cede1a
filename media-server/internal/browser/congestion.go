package browser

import (
	"sync"
	"time"
)

const (
	lossHigh = 0.10 // of the packets: the way is too narrow
	lossLow  = 0.02 // and here it may be wider again
	// slower is how much longer than at its best a packet's round trip may take before that means a queue.
	slower = 250 * time.Millisecond
	widen  = 1.08                   // at each good report, about once a second
	floor  = 100_000                // bits a second: below, a picture is of no use
	forget = 8 * defaultKbps * 1000 // and from here on there is no bound
)

// congestion finds from a browser's reports how much video the way to it carries. It is loss-based, as in
// draft-ietf-rmcat-gcc, with a bound on the queue; browsers of today tell no estimate of their own.
type congestion struct {
	mu    sync.Mutex
	bits  float64 // a second; 0: as much as there is
	best  time.Duration
	sent  int           // bytes since the last report
	since time.Duration // when the first of them went
}

// count counts what is sent.
func (c *congestion) count(now time.Duration, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent == 0 {
		c.since = now
	}
	c.sent += bytes
}

// report takes one report: the share lost since the last one, and the round trip (0: not known).
func (c *congestion) report(now time.Duration, lost float64, trip time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rate := float64(c.sent) * 8 / max((now-c.since).Seconds(), 0.1)
	c.sent = 0
	if trip > 0 && (c.best == 0 || trip < c.best) {
		c.best = trip
	}
	narrow, queue := lost > lossHigh, trip > c.best+slower
	switch {
	case (narrow || queue) && rate < floor && c.bits == 0:
		// What little there is gets lost for other reasons than its amount.
	case narrow:
		c.bits = max(rate*(1-lost/2), floor)
	case queue:
		c.bits = max(rate*0.85, floor)
	case lost < lossLow && c.bits > 0:
		if c.bits *= widen; c.bits > forget {
			c.bits = 0
		}
	}
}

// room is what may be sent, in bits a second; 0: no bound.
func (c *congestion) room() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(c.bits)
}
