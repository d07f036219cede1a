package stream

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/pion/rtp"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/media"
)

// Sink takes RTP packets on their way out; a track of pion/webrtc is one. The packet is only valid
// during the call.
type Sink interface {
	WriteRTP(packet *rtp.Packet) error
}

// Refusals of SendDigits.
var (
	ErrBadDigits  = errors.New("not a digit")
	ErrManyDigits = errors.New("too many digits are waiting")
	ErrNoEvents   = errors.New("the far side takes no telephone-event")
	ErrNotSending = errors.New("the far side is on hold")
)

// Lengths in ticks: a digit sounds for 100 ms, its end is told three times, the next begins 100 ms after it; a comma
// is a pause of a second.
const (
	maxDigits  = 64
	digitTicks = 5
	digitEnds  = 3
	pauseTicks = 5
	commaTicks = 50
	digitLevel = 10 // dB below 0 dBm0
)

var silence media.Frame

// Sender turns frames into RTP packets, and digits into RFC 4733 events.
type Sender struct {
	sink Sink

	mu      sync.Mutex
	format  Format
	codec   audio.Codec
	packet  rtp.Packet
	encoded []byte
	size    int // bytes of a packet; 0: each frame is one
	sending bool
	fresh   bool // the next packet begins a talk spurt

	ssrc      uint32
	index     uint64 // sequence number with its roll-overs, of the next packet
	timestamp uint32 // of the next tick
	sent      uint64
	octets    uint64

	digits     [maxDigits]byte
	waiting    int
	key        byte // of the digit under way
	tick       int  // within it, from 1; 0: none
	digitStart uint32
	event      [4]byte
}

// NewSender makes a sender that writes packets of this format to sink.
func NewSender(format Format, sink Sink) (*Sender, error) {
	var start [12]byte
	if _, err := rand.Read(start[:]); err != nil {
		return nil, fmt.Errorf("draw an SSRC: %w", err)
	}
	s := &Sender{
		sink: sink, sending: true, fresh: true, encoded: make([]byte, 0, 2048),
		ssrc:      binary.BigEndian.Uint32(start[:]),
		index:     uint64(binary.BigEndian.Uint16(start[4:]) &^ 0x8000), // SRTP wants a start far from the roll-over
		timestamp: binary.BigEndian.Uint32(start[8:]),
	}
	return s, s.SetFormat(format)
}

// SetFormat changes what is sent; the stream (SSRC, sequence, timestamps) goes on.
func (s *Sender) SetFormat(format Format) error {
	codec, err := audio.New(format.Codec)
	if err != nil {
		return err
	}
	millis, err := format.packetMillis()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.codec == nil || s.format.Codec != format.Codec {
		s.codec = codec
		s.encoded = s.encoded[:0]
	}
	s.size = 0
	if codec.ClockRate() == 8000 { // one byte for each tick of the clock: packets may be cut anywhere
		s.size = millis * codec.ClockRate() / 1000
	}
	s.format = format
	if format.EventPT == 0 {
		s.waiting, s.tick = 0, 0
	}
	return nil
}

// SetSending tells whether packets are sent at all (false: the far side put us on hold).
func (s *Sender) SetSending(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on != s.sending {
		s.sending, s.fresh = on, true
		s.encoded = s.encoded[:0]
		s.waiting, s.tick = 0, 0
	}
}

// SendDigits queues digits (0-9, *, #, A-D, comma for a pause of a second); they are sent one after another
// while the audio is muted. It refuses others, more than 64 waiting, and a format without EventPT.
func (s *Sender) SendDigits(digits string) error {
	digits = strings.ToUpper(digits)
	if strings.Trim(digits, keys+",") != "" {
		return ErrBadDigits
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.format.EventPT == 0:
		return ErrNoEvents
	case !s.sending:
		return ErrNotSending
	case s.waiting+len(digits) > maxDigits:
		return ErrManyDigits
	}
	s.waiting += copy(s.digits[s.waiting:], digits)
	return nil
}

// Hear sends the next 20 ms; nil is sent as silence. It is called once a tick.
func (s *Sender) Hear(f *media.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	units := uint32(s.codec.ClockRate() * media.FrameMillis / 1000)
	defer func() { s.timestamp += units }()
	if !s.sending {
		return
	}
	if s.dialling() {
		if s.tick <= digitTicks+digitEnds-1 && s.key != ',' {
			s.sendEvent(units)
			s.encoded = s.codec.Encode(s.encoded[:0], &silence)[:0] // the codec forgets what was said before
			return
		}
		f = nil
	}
	if f == nil {
		f = &silence
	}
	before := uint32(len(s.encoded)) // of audio that waits for the rest of its packet: one byte for each unit
	s.encoded = s.codec.Encode(s.encoded, f)
	if s.size == 0 {
		s.send(s.format.PT, s.fresh, s.timestamp, s.encoded)
		s.encoded, s.fresh = s.encoded[:0], false
		return
	}
	done := 0
	for ; len(s.encoded)-done >= s.size; done += s.size {
		s.send(s.format.PT, s.fresh, s.timestamp-before+uint32(done), s.encoded[done:done+s.size])
		s.fresh = false
	}
	s.encoded = s.encoded[:copy(s.encoded, s.encoded[done:])]
}

// Skip moves the time on by ticks that were left out, so that the far side does not play all that follows later.
func (s *Sender) Skip(ticks uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timestamp += uint32(ticks) * uint32(s.codec.ClockRate()*media.FrameMillis/1000)
	s.encoded, s.fresh = s.encoded[:0], true
}

// dialling takes the next step of the digits, and tells whether there was one.
func (s *Sender) dialling() bool {
	last := digitTicks + pauseTicks
	if s.key == ',' {
		last = commaTicks
	}
	if s.tick > 0 {
		if s.tick++; s.tick <= last {
			return true
		}
		s.tick, s.fresh = 0, true
	}
	if s.waiting == 0 {
		return false
	}
	s.key = s.digits[0]
	s.waiting = copy(s.digits[:], s.digits[1:s.waiting])
	s.tick, s.digitStart = 1, s.timestamp
	return true
}

// sendEvent sends the packet of this tick of a digit.
func (s *Sender) sendEvent(units uint32) {
	duration := units * uint32(min(s.tick, digitTicks))
	s.event = [4]byte{byte(strings.IndexByte(keys, s.key)), digitLevel, byte(duration >> 8), byte(duration)}
	if s.tick >= digitTicks {
		s.event[1] |= 0x80
	}
	s.send(s.format.EventPT, s.tick == 1, s.digitStart, s.event[:])
}

func (s *Sender) send(payloadType uint8, marker bool, timestamp uint32, payload []byte) {
	s.packet.Header = rtp.Header{
		Version: 2, Marker: marker, PayloadType: payloadType, SequenceNumber: uint16(s.index), Timestamp: timestamp, SSRC: s.ssrc,
	}
	s.packet.Payload = payload
	s.index++
	s.sent++
	s.octets += uint64(len(payload))
	// A packet that cannot be sent is a lost packet: nobody could do anything about it in a tick.
	_ = s.sink.WriteRTP(&s.packet)
}
