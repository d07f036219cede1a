package stream

import (
	"time"

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

// Receiver turns RTP packets into frames. Receive is for one goroutine, Say for another one.
type Receiver struct{}

// NewReceiver makes a receiver of packets of this format.
func NewReceiver(format Format, notices Notices) (*Receiver, error) {
	return &Receiver{}, nil
}

// Receive takes one RTP packet as it came (decrypted); the slice is not kept.
func (r *Receiver) Receive(packet []byte) {}

// Say fills f with the next 20 ms; false when there is nothing to hear.
func (r *Receiver) Say(f *media.Frame) bool { return false }

// SetFormat changes what is received, as a new offer and answer agreed on it.
func (r *Receiver) SetFormat(format Format) error { return nil }

// Stats tells the figures so far.
func (r *Receiver) Stats() Stats { return Stats{} }
