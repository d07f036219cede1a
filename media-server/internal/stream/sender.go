package stream

import (
	"github.com/pion/rtp"

	"guichet/mediaserver/internal/media"
)

// Sink takes RTP packets on their way out; a track of pion/webrtc is one. The packet is only valid
// during the call.
type Sink interface {
	WriteRTP(packet *rtp.Packet) error
}

// Sender turns frames into RTP packets, and digits into RFC 4733 events.
type Sender struct{}

// NewSender makes a sender that writes packets of this format to sink.
func NewSender(format Format, sink Sink) (*Sender, error) {
	return &Sender{}, nil
}

// Hear sends the next 20 ms; nil is sent as silence. It is called once a tick.
func (s *Sender) Hear(f *media.Frame) {}

// SetFormat changes what is sent; the stream (SSRC, sequence, timestamps) goes on.
func (s *Sender) SetFormat(format Format) error { return nil }

// SetSending tells whether packets are sent at all (false: the far side put us on hold).
func (s *Sender) SetSending(on bool) {}

// SendDigits queues digits (0-9, *, #, A-D, comma for a pause of a second); they are sent one after another
// while the audio is muted. It refuses others, more than 64 waiting, and a format without EventPT.
func (s *Sender) SendDigits(digits string) error { return nil }
