package audio

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"guichet/mediaserver/internal/media"
)

// ErrBadTone says that a tone's description cannot be read.
var ErrBadTone = errors.New("bad tone")

// Bounds of a description, and the peak of a tone (its frequencies share it): about -15 dB of RMS.
const (
	maxSegments    = 32
	maxFrequencies = 4
	maxToneMillis  = 60000
	tonePeak       = 8192
	rampSamples    = 64 // 4 ms at either end of a segment: a hard edge would click
)

// named are the tones that have a name; cadences of ETSI TR 101 041.
var named = map[string]string{
	"ringback":   "425/1000,0/4000",
	"busy":       "425/500,0/500",
	"congestion": "425/250,0/250",
	"beep":       "1400/250",
	"silence":    "0/1000",
}

type segment struct {
	frequencies []float64
	samples     int
}

// Tone makes a named tone (ringback, busy, congestion, beep, silence) or a list "440+480/2000,0/4000"
// (frequencies in Hz / length in ms; 0 is silence).
type Tone struct {
	segments []segment
	loop     bool
	segment  int
	sample   int // within the segment
}

// NewTone reads the description. A tone that loops never ends.
func NewTone(description string, loop bool) (*Tone, error) {
	if cadence, ok := named[description]; ok {
		description = cadence
	}
	parts := strings.Split(description, ",")
	if len(parts) > maxSegments {
		return nil, fmt.Errorf("read tone of %d segments: %w", len(parts), ErrBadTone)
	}
	tone := &Tone{loop: loop}
	for _, part := range parts {
		one, err := readSegment(part)
		if err != nil {
			return nil, err
		}
		tone.segments = append(tone.segments, one)
	}
	return tone, nil
}

func readSegment(text string) (segment, error) {
	frequencies, length, _ := strings.Cut(text, "/")
	millis, err := strconv.Atoi(length)
	if err != nil || millis < 1 || millis > maxToneMillis {
		return segment{}, fmt.Errorf("read length of tone segment %q: %w", text, ErrBadTone)
	}
	one := segment{samples: millis * media.Rate / 1000}
	if frequencies == "0" {
		return one, nil
	}
	for _, number := range strings.Split(frequencies, "+") {
		hertz, err := strconv.ParseFloat(number, 64)
		if err != nil || !(hertz >= 20 && hertz <= 7600) || len(one.frequencies) == maxFrequencies {
			return segment{}, fmt.Errorf("read frequencies of tone segment %q: %w", text, ErrBadTone)
		}
		one.frequencies = append(one.frequencies, hertz)
	}
	return one, nil
}

// Next fills f with the next 20 ms. False: the tone was over before this frame, and f is untouched.
func (t *Tone) Next(f *media.Frame) bool {
	if t.segment == len(t.segments) {
		return false
	}
	*f = media.Frame{}
	for at := 0; at < len(f); {
		if t.segment == len(t.segments) {
			break // the rest of the last frame is silent
		}
		one := &t.segments[t.segment]
		n := min(len(f)-at, one.samples-t.sample)
		one.add(f[at:at+n], t.sample)
		at += n
		if t.sample += n; t.sample == one.samples {
			t.sample = 0
			if t.segment++; t.segment == len(t.segments) && t.loop {
				t.segment = 0
			}
		}
	}
	return true
}

// add adds the segment's samples from the given one on. Each call starts its oscillators from the exact
// phase, so that nothing drifts however long the segment is.
func (s *segment) add(out []int16, from int) {
	for _, hertz := range s.frequencies {
		angle := 2 * math.Pi * hertz / media.Rate
		turn := 2 * math.Cos(angle)
		now, before := math.Sin(angle*float64(from)), math.Sin(angle*float64(from-1))
		peak := tonePeak / float64(len(s.frequencies))
		for i := range out {
			edge := min(from+i, s.samples-1-from-i, rampSamples)
			out[i] += int16(peak * now * float64(edge) / rampSamples)
			now, before = turn*now-before, now
		}
	}
}
