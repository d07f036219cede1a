package mixer

import (
	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/prompt"
)

// beep tells all of a room, at an interval, that it is recorded: first when the recording begins.
type beep struct {
	player *player
	every  uint64 // ticks
	count  uint64
}

func newBeep(clip *prompt.Clip, everyMillis int) *beep {
	return &beep{player: newPlayer([]*prompt.Clip{clip}, false, 0), every: uint64(everyMillis / media.FrameMillis)}
}

// frame is what is heard of it in this tick, or nil.
func (b *beep) frame(tick uint64) *media.Frame {
	if b.count%b.every == 0 {
		b.player.done, b.player.last = false, 0
	}
	b.count++
	if b.player.done {
		return nil
	}
	return b.player.frame(tick)
}
