package mixer

import (
	"math"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/prompt"
)

const (
	unity     = 4096 // a gain of 1
	fadeTicks = 5    // 100 ms: music goes for an announcement, and comes back
	edge      = 80   // 5 ms: a seam that does not fit is faded over
)

// player reads clips one after the other, as the tick asks. Only the tick touches it.
type player struct {
	clips []*prompt.Clip
	loop  bool
	gain  int32 // of unity

	announcement *prompt.Clip
	every        int // samples of music between two announcements

	clip, at   int // where the music is
	since      int // samples of music since the last announcement
	level      int // of fadeTicks: how far the music is faded in
	announcing bool
	spoken     int // where the announcement is
	last       uint64
	done       bool
	out        *media.Frame // of tick last
	buf        media.Frame
}

// newPlayer plays clips in turn; gain is in dB.
func newPlayer(clips []*prompt.Clip, loop bool, gain float64) *player {
	return &player{clips: clips, loop: loop, gain: int32(math.Round(unity * math.Pow(10, gain/20))), level: fadeTicks}
}

// frame is what is heard in this tick; asked again in the same tick it gives the same. What nobody asks for
// stands still, and comes back softly. The frame is not to be changed: it may lie in the clip itself.
func (p *player) frame(tick uint64) *media.Frame {
	if p.last == tick {
		return p.out
	}
	if p.last != 0 && p.last+1 != tick && !p.announcing {
		p.level = 0
	}
	p.last = tick
	p.out = p.next()
	return p.out
}

func (p *player) next() *media.Frame {
	if p.announcing {
		p.spoken = p.read(p.announcement, p.spoken, 0, true)
		if p.spoken >= len(p.announcement.PCM) {
			p.announcing, p.spoken, p.since, p.level = false, 0, 0, 0
		}
		return p.loud(&p.buf)
	}
	from := p.level
	leaving := p.announcement != nil && p.since >= p.every
	if leaving {
		p.level--
	} else if p.level < fadeTicks {
		p.level++
	}
	out := p.music()
	p.since += media.FrameSamples
	if from != fadeTicks || p.level != fadeTicks {
		out = p.own(out)
		ramp(out, from*unity/fadeTicks, p.level*unity/fadeTicks)
	}
	if leaving && p.level == 0 {
		p.announcing = true
	}
	return p.loud(out)
}

// music is the next frame of the clips: a part of the clip itself where that is possible.
func (p *player) music() *media.Frame {
	pcm := p.clips[p.clip].PCM
	if p.at >= edge && p.at+media.FrameSamples+edge <= len(pcm) {
		p.at += media.FrameSamples
		return (*media.Frame)(pcm[p.at-media.FrameSamples : p.at])
	}
	for filled := 0; filled < media.FrameSamples; {
		if p.done {
			clear(p.buf[filled:])
			break
		}
		clip := p.clips[p.clip]
		read := p.at
		p.at = p.read(clip, p.at, filled, false)
		filled += p.at - read
		if p.at >= len(clip.PCM) {
			p.at = 0
			p.clip++
			if p.clip == len(p.clips) {
				p.clip, p.done = 0, !p.loop
			}
		}
	}
	return &p.buf
}

// read copies a clip from at on to buf from filled on, softening the ends of the clip where they do not fit
// to what is next to them (alone: silence), and tells where it came to. What remains of buf is silence if alone.
func (p *player) read(clip *prompt.Clip, at, filled int, alone bool) int {
	pcm := clip.PCM
	n := copy(p.buf[filled:], pcm[at:])
	if at < edge && !(!alone && p.fits(p.before(), clip)) {
		for i := at; i < min(edge, at+n); i++ {
			p.buf[filled+i-at] = int16(int32(pcm[i]) * int32(i) / edge)
		}
	}
	if left := len(pcm) - edge; at+n > left && !(!alone && p.fits(clip, p.after())) {
		for i := max(at, left); i < at+n; i++ {
			j := filled + i - at
			p.buf[j] = int16(int32(p.buf[j]) * int32(len(pcm)-1-i) / edge)
		}
	}
	if alone {
		clear(p.buf[filled+n:])
	}
	return at + n
}

// before and after are the neighbours of the clip that plays; nil is silence.
func (p *player) before() *prompt.Clip {
	if p.clip > 0 || p.loop {
		return p.clips[(p.clip+len(p.clips)-1)%len(p.clips)]
	}
	return nil
}

func (p *player) after() *prompt.Clip {
	if p.clip+1 < len(p.clips) || p.loop {
		return p.clips[(p.clip+1)%len(p.clips)]
	}
	return nil
}

// fits tells whether the step from the end of a to the start of b is one as both make anyway.
func (p *player) fits(a, b *prompt.Clip) bool {
	if a == nil || b == nil || len(a.PCM) < edge || len(b.PCM) < edge {
		return false
	}
	end, start := a.PCM[len(a.PCM)-edge:], b.PCM[:edge]
	return abs(int32(end[edge-1])-int32(start[0])) <= max(steepest(end), steepest(start))
}

func steepest(pcm []int16) int32 {
	var step int32
	for i := 1; i < len(pcm); i++ {
		step = max(step, abs(int32(pcm[i])-int32(pcm[i-1])))
	}
	return step
}

func abs(x int32) int32 { return max(x, -x) }

// own is out in the player's buffer, where it may be changed.
func (p *player) own(out *media.Frame) *media.Frame {
	if out != &p.buf {
		p.buf = *out
	}
	return &p.buf
}

func (p *player) loud(out *media.Frame) *media.Frame {
	if p.gain == unity {
		return out
	}
	out = p.own(out)
	for i, sample := range out {
		out[i] = int16(max(-32768, min(32767, int32(sample)*p.gain/unity)))
	}
	return out
}

// fadeOut lets a frame of the player go to silence.
func (p *player) fadeOut(out *media.Frame) *media.Frame {
	out = p.own(out)
	ramp(out, unity, 0)
	return out
}

// ramp changes the gain of f evenly from one value to another, both of unity.
func ramp(f *media.Frame, from, to int) {
	for i, sample := range f {
		gain := from + (to-from)*i/media.FrameSamples
		f[i] = int16(int(sample) * gain / unity)
	}
}
