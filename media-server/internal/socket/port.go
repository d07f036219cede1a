package socket

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"guichet/mediaserver/internal/media"
)

const (
	outFrames = 50   // 1 s: a program that reads slower loses the oldest
	inFrames  = 1500 // 30 s ahead of time: what comes beyond is dropped
	notices   = 64
	cushion   = 3 // frames, or ticks: after silence it waits for so much, as messages come unevenly
)

// port is the audio side: the mixer calls it in the tick, the link's goroutines at the other ends of queues.
type port struct {
	id string

	in, inFree   chan *media.Frame // what the program says, and empty frames for it
	out, outFree chan *heard
	notices      chan []byte

	lost     atomic.Int64 // frames that it read too late
	dropped  atomic.Int64 // frames that it sent too early
	dropping bool         // of the reader: the queue is full, and it was told

	// Of the tick.
	flowing bool
	waited  int
	count   int64
}

// heard is a frame that the program hears, and its number: a gap in the numbers is told.
type heard struct {
	frame  media.Frame
	number int64
}

func newPort(id string) *port {
	p := &port{id: id,
		in: make(chan *media.Frame, inFrames), inFree: make(chan *media.Frame, inFrames),
		out: make(chan *heard, outFrames), outFree: make(chan *heard, outFrames+2),
		notices: make(chan []byte, notices)}
	frames := make([]heard, outFrames+2) // one with the writer, one in the hand of the tick
	for i := range frames {
		p.outFree <- &frames[i]
	}
	return p
}

func (p *port) ID() string { return p.id }

// Say gives the next frame of the program.
func (p *port) Say(f *media.Frame) bool {
	if !p.flowing {
		if len(p.in) == 0 {
			p.waited = 0
			return false
		}
		if p.waited++; p.waited < cushion && len(p.in) < cushion {
			return false
		}
	}
	select {
	case said := <-p.in:
		*f = *said
		p.give(said)
		p.flowing, p.waited = true, 0
		return true
	default:
		p.flowing = false
		return false
	}
}

// Hear queues what the program hears; silence is sent as such. When the queue is full, the oldest goes.
func (p *port) Hear(f *media.Frame) {
	to := <-p.outFree // there are more frames than the queue and the writer hold
	to.number = p.count
	p.count++
	if f == nil {
		clear(to.frame[:])
	} else {
		to.frame = *f
	}
	for {
		select {
		case p.out <- to:
			return
		default:
		}
		select {
		case oldest := <-p.out:
			p.outFree <- oldest
			p.lost.Add(1)
		default:
		}
	}
}

// Talks tells the program that somebody it hears began or ceased to talk.
func (p *port) Talks(endpoint string, on bool) {
	text, err := json.Marshal(map[string]any{"talking": map[string]any{"endpoint": endpoint, "on": on}})
	if err == nil {
		p.notice(text)
	}
}

// notice queues a text message; one that does not read loses the oldest.
func (p *port) notice(text []byte) {
	for {
		select {
		case p.notices <- text:
			return
		default:
		}
		select {
		case <-p.notices:
		default:
		}
	}
}

// queue takes one frame of the program.
func (p *port) queue(data []byte) {
	var f *media.Frame
	select {
	case f = <-p.inFree:
	default:
		f = new(media.Frame)
	}
	for i := range f {
		f[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
	}
	select {
	case p.in <- f:
		p.dropping = false
	default:
		p.give(f)
		p.dropped.Add(1)
		if !p.dropping {
			p.dropping = true
			p.notice([]byte(`{"dropping":true}`))
		}
	}
}

// clear drops what the program has not yet said; it tells how many frames.
func (p *port) clear() (frames int) {
	for {
		select {
		case f := <-p.in:
			p.give(f)
			frames++
		default:
			return frames
		}
	}
}

func (p *port) give(f *media.Frame) {
	select {
	case p.inFree <- f:
	default:
	}
}

func clearedNotice(frames int) []byte {
	return fmt.Appendf(nil, `{"cleared_ms":%d}`, frames*media.FrameMillis)
}

func lostNotice(frames int64) []byte {
	return fmt.Appendf(nil, `{"lost_ms":%d}`, frames*media.FrameMillis)
}
