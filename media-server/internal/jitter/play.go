package jitter

import (
	"math"
	"time"

	"guichet/mediaserver/internal/media"
)

// Pop fills f with the next 20 ms. False: there is nothing to hear, and f is untouched. It is called every
// 20 ms; the depth is measured by the time told.
func (b *Buffer) Pop(at time.Duration, f *media.Frame) bool {
	now := samples(at)
	target := b.delay.target(now)
	for b.voice.pending < media.FrameSamples {
		if !b.more(now, target) {
			if b.voice.silent() {
				return false
			}
			b.voice.silence(media.FrameSamples - b.voice.pending)
		}
	}
	if b.playing && b.voice.made == 0 {
		b.adjust(now, target)
	}
	b.voice.take(f)
	return true
}

// more gets some more sound: what came, or what must stand for it. False: there is nothing now.
func (b *Buffer) more(now, target int64) bool {
	for len(b.queue) > 1 && b.wait(now) > target+maxExcess {
		b.discard()
	}
	if len(b.queue) > 0 {
		first := b.queue[0]
		if b.playing && first.position-b.next <= int64(b.voice.made) || !b.playing && b.wait(now) >= target {
			b.measure(now)
			b.decode()
			return true
		}
	}
	need := media.FrameSamples - b.voice.pending
	switch {
	case b.noisePeak > 0:
		if b.playing { // noise may last as long as it takes: the next packet comes in its own time
			b.pause()
			b.voice.silence(min(down, need))
			return true
		}
		b.voice.comfort(need, b.noisePeak)
		return true
	case !b.playing:
		return false
	case b.voice.made >= madeUpFor:
		b.pause()
		return false
	case b.muted(b.next):
		b.voice.silence(need)
		b.next += int64(need)
		return true
	}
	b.fill(need)
	return true
}

// wait is how long the first packet has waited beyond the shortest way.
func (b *Buffer) wait(now int64) int64 {
	return now - b.queue[0].position - b.delay.base()
}

// discard throws the first packet away: so much has come at once that the delay would be felt.
func (b *Buffer) discard() {
	if b.playing {
		b.voice.cut()
		b.next = b.queue[1].position
	}
	b.forget()
}

// fill makes up what is missing, up to the next packet that is there.
func (b *Buffer) fill(need int) {
	if len(b.queue) > 0 {
		need = min(need, int(b.queue[0].position-b.next)-b.voice.made)
	}
	b.voice.conceal(need)
	b.hole += need
}

// measure notes how long the first packet has waited.
func (b *Buffer) measure(now int64) {
	b.waits[b.waited%steady] = b.wait(now)
	b.waited++
	b.average += now - b.queue[0].arrival - b.average/16
}

// decode takes the first packet.
func (b *Buffer) decode() {
	p := b.queue[0]
	if paused := p.Sequence == b.lastSequence+1 && p.position > b.next; !paused {
		b.stats.Concealed += time.Duration(b.hole) * (time.Second / media.Rate)
	}
	b.lastSequence, b.hole = p.Sequence, 0
	resumed := !b.playing || b.voice.made > 0 || b.wasMuted
	b.playing, b.wasMuted = true, false
	if p.Noise {
		b.noisePeak = noisePeak(p.Payload[0])
		b.next = p.position
		b.voice.made = 0
		if b.noisePeak == 0 {
			b.pause()
		}
		b.forget()
		return
	}
	b.noisePeak = 0
	n := b.decoder.Decode(p.Payload, b.voice.free()[:longest])
	if b.muted(p.position) {
		b.voice.silence(n)
		b.wasMuted = true
	} else {
		b.voice.pending += n
		if resumed {
			b.voice.join(n)
		}
	}
	b.next = p.position + int64(n)
	b.grid = gcd(media.FrameSamples, int64(n))
	b.forget()
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// noisePeak turns the level of RFC 3389 (dB below overload) into the peak of evenly spread noise.
func noisePeak(level byte) int32 {
	if level&127 > noisyFor {
		return 0
	}
	return int32(min(fullScale, fullScale*math.Sqrt(3)*math.Pow(10, -float64(level&127)/20)))
}

// adjust makes the sound a little shorter or longer where it waits too long or too shortly.
//
// A packet is taken in the tick that needs it, so packets and ticks meet on a grid: the greatest common divisor of
// their lengths. Sound left over beyond the grid can be taken out without any packet being needed earlier; to take
// more makes one be needed earlier by a step of the grid, so that it must have that much time to spare.
func (b *Buffer) adjust(now, target int64) {
	if b.waited < steady/2 {
		return
	}
	least := b.waits[0]
	for _, w := range b.waits[1:min(b.waited, steady)] {
		least = min(least, w)
	}
	excess := least - target
	tooMuch := max(excess-tolerance, 0)/b.grid*b.grid + int64(b.voice.pending)%b.grid
	hurry := tooMuch > hurryExcess || excess < -hurryExcess/4
	if excess >= -tolerance && tooMuch <= surplus || !hurry && b.waited < steady {
		b.tries = 0
		return
	}
	alike := 0.9 - 0.9*float32(b.tries)/patience
	if hurry {
		alike = min(alike, 0.6)
	}
	b.tries++
	var done bool
	if excess < -tolerance {
		done = b.voice.longer(surplus, alike)
	} else {
		for b.voice.pending < enoughToShorten && len(b.queue) > 0 && b.queue[0].position == b.next && !b.queue[0].Noise {
			b.decode()
		}
		done = b.voice.pending >= enoughToShorten && b.voice.shorter(int(min(tooMuch, longestLag)), alike, hurry)
	}
	if done {
		b.waited, b.tries = 0, 0
		b.stats.Cuts++
	}
}
