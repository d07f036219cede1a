package audio

import (
	"math"

	"guichet/mediaserver/internal/media"
)

// Silence is the level of a frame of zeros, in dB below full scale.
const Silence = -127.0

// Level is the loudness of a frame: its RMS in dB relative to a full-scale square wave, Silence to 0.
func Level(f *media.Frame) float64 {
	var sum int64
	for _, v := range f {
		sum += int64(v) * int64(v)
	}
	if sum == 0 {
		return Silence
	}
	return max(Silence, 10*math.Log10(float64(sum)/(media.FrameSamples*32768*32768)))
}
