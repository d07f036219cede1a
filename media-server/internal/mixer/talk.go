package mixer

import (
	"math"
	"math/bits"
	"sync/atomic"

	"guichet/mediaserver/internal/media"
)

// Talking begins when 3 of 5 frames (60 of 100 ms) are above -45 dB and 9 dB above the noise of the place; it
// ends when 400 ms are below -50 dB, or less than 6 dB above the noise. Energies are mean squares.
const (
	startEnergy = 33_900  // -45 dB below full scale
	stopEnergy  = 10_800  // -50 dB
	noiseLeast  = 2_700   // -56 dB
	noiseMost   = 170_000 // -38 dB: a steady sound above -29 dB is always talking
	noiseRise   = 1.005   // a tick: about 1 dB a second
	startAbove  = 8       // 9 dB
	stopAbove   = 4       // 6 dB
	startFrames = 3       // of the last 5
	stopTicks   = 20      // 400 ms
	window      = 10      // ticks of one level: 200 ms
	fullScale   = 1 << 30 // energy of 0 dB
	lowestDB    = -96
)

// voice tells talking from silence, for one endpoint. The tick drives it; shown may be read by anybody.
type voice struct {
	noise float64
	loud  uint8 // the last frames, one bit each
	quiet int   // ticks in a row
	on    bool
	peak  int64        // energy in this window
	shown atomic.Int64 // of the last window: energy*2, plus 1 for talking
}

// energy is the mean square of a frame.
func energy(f *media.Frame) int64 {
	var sum int64
	for _, sample := range f {
		sum += int64(sample) * int64(sample)
	}
	return sum / media.FrameSamples
}

// hear takes the energy of the next frame (0 when there was none); true: talking began or ended.
func (v *voice) hear(energy int64) bool {
	v.peak = max(v.peak, energy)
	e := float64(energy)
	switch {
	case energy == 0: // nothing was sent: it tells nothing of the place
	case e < v.noise:
		v.noise = max(noiseLeast, (v.noise+e)/2)
	default:
		v.noise = min(noiseMost, max(noiseLeast, v.noise)*noiseRise)
	}
	v.loud = v.loud << 1 & 0x1f
	if e > max(startEnergy, v.noise*startAbove) {
		v.loud |= 1
	}
	if e > max(stopEnergy, v.noise*stopAbove) {
		v.quiet = 0
	} else {
		v.quiet++
	}
	switch {
	case !v.on && bits.OnesCount8(v.loud) >= startFrames:
		v.on = true
	case v.on && v.quiet >= stopTicks:
		v.on, v.loud = false, 0
	default:
		return false
	}
	return true
}

// show ends a window: what was its loudest frame can be read from now on.
func (v *voice) show() {
	shown := v.peak << 1
	if v.on {
		shown |= 1
	}
	v.shown.Store(shown)
	v.peak = 0
}

// read is the level of the last window in dB below full scale, and whether the endpoint talks.
func (v *voice) read() (db int, talking bool) {
	shown := v.shown.Load()
	db = lowestDB
	if energy := shown >> 1; energy > 0 {
		db = max(lowestDB, int(math.Round(10*math.Log10(float64(energy)/fullScale))))
	}
	return db, shown&1 == 1
}
