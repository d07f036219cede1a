package jitter

import (
	"math"

	"guichet/mediaserver/internal/media"
)

const (
	shortestLag = 40  // 2.5 ms: the highest voice
	longestLag  = 240 // 15 ms: the lowest
	compared    = 160
	past        = longestLag + compared + 240 // what was played and is still looked at
	longest     = 120 * media.Rate / 1000     // of a packet
	room        = 2*media.FrameSamples + longestLag + longest

	down       = 32           // 2 ms from any sample to silence
	blended    = 128          // 8 ms from what was made up to what came
	fullLength = 20 * millis  // made-up sound is as loud as what it continues for so long
	fadedAt    = 100 * millis // and silent after so long
	quiet      = 60 * 60      // mean square below which any cut is unheard
)

// voice is the sound between decoder and listener: what was played, what is to be played, and the art of
// making a little more or less of it without that being heard.
type voice struct {
	s       [past + room]int16
	pending int // samples from s[past] on that are to be played

	// Made-up sound repeats the last period.
	period [longestLag + compared/2]int16
	length int
	at     int
	made   int
	jump   int32 // from the last sample played to where the period begins; fades out

	noise uint32 // the state of a congruential generator: comfort noise needs no better
}

func (v *voice) free() []int16 { return v.s[past+v.pending:] }

// take gives the next frame away.
func (v *voice) take(f *media.Frame) {
	copy(f[:], v.s[past:past+media.FrameSamples])
	v.drop(media.FrameSamples)
}

// drop moves n samples from what is to be played to what was.
func (v *voice) drop(n int) {
	copy(v.s[:], v.s[n:past+v.pending])
	v.pending -= n
}

// lag finds how many samples away (in direction -1 or 1) the sound at s[at:at+compared] comes again most
// alike, at most the given number, and how alike: 1 the same, 0 not at all. Far prefers the farthest of those
// nearly as good.
func (v *voice) lag(at, direction, most int, far bool) (lag int, likeness float32) {
	if energy(v.s[at:at+compared]) < quiet*compared {
		return most, 1
	}
	lag = shortestLag
	best := float32(-1)
	for l := shortestLag; l <= most; l += 2 {
		score := v.alike(at, at+direction*l, 4)
		if score > best || far && score > 0.95*best {
			best, lag = max(best, score), l
		}
	}
	coarse := lag
	likeness = -1
	for l := max(coarse-2, shortestLag); l <= min(coarse+2, most); l++ {
		if score := v.alike(at, at+direction*l, 1); score > likeness {
			likeness, lag = score, l
		}
	}
	return lag, likeness
}

// alike is the normalized correlation of two places, looking at each step-th sample.
func (v *voice) alike(a, b, step int) float32 {
	x, y := v.s[a:a+compared], v.s[b:b+compared]
	var xy, xx, yy int64
	for i := 0; i < compared; i += step {
		p, q := int64(x[i]), int64(y[i])
		xy += p * q
		xx += p * p
		yy += q * q
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return float32(float64(xy) / math.Sqrt(float64(xx)*float64(yy)))
}

func energy(x []int16) (sum int64) {
	for _, p := range x {
		sum += int64(p) * int64(p)
	}
	return sum
}

// conceal appends n samples of made-up sound: the last period again and again, fading.
func (v *voice) conceal(n int) {
	if v.made == 0 {
		v.begin()
	}
	out := v.free()[:n]
	for i := range out {
		out[i] = v.next()
	}
	v.pending += n
}

// begin looks for the period of what was heard last. The period's end is blended with what stood before its
// start, so that it can be repeated without an edge.
func (v *voice) begin() {
	end := past + v.pending
	lag, likeness := v.lag(end-compared, -1, longestLag, false)
	if likeness < 0.4 {
		lag = longestLag // a hiss: a short period would hum
	}
	v.length, v.at = lag, 0
	copy(v.period[:lag], v.s[end-lag:end])
	seam := lag / 4
	for i := range seam {
		k := lag - seam + i
		v.period[k] = mix(v.period[k], v.s[end-lag-seam+i], i+1, seam+1)
	}
	v.jump = int32(v.s[end-1]) - int32(v.s[end-lag-1])
}

// next is the next made-up sample.
func (v *voice) next() int16 {
	value := int32(v.period[v.at])
	if v.made < v.length/4 {
		value += v.jump * int32(v.length/4-v.made) / int32(v.length/4)
	}
	if v.made > fullLength {
		value = value * int32(max(fadedAt-v.made, 0)) / (fadedAt - fullLength)
	}
	v.made++
	if v.at++; v.at == v.length {
		v.at = 0
	}
	return int16(min(max(value, math.MinInt16), math.MaxInt16))
}

// join blends from made-up sound (silence, where none was made up) to the last n samples, that came.
func (v *voice) join(n int) {
	came, last := v.s[past+v.pending-n:past+v.pending], v.s[past+v.pending-n-1]
	length := min(blended, n)
	for i := range length {
		before := mix(last, 0, min(i+1, down), down)
		if v.made > 0 {
			before = v.next()
		}
		came[i] = mix(before, came[i], i+1, length+1)
	}
	v.made = 0
}

// cut makes the next join continue what was heard last although the next sound is not what follows it.
func (v *voice) cut() {
	if v.made == 0 {
		v.begin()
		v.made = 1
	}
}

// silence appends n samples of nothing, after a short way down from the last sample; made-up sound is over then.
func (v *voice) silence(n int) {
	out, last := v.free()[:n], v.s[past+v.pending-1]
	for i := range out {
		out[i] = mix(last, 0, min(i+1, down), down)
	}
	v.pending += n
	v.made = 0
}

// hush silences what is to be played from the given sample on.
func (v *voice) hush(from int) {
	n := v.pending - from
	v.pending = from
	v.silence(n)
}

// silent says that what was played has come to its end without an edge.
func (v *voice) silent() bool {
	return v.pending == 0 && v.s[past-1] == 0
}

// comfort appends n samples of noise of the given peak.
func (v *voice) comfort(n int, peak int32) {
	out := v.free()[:n]
	for i := range out {
		v.noise = v.noise*1664525 + 1013904223
		out[i] = int16(int32(v.noise) >> 16 * peak >> 15)
	}
	v.pending += n
	v.made = 0
}

// mix is the way from a to b: i of n.
func mix(a, b int16, i, n int) int16 {
	return int16((int32(a)*int32(n-i) + int32(b)*int32(i)) / int32(n))
}

// longer repeats one period (of most samples at the most) at the head of what is to be played, if that is alike
// enough.
func (v *voice) longer(most int, alike float32) bool {
	lag, likeness := v.lag(past, -1, most, false)
	if likeness < alike {
		return false
	}
	copy(v.s[past+lag:], v.s[past:past+v.pending])
	for i := range lag {
		v.s[past+i] = mix(v.s[past+lag+i], v.s[past-lag+i], i+1, lag+1)
	}
	v.pending += lag
	return true
}

// shorter takes one period (with far, rather a few) of most samples at the most out of the head of what is to be
// played, if that is alike enough; pending is at least enoughToShorten.
func (v *voice) shorter(most int, alike float32, far bool) bool {
	lag, likeness := v.lag(past, 1, most, far)
	if likeness < alike {
		return false
	}
	for i := range lag {
		v.s[past+lag+i] = mix(v.s[past+i], v.s[past+lag+i], i+1, lag+1)
	}
	copy(v.s[past:], v.s[past+lag:past+v.pending])
	v.pending -= lag
	return true
}

const enoughToShorten = media.FrameSamples + longestLag
