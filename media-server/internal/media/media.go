// Package media holds the few words that every room of the media server shares: the frame, the port, the keeper.
package media

import "encoding/json"

// Rate and lengths of the only audio format between the packages: 16 kHz, mono, signed 16 bit, 20 ms.
const (
	Rate         = 16000
	FrameSamples = 320
	FrameMillis  = 20
)

// Frame is 20 ms of linear audio at 16 kHz.
type Frame [FrameSamples]int16

// Port is the audio side of one endpoint: a phone call, a browser, or a program at a PCM socket.
// The mixer calls both methods once a tick from its own goroutine: they never block and allocate nothing.
type Port interface {
	// ID names the endpoint, for the whole of its life.
	ID() string
	// Say fills f with the next 20 ms that the endpoint speaks. False: it says nothing now, f is untouched.
	Say(f *Frame) bool
	// Hear gives the endpoint what it hears in this tick; nil when it is to hear nothing. What then goes
	// on the wire (silence, comfort noise, no packet) is the port's business. f is only valid during the call
	// and is not to be changed: others hear the same frame.
	Hear(f *Frame)
}

// Skipper is a Port that numbers what it sends by time. When a stall made the mixer leave ticks out, it is told
// how many, in the tick that follows and before its Say.
type Skipper interface {
	Skip(ticks uint64)
}

// Keeper saves small documents so that calls survive the end of the process. Each document is replaced
// atomically; Keep returns when the kernel has it (the process may be killed, the host not).
type Keeper interface {
	Keep(kind, id string, doc any) error
	Drop(kind, id string) error
	Each(kind string, visit func(id string, doc json.RawMessage) error) error
}
