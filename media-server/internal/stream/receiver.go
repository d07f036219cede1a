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
	// Tone is a digit that was heard in the audio, 0-9, *, #, A-D, in a format that has no events; nil: nobody listens
	// for them, and they are not muted.
	Tone func(digit byte, held time.Duration)
	// Silent: true when no packet came for a second, false when one does again. A side that announced
	// silence by comfort noise is not silent.
	Silent func(silent bool)
	// Changed (of a Leg only, never in the tick): the Snapshot is worth keeping again.
	Changed func()
}

const (
	silentAfter  = time.Second
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
	way     handover

	// What the read loop keeps; the tick never takes this lock.
	book    sync.Mutex
	account account
	events  int64 // event packets: they have sequence numbers, but no sound
	bad     uint64
	claim   header // of another SSRC, which the next packet must confirm
	claimed time.Duration

	// What the tick keeps; the read loop only takes this lock where nobody else does, and it is taken after book.
	play   sync.Mutex
	buffer *jitter.Buffer
	digits digitReader
	keypad audio.Keypad
	heard  time.Duration
	noise  bool // the last packet announced silence
	silent bool

	// Changed under both locks.
	format Format
	codec  audio.Codec
	off    bool // nothing is to be received
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
		r.book.Lock()
		r.bad++
		r.book.Unlock()
		return
	}
	r.take(h, payload)
}

// take is Receive after the header has been read; it tells whether the stream is another one from now on.
func (r *Receiver) take(h header, payload []byte) (changed bool) {
	now := r.now()
	r.book.Lock()
	defer r.book.Unlock()
	if r.off || !r.belongs(h, now) {
		return false
	}
	if changed = r.account.ssrc != h.ssrc || !r.account.known; changed {
		r.account.restart(h)
	}
	sequence, fresh := r.account.take(h, now)
	if !fresh {
		return changed
	}
	p := arrived{restart: changed, header: h, sequence: sequence - r.events, at: now, payload: payload}
	switch {
	case h.payloadType == r.format.PT:
		r.account.time(h, now, r.codec.ClockRate())
	case r.format.tells(h.payloadType):
		r.events++
		p.kind = event
	default:
		p.kind = noise
	}
	if !r.way.add(p) && r.play.TryLock() { // nobody speaks: old packets make room
		r.drain(nil)
		r.play.Unlock()
		r.way.add(p)
	}
	return changed
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
	return payloadType == r.format.PT || payloadType == noiseType || r.format.tells(payloadType)
}

// Say fills f with the next 20 ms; false when there is nothing to hear.
func (r *Receiver) Say(f *media.Frame) bool {
	now := r.now()
	r.play.Lock()
	if r.off {
		r.play.Unlock()
		return false
	}
	if r.heard == 0 {
		r.heard = now
	}
	var told digits
	r.drain(&told)
	told.add(r.digits.expire(now))
	ok := r.buffer.Pop(now, f)
	var tone byte
	var pressed time.Duration
	if r.notices.Tone != nil && r.format.EventPT == 0 {
		tone, pressed, ok = r.listen(f, ok)
	}
	was := r.silent
	r.silent = !r.noise && now-r.heard > silentAfter
	is, clock := r.silent, r.codec.ClockRate()
	r.play.Unlock()
	for _, one := range told.all[:told.n] {
		if r.notices.Digit != nil {
			r.notices.Digit(one.key, time.Duration(one.held)*time.Second/time.Duration(clock))
		}
	}
	if tone != 0 {
		r.notices.Tone(tone, pressed)
	}
	if was != is && r.notices.Silent != nil {
		r.notices.Silent(is)
	}
	return ok
}

// listen looks for digits in what was popped, and silences it where there is one.
func (r *Receiver) listen(f *media.Frame, said bool) (digit byte, held time.Duration, ok bool) {
	if !said && !r.keypad.Pressed() {
		return 0, 0, false
	}
	var quiet media.Frame
	if !said {
		f = &quiet
	}
	digit, held, mute := r.keypad.Next(f)
	if mute {
		*f = media.Frame{}
	}
	return digit, held, said
}

// digits are those that ended within one tick.
type digits struct {
	all [8]struct {
		key  byte
		held uint32
	}
	n int
}

func (d *digits) add(key byte, held uint32) {
	if key != 0 && d.n < len(d.all) {
		d.all[d.n].key, d.all[d.n].held = key, held
		d.n++
	}
}

// drain takes what has arrived; with nil for told, digits are of a time in which nobody listened.
func (r *Receiver) drain(told *digits) {
	for p := r.way.next(); p != nil; p = r.way.next() {
		if p.restart {
			r.codec.Reset()
			r.buffer.Restart(r.codec)
			r.digits, r.keypad = digitReader{}, audio.Keypad{}
		}
		if p.kind == event {
			digit, held := r.digits.packet(p.header, p.payload, p.at)
			if told != nil {
				told.add(digit, held)
			}
			r.mute()
		} else {
			r.buffer.Push(jitter.Packet{
				Sequence: p.sequence, Timestamp: p.header.timestamp, Payload: p.payload, Noise: p.kind == noise,
			}, p.at)
		}
		r.heard, r.noise = p.at, p.kind == noise
		r.way.drop()
	}
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

// change runs a change of what is received under both locks; what is on the way is forgotten.
func (r *Receiver) change(do func()) {
	r.book.Lock()
	defer r.book.Unlock()
	r.play.Lock()
	defer r.play.Unlock()
	r.drain(nil)
	do()
	r.digits, r.keypad = digitReader{}, audio.Keypad{}
}

// SetFormat changes what is received, as a new offer and answer agreed on it.
func (r *Receiver) SetFormat(format Format) error {
	codec, err := audio.New(format.Codec)
	if err != nil {
		return err
	}
	r.book.Lock()
	same := format == r.format
	r.book.Unlock()
	if same {
		return nil
	}
	r.change(func() {
		if format.Codec != r.format.Codec {
			r.codec = codec
			r.buffer.Restart(codec)
		}
		r.format = format
	})
	return nil
}

// setReceiving tells whether anything is to be received (not while we have put the far side on hold).
func (r *Receiver) setReceiving(on bool) {
	r.book.Lock()
	same := r.off == !on
	r.book.Unlock()
	if same {
		return
	}
	r.change(func() {
		r.off = !on
		r.heard = r.now()
		r.buffer.Restart(r.codec)
	})
}

// Stats tells the figures so far.
func (r *Receiver) Stats() Stats {
	r.book.Lock()
	defer r.book.Unlock()
	r.play.Lock()
	played := r.buffer.Stats(r.now())
	r.play.Unlock()
	a := &r.account
	return Stats{
		Received: a.receivedBefore + a.received, Lost: a.lost(), Bad: r.bad,
		Late: uint64(played.Late), Duplicate: a.duplicate, LossPercent: 100 * a.lossLast,
		JitterMillis:    a.jitter * 1000 / float64(r.codec.ClockRate()),
		DelayMillis:     float64(played.Delay) / float64(time.Millisecond),
		ConcealedMillis: played.Concealed.Milliseconds(),
	}
}
