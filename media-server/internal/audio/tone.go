package audio

import (
	"errors"

	"guichet/mediaserver/internal/media"
)

// ErrBadTone says that a tone's description cannot be read.
var ErrBadTone = errors.New("bad tone")

// Tone makes a named tone (ringback, busy, congestion, beep, silence) or a list "440+480/2000,0/4000"
// (frequencies in Hz / length in ms; 0 is silence).
type Tone struct{}

// NewTone reads the description. A tone that loops never ends.
func NewTone(description string, loop bool) (*Tone, error) {
	return nil, ErrBadTone
}

// Next fills f with the next 20 ms. False: the tone was over before this frame, and f is untouched.
func (t *Tone) Next(f *media.Frame) bool {
	return false
}
