package prompt

import (
	"fmt"
	"strconv"
	"strings"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/media"
)

// national are the call progress tones of countries that have their own; the plain names (ringback, busy ...)
// are Europe's, and package audio knows them.
var national = map[string]string{
	"ringback.fr": "440/1500,0/3500",
	"busy.fr":     "440/500,0/500",
	"ringback.uk": "400+450/400,0/200,400+450/400,0/2000",
	"busy.uk":     "400/375,0/375",
	"ringback.us": "440+480/2000,0/4000",
	"busy.us":     "480+620/500,0/500",
}

const (
	toneSeconds = 60
	toneRemedy  = "a tone is ringback or busy (also .fr, .uk, .us), congestion, beep, silence, or up to 32 parts of " +
		"Hz+Hz/ms such as 440+480/2000,0/4000: 20 to 7,600 Hz or 0 for silence, 60 s together"
)

// drawn is a tone, all of it.
type drawn []int16

func draw(spec string) (source, error) {
	if list, ok := national[spec]; ok {
		spec = list
	}
	tone, err := audio.NewTone(spec, false)
	if err != nil {
		return nil, fmt.Errorf("%s (%w)", toneRemedy, err)
	}
	var pcm drawn
	for frame := new(media.Frame); tone.Next(frame); {
		if len(pcm) >= toneSeconds*media.Rate {
			return nil, fmt.Errorf("%s (this one is longer)", toneRemedy)
		}
		pcm = append(pcm, frame[:]...)
	}
	// The last frame was filled up with silence: a cadence that repeats must not have it.
	if length := listed(spec); length > 0 && length < len(pcm) {
		pcm = pcm[:length]
	}
	return pcm, nil
}

// listed is the length of a list of tones in samples, 0 for a name.
func listed(spec string) int {
	samples := 0
	for _, part := range strings.Split(spec, ",") {
		_, length, _ := strings.Cut(part, "/")
		millis, _ := strconv.Atoi(length)
		samples += millis * media.Rate / 1000
	}
	return samples
}

func (d drawn) samples() int              { return len(d) }
func (d drawn) convert() ([]int16, error) { return d, nil }
