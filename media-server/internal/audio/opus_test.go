//go:build opus

package audio

import (
	"math"
	"testing"

	"guichet/mediaserver/internal/media"
)

func TestOpusCarriesATone(t *testing.T) {
	encoder, err := New("opus")
	if err != nil {
		t.Fatal(err)
	}
	decoder, _ := New("opus")
	pcm, out := sine(1000, 8000, media.Rate), make([]int16, 0, media.Rate)
	frame, scratch := make([]int16, 1920), make([]byte, opusMaxBytes)
	for i := 0; i+media.FrameSamples <= len(pcm); i += media.FrameSamples {
		packet := encoder.Encode(nil, (*media.Frame)(pcm[i:]))
		if len(packet) == 0 || len(packet) > 200 {
			t.Fatalf("a packet of %d bytes", len(packet))
		}
		n := decoder.Decode(packet, frame)
		if n != media.FrameSamples {
			t.Fatalf("a frame of %d samples", n)
		}
		out = append(out, frame[:n]...)
	}
	if snr := signalToNoise(out[4800:14400], 1000); snr < 15 {
		t.Errorf("%.1f dB over the noise", snr)
	}
	if change := 10 * math.Log10(power(out[4800:])/power(pcm)); math.Abs(change) > 1 {
		t.Errorf("the level changes by %.1f dB", change)
	}
	for _, junk := range [][]byte{nil, {0xff}, make([]byte, 1500)} {
		if n := decoder.Decode(junk, frame); n < 0 || n > len(frame) {
			t.Errorf("%d samples of junk", n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { decoder.Decode(encoder.Encode(scratch[:0], (*media.Frame)(pcm)), frame) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
