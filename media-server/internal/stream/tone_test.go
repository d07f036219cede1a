package stream

import (
	"math"
	"testing"
	"time"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/media"
)

// A telephone without events sends its keys as sound: they are told, and hardly anything of them is heard.
func TestKeysInTheSound(t *testing.T) {
	for _, codec := range []string{"PCMA", "PCMU", "G722"} {
		payloadType := map[string]uint8{"PCMU": 0, "PCMA": 8, "G722": 9}[codec]
		keys, voice, tone := callWithKeys(t, Format{Codec: codec, PT: payloadType})
		if keys != "15#1" {
			t.Errorf("%s: %q was told", codec, keys)
		}
		if tone > 4*20*time.Millisecond {
			t.Errorf("%s: %v of four keys were heard", codec, tone)
		}
		if voice < 3*time.Second {
			t.Errorf("%s: of 3.4 s of voice %v were heard", codec, voice)
		}
		if keys, _, tone := callWithKeys(t, Format{Codec: codec, PT: payloadType, EventPT: 101}); keys != "" || tone < 300*time.Millisecond {
			t.Errorf("%s: a telephone that has events is left alone, but %q was told, and %v of tones heard", codec, keys, tone)
		}
	}
}

// callWithKeys speaks, presses 1, 5, # and 1 for 100 ms each, and speaks on; packets come unevenly, and some not at all.
func callWithKeys(t *testing.T, format Format) (keys string, voice, tone time.Duration) {
	t.Helper()
	encoder, err := audio.New(format.Codec)
	if err != nil {
		t.Fatal(err)
	}
	pressed := map[int][2]float64{1: {697, 1209}, 2: {770, 1336}, 3: {941, 1477}, 4: {697, 1209}}
	c := newClocked(t, format)
	n := 0
	for frame := range 200 {
		hertz, level := [2]float64{500, 620}, 3000.0 // voice
		if key, there := pressed[frame/30]; there && frame%30 >= 10 && frame%30 < 15 {
			hertz, level = key, 6000
		}
		var f media.Frame
		for i := range f {
			at := 2 * math.Pi * float64(n) / media.Rate
			f[i] = int16(level * (math.Sin(hertz[0]*at) + math.Sin(hertz[1]*at)))
			n++
		}
		if payload := encoder.Encode(nil, &f); frame%53 != 52 {
			c.Receive(rtpPacket(format.PT, false, uint16(frame), uint32(frame)*160, 7, payload))
		}
		heard, ok := c.tick()
		if !ok {
			continue
		}
		for at := 0; at < len(heard); at += 160 { // 10 ms
			part := heard[at : at+160]
			if strength(part, 697)+strength(part, 770)+strength(part, 941) > 5000 && strength(part, 1209)+strength(part, 1336)+strength(part, 1477) > 5000 {
				tone += 10 * time.Millisecond
			} else if strength(part, 500)+strength(part, 620) > 2000 {
				voice += 10 * time.Millisecond
			}
		}
	}
	if c.digits.Len() > 0 {
		t.Errorf("told as events: %q", c.digits.String())
	}
	return c.tones.String(), voice, tone
}
