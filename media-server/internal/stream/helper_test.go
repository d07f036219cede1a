package stream

import (
	"bytes"
	"encoding/base64"
	"math"

	"guichet/mediaserver/internal/media"
)

func testKey(suite string, fill byte) *Crypto {
	return &Crypto{Suite: suite, Key: base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, keyBytes+saltBytes))}
}

func sin(turns float64) float64 { return math.Sin(2 * math.Pi * turns) }

// level is the loudness of a frame, in dB below full scale.
func level(f *media.Frame) float64 {
	sum := 1.0
	for _, v := range f {
		sum += float64(v) * float64(v)
	}
	return 10 * math.Log10(sum/(media.FrameSamples*32768*32768))
}
