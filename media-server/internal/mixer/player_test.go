package mixer

import (
	"math"
	"slices"
	"testing"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/prompt"
)

func sine(n int, hertz, loud float64) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(math.Round(loud * math.Sin(2*math.Pi*hertz*float64(i)/media.Rate)))
	}
	return out
}

// take plays n frames in one piece.
func take(p *player, n int) []int16 {
	var out []int16
	for range n {
		out = append(out, p.frame(p.last + 1)[:]...)
	}
	return out
}

func clips(all ...[]int16) []*prompt.Clip {
	var out []*prompt.Clip
	for _, pcm := range all {
		out = append(out, &prompt.Clip{PCM: pcm})
	}
	return out
}

// biggest is the largest second difference: a click is a sudden turn.
func biggest(pcm []int16) int {
	most := 0
	for i := 2; i < len(pcm); i++ {
		turn := int(pcm[i]) - 2*int(pcm[i-1]) + int(pcm[i-2])
		most = max(most, turn, -turn)
	}
	return most
}

func TestALoopThatFitsIsPlayedAsItIs(t *testing.T) {
	whole := sine(16000, 440, 8000)
	got := take(newPlayer(clips(whole), true, 0), 200)
	for i := edge; i < len(got); i++ {
		if got[i] != whole[i%16000] {
			t.Fatalf("sample %d: %d, not %d", i, got[i], whole[i%16000])
		}
	}
}

func TestASeamThatDoesNotFitMakesNoClick(t *testing.T) {
	// 16,018 samples of 440 Hz end half-way through a wave, and the second file begins at its crest.
	first, second := sine(16018, 440, 8000), sine(8007, 330, 8000)[12:]
	got := take(newPlayer(clips(first, second), true, 0), 500)
	calm := biggest(first)
	if turn := biggest(got); turn > 2*calm {
		t.Fatalf("a turn of %d, where the sound itself has %d", turn, calm)
	}
	raw := append(append([]int16{}, first...), second...)
	if biggest(raw) < 10*calm {
		t.Fatal("the test has no seam")
	}
}

func TestMusicGoesOnWhereTheAnnouncementStoppedIt(t *testing.T) {
	music := make([]int16, 10*media.Rate)
	for i := range music {
		music[i] = int16(i / media.FrameSamples) // its own frame number
	}
	p := newPlayer(clips(music), true, 0)
	p.announcement = &prompt.Clip{PCM: constant(7*media.FrameSamples+10, -5000)}
	p.every = media.Rate // 1 s: 50 frames
	spoken, last := 0, 0
	for n := range 140 {
		f := p.frame(uint64(n + 1))
		for i, sample := range f {
			if step := int(sample) - last; step > 70 || step < -70 { // over 5 ms it makes 62 a sample
				t.Fatalf("frame %d, sample %d: from %d to %d", n, i, last, sample)
			}
			last = int(sample)
		}
		if slices.Min(f[:]) < 0 {
			spoken++
		}
	}
	// 50 frames of music with 5 that fade, 8 spoken; the same again; and no frame of music is left out.
	if spoken != 16 {
		t.Fatalf("%d frames were spoken", spoken)
	}
	if at := p.at / media.FrameSamples; at != 140-16 {
		t.Fatalf("the music is at frame %d, not %d", at, 140-16)
	}
	if f := p.frame(141); f[160] != 124 {
		t.Fatalf("frame 124 of the music sounds as %d", f[160])
	}
}

func TestWhatNobodyHearsStandsStillAndComesBackSoftly(t *testing.T) {
	p := newPlayer(clips(constant(16000, 1000)), true, 0)
	take(p, 10)
	at := p.at
	first := *p.frame(100)
	if p.at != at+media.FrameSamples || first[0] != 0 || first[319] > 250 {
		t.Fatalf("at %d after %d, begins with %d", p.at, at, first[0])
	}
	if again := p.frame(100); again[319] != first[319] {
		t.Fatal("asked twice in a tick it moves on")
	}
	for tick := uint64(101); tick < 106; tick++ {
		p.frame(tick)
	}
	if full := p.frame(106)[0]; full != 1000 {
		t.Fatalf("after 100 ms %d", full)
	}
}

func TestGainSaturates(t *testing.T) {
	loud := newPlayer(clips(constant(16000, 20000)), true, 12)
	soft := newPlayer(clips(constant(16000, 20000)), true, -40)
	take(loud, 1)
	take(soft, 1)
	if l, s := loud.frame(2)[0], soft.frame(2)[0]; l != 32767 || s < 195 || s > 201 {
		t.Fatalf("%d and %d", l, s)
	}
}

func TestTheShortestFiles(t *testing.T) {
	for _, length := range []int{1, 2, 79, 80, 81, 319, 320, 321, 400} {
		for _, loop := range []bool{false, true} {
			p := newPlayer(clips(constant(length, 100), constant(length, 100)), loop, -3)
			p.announcement, p.every = &prompt.Clip{PCM: constant(length, 50)}, media.FrameSamples
			for tick := uint64(1); tick < 40; tick++ {
				p.frame(tick)
			}
			if p.done == loop {
				t.Fatalf("%d samples, loop %v: done %v", length, loop, p.done)
			}
		}
	}
}
