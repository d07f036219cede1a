package stream

import (
	"sync"
	"time"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/jitter"
	"guichet/mediaserver/internal/media"
)

// Notices are called when something happens on a stream, in the mixer's tick or a read loop: they must not
// block. Each may be nil.
type Notices struct {
	// Digit came as RFC 4733 event: 0-9, *, #, A-D, once for each press.
	Digit func(digit byte, held time.Duration)
	// Silent: true when no packet came for a second, false when one does again. A side that announced
	// silence by comfort noise is not silent.
	Silent func(silent bool)
	// Changed (of a Leg only, never in the tick): the Snapshot is worth keeping again.
	Changed func()
}

const (
	silentAfter  = time.Second
	lookEvery    = 5 * time.Second
	muteBefore   = 40 * time.Millisecond  // of a digit: gateways notice a tone when it has begun
	muteAfter    = 40 * time.Millisecond  // and its end when it has ended
	muteWhile    = 120 * time.Millisecond // until the next packet about it may come
	staleClaim   = 200 * time.Millisecond // between the two packets that announce another SSRC
	maxRTPPacket = 1500
)

// Receiver turns RTP packets into frames. Receive is for one goroutine, Say for another one.
type Receiver struct {
	notices Notices
	now     func() time.Duration

	mu      sync.Mutex
	format  Format
	codec   audio.Codec
	buffer  *jitter.Buffer
	account account
	digits  digitReader
	events  int64 // event packets: they have sequence numbers, but no audio
	bad     uint64
	claim   header // of another SSRC, which the next packet must confirm
	claimed time.Duration

	off      bool // nothing is to be received
	heard    time.Duration
	noise    bool // the last packet announced silence
	silent   bool
	looked   time.Duration
	lossLast float64
}

// NewReceiver makes a receiver of packets of this format.
func NewReceiver(format Format, notices Notices) (*Receiver, error) {
	codec, err := audio.New(format.Codec)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	r := &Receiver{
		notices: notices, format: format, codec: codec, buffer: jitter.New(codec),
		now: func() time.Duration { return time.Since(start) },
	}
	return r, nil
}

// Receive takes one RTP packet as it came (decrypted); the slice is not kept.
func (r *Receiver) Receive(packet []byte) {
	h, payload, ok := parse(packet)
	if !ok {
		r.mu.Lock()
		r.bad++
		r.mu.Unlock()
		return
	}
	r.take(h, payload)
}

// take is Receive after the header has been read; it tells whether the stream is another one from now on.
func (r *Receiver) take(h header, payload []byte) (changed bool) {
	now := r.now()
	r.mu.Lock()
	if r.off || !r.belongs(h, now) {
		r.mu.Unlock()
		return false
	}
	if changed = r.account.ssrc != h.ssrc || !r.account.known; changed {
		if r.account.known {
			r.buffer.Restart(r.codec)
		}
		r.account.restart(h)
		r.digits = digitReader{}
	}
	sequence := r.account.take(h)
	var digit byte
	var held uint32
	switch {
	case h.payloadType == r.format.PT:
		r.account.time(h, now, r.codec.ClockRate())
		r.push(jitter.Packet{Sequence: sequence - r.events, Timestamp: h.timestamp, Payload: payload}, now)
	case h.payloadType == r.format.EventPT: // not 0: understands saw to that
		r.events++
		digit, held = r.digits.packet(h, payload, now)
		r.mute()
	default:
		r.push(jitter.Packet{Sequence: sequence - r.events, Timestamp: h.timestamp, Payload: payload, Noise: true}, now)
	}
	r.noise = h.payloadType == noiseType && h.payloadType != r.format.PT
	r.heard = now
	back := r.silent
	r.silent = false
	clock := r.codec.ClockRate()
	r.mu.Unlock()
	r.tell(digit, held, clock)
	if back && r.notices.Silent != nil {
		r.notices.Silent(false)
	}
	return changed
}

// push hands a packet to the play-out; one that comes twice does not make up for one that was lost.
func (r *Receiver) push(p jitter.Packet, now time.Duration) {
	if !r.buffer.Push(p, now) {
		r.account.received--
	}
}

// belongs tells whether a packet is of this stream; one of another SSRC is when two in a row say so, lest a single
// stray packet throws the play-out over.
func (r *Receiver) belongs(h header, now time.Duration) bool {
	if !r.understands(h.payloadType) {
		r.bad++
		return false
	}
	if !r.account.known || h.ssrc == r.account.ssrc {
		r.claim = header{}
		return true
	}
	confirmed := r.claimed != 0 && r.claim.ssrc == h.ssrc && h.sequence == r.claim.sequence+1 && now-r.claimed < staleClaim
	r.claim, r.claimed = h, now
	return confirmed
}

func (r *Receiver) understands(payloadType uint8) bool {
	return payloadType == r.format.PT || payloadType == noiseType || payloadType == r.format.EventPT && payloadType != 0
}

// mute keeps the digit that is under way, or was last, out of the audio.
func (r *Receiver) mute() {
	if !r.digits.known {
		return
	}
	units := func(d time.Duration) uint32 { return uint32(d * time.Duration(r.codec.ClockRate()) / time.Second) }
	until := r.digits.start + r.digits.duration + units(muteAfter)
	if r.digits.active() {
		until += units(muteWhile)
	}
	r.buffer.Mute(r.digits.start-units(muteBefore), until)
}

func (r *Receiver) tell(digit byte, held uint32, clock int) {
	if digit != 0 && r.notices.Digit != nil {
		r.notices.Digit(digit, time.Duration(held)*time.Second/time.Duration(clock))
	}
}

// Say fills f with the next 20 ms; false when there is nothing to hear.
func (r *Receiver) Say(f *media.Frame) bool {
	now := r.now()
	r.mu.Lock()
	if r.off {
		r.heard = now
		r.mu.Unlock()
		return false
	}
	if r.heard == 0 {
		r.heard = now
	}
	ok := r.buffer.Pop(now, f)
	digit, held := r.digits.expire(now)
	gone := !r.silent && !r.noise && now-r.heard > silentAfter
	r.silent = r.silent || gone
	if now-r.looked > lookEvery {
		r.looked = now
		r.lossLast = 100 * r.account.share(&r.account.looked)
	}
	clock := r.codec.ClockRate()
	r.mu.Unlock()
	r.tell(digit, held, clock)
	if gone && r.notices.Silent != nil {
		r.notices.Silent(true)
	}
	return ok
}

// SetFormat changes what is received, as a new offer and answer agreed on it.
func (r *Receiver) SetFormat(format Format) error {
	codec, err := audio.New(format.Codec)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if format.Codec != r.format.Codec {
		r.codec = codec
		r.buffer.Restart(codec)
	}
	r.format = format
	return nil
}

// setReceiving tells whether anything is to be received (not while we have put the far side on hold).
func (r *Receiver) setReceiving(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off != on {
		return
	}
	r.off = !on
	r.heard = r.now()
	if r.off {
		r.buffer.Restart(r.codec)
		r.digits = digitReader{}
	}
}

// Stats tells the figures so far.
func (r *Receiver) Stats() Stats {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	played := r.buffer.Stats(now)
	return Stats{
		Received: r.account.receivedBefore + r.account.received, Lost: r.account.lost(), Bad: r.bad,
		Late: uint64(played.Late), Duplicate: uint64(played.Duplicate), LossPercent: r.lossLast,
		JitterMillis:    r.account.jitter * 1000 / float64(r.codec.ClockRate()),
		DelayMillis:     float64(played.Delay) / float64(time.Millisecond),
		ConcealedMillis: played.Concealed.Milliseconds(),
	}
}
