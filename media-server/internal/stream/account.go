package stream

import "time"

// account keeps the books of one received stream as RFC 3550, appendix A, does.
type account struct {
	known    bool
	ssrc     uint32
	base     int64
	highest  int64  // sequence number without roll-over
	seen     uint64 // bit n: the packet n before the highest came
	received uint64
	jitter   float64 // timestamp units
	transit  float64
	timed    bool

	// Of streams before this one (another SSRC).
	lostBefore, receivedBefore uint64
	duplicate                  uint64 // of all streams

	reported count // at the last report
	looked   count // at the last look, every five seconds
	lookedAt time.Duration
	lossLast float64
}

const lookEvery = 5 * time.Second

type count struct {
	expected, received uint64
}

// restart begins with another stream.
func (a *account) restart(h header) {
	*a = account{
		known: true, ssrc: h.ssrc, base: int64(h.sequence), highest: int64(h.sequence) - 1,
		lostBefore: a.lost(), receivedBefore: a.receivedBefore + a.received, duplicate: a.duplicate,
		lookedAt: a.lookedAt, lossLast: a.lossLast,
	}
}

// maxJump is how far sequence numbers may jump before they are taken as those of a sender that began anew.
const maxJump = 3000

// take counts a packet and tells its sequence number without roll-over; fresh is false for one that came before.
func (a *account) take(h header, now time.Duration) (sequence int64, fresh bool) {
	if jump := int16(h.sequence - uint16(a.highest)); jump > maxJump || jump < -maxJump {
		a.restart(h)
	}
	sequence = a.highest + int64(int16(h.sequence-uint16(a.highest)))
	if ahead := sequence - a.highest; ahead > 0 {
		a.seen = a.seen<<ahead | 1
		a.highest = sequence
	} else {
		bit := uint64(1) << -ahead
		if a.seen&bit != 0 {
			a.duplicate++
			return sequence, false
		}
		a.seen |= bit
	}
	a.base = min(a.base, sequence)
	a.received++
	if now-a.lookedAt > lookEvery {
		a.lookedAt, a.lossLast = now, a.share(&a.looked)
	}
	return sequence, true
}

// time takes in when a packet of audio came.
func (a *account) time(h header, at time.Duration, clock int) {
	transit := at.Seconds()*float64(clock) - float64(h.timestamp)
	if change := transit - a.transit; a.timed && change < float64(clock) && -change < float64(clock) {
		a.jitter += (max(change, -change) - a.jitter) / 16
	}
	a.transit, a.timed = transit, true
}

func (a *account) expected() uint64 {
	if !a.known {
		return 0
	}
	return uint64(a.highest - a.base + 1)
}

func (a *account) lost() uint64 {
	expected := a.expected()
	return a.lostBefore + expected - min(a.received, expected)
}

// share is the share lost since the time of the count given, which is set to now.
func (a *account) share(since *count) float64 {
	now := count{a.expected(), a.received}
	expected, received := now.expected-since.expected, now.received-since.received
	*since = now
	if expected <= received {
		return 0
	}
	return float64(expected-received) / float64(expected)
}
