package audio

import (
	"math"
	"testing"

	"guichet/mediaserver/internal/media"
)

func power(pcm []int16) float64 {
	sum := 0.0
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return sum / float64(len(pcm))
}

func TestUpKeepsTheBandAndAddsNoImage(t *testing.T) {
	for hertz := 100.0; hertz <= 3400; hertz += 300 {
		narrow := make([]int16, 8000)
		for i := range narrow {
			narrow[i] = int16(math.Round(10000 * math.Sin(2*math.Pi*hertz*float64(i)/8000)))
		}
		wide := make([]int16, 16000)
		var up Up
		for i := 0; i < 8000; i += 160 {
			up.Process(wide[2*i:], narrow[i:i+160])
		}
		if snr := signalToNoise(wide[800:], hertz); snr < 55 {
			t.Errorf("%v Hz: image and noise are only %.1f dB down", hertz, snr)
		}
		if change := 10 * math.Log10(power(wide[800:])/power(narrow)); math.Abs(change) > 0.1 {
			t.Errorf("%v Hz: level changes by %.2f dB", hertz, change)
		}
	}
}

func TestDownKeepsTheBandAndFoldsNothing(t *testing.T) {
	down := func(hertz float64) float64 {
		var d Down
		wide, narrow := sine(hertz, 10000, media.Rate), make([]int16, 8000)
		for i := 0; i < len(wide); i += 320 {
			d.Process(narrow[i/2:], wide[i:i+320])
		}
		return 10 * math.Log10(power(narrow[800:])/power(wide))
	}
	for hertz := 100.0; hertz <= 3400; hertz += 300 {
		if change := down(hertz); math.Abs(change) > 0.1 {
			t.Errorf("%v Hz: level changes by %.2f dB", hertz, change)
		}
	}
	for hertz := 4700.0; hertz < 8000; hertz += 300 {
		if change := down(hertz); change > -55 {
			t.Errorf("%v Hz folds back only %.1f dB down", hertz, -change)
		}
	}
}

func TestResampleKeepsATone(t *testing.T) {
	for _, rates := range [][2]int{{44100, 16000}, {8000, 16000}, {48000, 16000}, {22050, 16000}, {11025, 16000}} {
		in := make([]int16, rates[0])
		for i := range in {
			in[i] = int16(math.Round(10000 * math.Sin(2*math.Pi*1000*float64(i)/float64(rates[0]))))
		}
		out := Resample(in, rates[0], rates[1])
		if len(out) != rates[1] {
			t.Errorf("%v: a second becomes %d samples", rates, len(out))
		}
		if snr := signalToNoise(out[1600:14400], 1000); snr < 60 {
			t.Errorf("%v: %.1f dB over the noise", rates, snr)
		}
	}
}

func TestToneReadsItsDescription(t *testing.T) {
	for _, bad := range []string{"", "440", "440/", "440/0", "440/x", "/100", "440+/100", "19/100", "7601/100", "nan/5",
		"1+2/100", "440/99999999", "300+400+500+600+700/100", "440/100,", "ring"} {
		if _, err := NewTone(bad, false); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	for name := range named {
		if _, err := NewTone(name, true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestToneCadenceAndEnd(t *testing.T) {
	tone, err := NewTone("440+480/50,0/30,1000/25", false)
	if err != nil {
		t.Fatal(err)
	}
	var pcm []int16
	var f media.Frame
	for tone.Next(&f) {
		pcm = append(pcm, f[:]...)
	}
	if len(pcm) != 6*media.FrameSamples { // 105 ms
		t.Fatalf("%d samples", len(pcm))
	}
	if power(pcm[:800]) < 1e6 || power(pcm[800:1280]) != 0 || power(pcm[1280:1680]) < 1e6 || power(pcm[1680:]) != 0 {
		t.Error("the cadence is not kept")
	}
	for i := 1; i < len(pcm); i++ {
		if jump := abs(int(pcm[i]) - int(pcm[i-1])); jump > 3500 {
			t.Fatalf("a click of %d at sample %d", jump, i)
		}
	}
}

func TestToneLoopsForever(t *testing.T) {
	tone, _ := NewTone("busy", true)
	var f media.Frame
	loud := 0
	for range 500 {
		if !tone.Next(&f) {
			t.Fatal("it ended")
		}
		if power(f[:]) > 1e6 {
			loud++
		}
	}
	if loud != 250 {
		t.Errorf("%d of 500 frames sound", loud)
	}
}

func BenchmarkUp(b *testing.B) {
	var up Up
	var narrow [160]int16
	var wide [320]int16
	for b.Loop() {
		up.Process(wide[:], narrow[:])
	}
}

func BenchmarkDown(b *testing.B) {
	var down Down
	var narrow [160]int16
	var wide [320]int16
	for b.Loop() {
		down.Process(narrow[:], wide[:])
	}
}
