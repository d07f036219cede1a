package mixer

import (
	"testing"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// feed lets a voice hear n frames of one loudness (an amplitude of a square wave) and counts the changes.
func feed(v *voice, n int, loud int64) (changes int) {
	for range n {
		if v.hear(loud * loud) {
			changes++
		}
	}
	return changes
}

func TestTalkingHasHysteresis(t *testing.T) {
	var v voice
	feed(&v, 50, 0)
	if feed(&v, 2, 3000); v.on {
		t.Fatal("two frames are no speech")
	}
	if feed(&v, 1, 3000); !v.on {
		t.Fatal("60 ms of speech are not noticed")
	}
	if feed(&v, 15, 0); !v.on {
		t.Fatal("a pause of 300 ms ends it")
	}
	feed(&v, 5, 3000)
	if changes := feed(&v, 50, 0); v.on || changes != 1 {
		t.Fatalf("a second of silence does not end it once (%d)", changes)
	}
}

func TestNoiseOfThePlaceIsNoSpeech(t *testing.T) {
	var v voice
	feed(&v, 600, 250) // -42 dB for 12 s: a noisy room
	if v.on {
		t.Fatal("steady noise talks")
	}
	if feed(&v, 10, 3000); !v.on {
		t.Fatal("speech over noise is not noticed")
	}
	if feed(&v, 30, 250); v.on {
		t.Fatal("noise after speech talks")
	}
	var tone voice
	if changes := feed(&tone, 3000, 2000); !tone.on || changes != 1 { // -24 dB for a minute
		t.Fatalf("a loud tone is not talking all the time (%d)", changes)
	}
}

type attentive struct {
	fakePort
	told []string
}

func (p *attentive) Talks(endpoint string, on bool) {
	if on {
		endpoint += "+"
	}
	p.told = append(p.told, endpoint)
}

func TestWhoListensIsToldOfThoseItHears(t *testing.T) {
	b := newBed(t)
	hears, deaf := &attentive{fakePort: fakePort{id: "hears"}}, &attentive{fakePort: fakePort{id: "deaf"}}
	b.Attach(hears)
	b.Attach(deaf)
	speaker := b.port("speaker", steady(4000))
	b.apply(protocol.Room{ID: "r", Rev: 1, Endpoints: []string{"hears", "deaf", "speaker"},
		Hears: map[string][]string{"hears": {"speaker"}, "deaf": {"hears"}}})
	b.ticks(10)
	speaker.says = nil
	b.ticks(30)
	if len(hears.told) != 2 || hears.told[0] != "speaker+" || hears.told[1] != "speaker" || deaf.told != nil {
		t.Fatalf("told %v and %v", hears.told, deaf.told)
	}
	if got := b.happened(protocol.Talking); len(got) != 2 || !got[0].On || got[1].On {
		t.Fatalf("events %+v", got)
	}
}

func TestLevels(t *testing.T) {
	b := newBed(t)
	b.port("loud", steady(16384))
	b.port("mute", nil)
	b.apply(full("r", 1, "loud"))
	b.ticks(window)
	want := []protocol.Level{{Endpoint: "loud", Room: "r", DB: -6, Talking: true}, {Endpoint: "mute", DB: lowestDB}}
	if got := b.Levels(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Fatalf("%+v", got)
	}
	var full media.Frame
	for i := range full {
		full[i] = -32768
	}
	if energy(&full) != fullScale {
		t.Fatal("full scale is not 0 dB")
	}
}
