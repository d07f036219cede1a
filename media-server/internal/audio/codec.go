// Package audio turns frames into payloads and back: codecs, the change between 8 and 16 kHz, tones.
package audio

import (
	"errors"
	"fmt"

	"guichet/mediaserver/internal/media"
)

// Codec encodes one direction of one stream, or decodes it: it has a memory, so it is never shared.
type Codec interface {
	// ClockRate is that of the RTP timestamps (for G722 it is 8000, as RFC 3551 says).
	ClockRate() int
	// Encode appends the payload of f to dst.
	Encode(dst []byte, f *media.Frame) []byte
	// Decode writes the linear audio (16 kHz) of one packet's payload to pcm and tells how many samples
	// there are; what does not fit in pcm is cut.
	Decode(payload []byte, pcm []int16) int
	// Reset forgets the stream so far: another one begins.
	Reset()
}

// ErrUnknownCodec says that New knows no codec of that name.
var ErrUnknownCodec = errors.New("unknown codec")

// New makes a codec by its name in SDP.
func New(name string) (Codec, error) {
	switch name {
	case "PCMA":
		return &g711{law: &alaw}, nil
	case "PCMU":
		return &g711{law: &mulaw}, nil
	case "G722":
		codec := new(g722)
		codec.Reset()
		return codec, nil
	case "opus":
		return newOpus()
	}
	return nil, fmt.Errorf("make codec %q: %w", name, ErrUnknownCodec)
}
