package browser

import (
	"sync/atomic"

	"github.com/pion/webrtc/v4"
	"golang.org/x/time/rate"
)

const (
	marksLabel  = "marks"
	maxMark     = 4 << 10   // bytes of one message
	marksPerSec = 120       // a pointer moves 60 times a second, a pen draws beside it
	marksBurst  = 240       //
	marksQueue  = 128 << 10 // bytes waiting for a slow browser; beyond, marks are dropped
)

// marks relays pointer and drawing between two browsers that see each other's video. What they mean is for
// the pages; too many, too large or too late ones are dropped.
type marks struct {
	channel atomic.Pointer[webrtc.DataChannel]
	to      atomic.Pointer[[]*link]
	limiter *rate.Limiter
}

func newMarks() *marks {
	m := &marks{limiter: rate.NewLimiter(marksPerSec, marksBurst)}
	m.to.Store(&[]*link{})
	return m
}

// channel is called by pion for each data channel that the browser opens.
func (l *link) channel(channel *webrtc.DataChannel) {
	if channel.Label() != marksLabel || !l.marks.channel.CompareAndSwap(nil, channel) {
		_ = channel.Close()
		return
	}
	channel.OnMessage(func(message webrtc.DataChannelMessage) {
		if len(message.Data) > maxMark || !l.marks.limiter.Allow() {
			return
		}
		for _, other := range *l.marks.to.Load() {
			other.marks.pass(message)
		}
	})
}

func (m *marks) pass(message webrtc.DataChannelMessage) {
	channel := m.channel.Load()
	if channel == nil || channel.BufferedAmount() > marksQueue {
		return
	}
	// A channel that closes meanwhile has nobody to show the mark to.
	if message.IsString {
		_ = channel.SendText(string(message.Data))
	} else {
		_ = channel.Send(message.Data)
	}
}
