package jitter

import "math"

// All times and positions of this package are samples at 16 kHz.
const (
	millis = 16

	bucket     = 5 * millis
	buckets    = 100
	quantile   = 0.97 // of the packets shall be there in time without a stretch
	memory     = 250  // packets after which the histogram has forgotten most
	firstGuess = 30 * millis

	// The shortest way through the network is the least of the last one to two windows: long enough to meet a
	// packet that was not held up, short enough to follow clocks that drift apart.
	window = 2500 * millis

	// Spikes: packets held up far beyond the rest. Two within spikeMemory are a habit of this network, and
	// the depth then covers the smaller of them until the habit has ended.
	spikeOver   = 40 * millis
	spikeLength = 1000 * millis
	spikeMemory = 20000 * millis
)

// delay learns how long packets are under way beyond the shortest way, and so how deep the buffer must be.
type delay struct {
	known       bool
	shortest    int64 // of the window before
	current     int64 // of the window now
	windowStart int64
	histogram   [buckets]float32
	packets     int
	wanted      int64
	last, prior spike
}

// spike is one time of holding up.
type spike struct {
	at, height int64
}

// restart forgets the way (the stream has another clock now) and keeps how uneven it was.
func (d *delay) restart() {
	d.known = false
	if d.packets == 0 {
		d.histogram[firstGuess/bucket] = 1
		d.last.at, d.prior.at = math.MinInt64/2, math.MinInt64/2
		d.learn(0, 0)
		d.packets = 0
	}
}

// base is the transit (arrival less position) of a packet that is not held up.
func (d *delay) base() int64 {
	return min(d.shortest, d.current)
}

// arrive learns from one packet's transit.
func (d *delay) arrive(transit, at int64) {
	switch {
	case !d.known:
		d.known, d.shortest, d.current, d.windowStart = true, transit, transit, at
	case at-d.windowStart > window:
		before := d.base()
		d.shortest, d.current, d.windowStart = d.current, transit, at
		d.shift((d.base() - before) / bucket)
	default:
		d.current = min(d.current, transit)
	}
	d.learn(transit-d.base(), at)
}

// shift tells the histogram that the shortest way has become longer: packets are held up by so much less.
func (d *delay) shift(by int64) {
	if by <= 0 {
		return
	}
	by = min(by, buckets-1)
	for _, share := range d.histogram[:by] {
		d.histogram[by] += share
	}
	copy(d.histogram[:], d.histogram[by:])
	clear(d.histogram[buckets-by:])
}

// learn takes in how long one packet was held up.
func (d *delay) learn(late, at int64) {
	if late > d.wanted+spikeOver {
		if at-d.last.at > spikeLength {
			d.prior, d.last = d.last, spike{at, late}
		}
		d.last.height = max(d.last.height, late)
	}
	d.packets++
	share := 1 / float32(min(d.packets+1, memory))
	for i := range d.histogram {
		d.histogram[i] *= 1 - share
	}
	d.histogram[min(late/bucket, buckets-1)] += share
	rest, i := float32(0), buckets-1
	for ; i > 0; i-- {
		if rest += d.histogram[i]; rest > 1-quantile {
			break
		}
	}
	d.wanted = int64(i+1) * bucket
}

// target is how long a packet that is not held up should wait.
func (d *delay) target(now int64) int64 {
	if now-d.last.at < spikeMemory && d.last.at-d.prior.at < spikeMemory {
		return min(max(d.wanted, min(d.last.height, d.prior.height)+bucket), buckets*bucket)
	}
	return d.wanted
}
