package jitter

import (
	"testing"
	"time"
)

const transit = 30 * time.Millisecond // of link: sent when the packet begins, without jitter

func TestCleanStreamIsPlayedAsItIs(t *testing.T) {
	for _, packet := range []int{10, 20, 30, 40, 60} {
		for seed := range uint64(5) {
			h := call(t, link{packet: packet}, seed, 10*time.Second, hum)
			stats := h.buffer.Stats(10 * time.Second)
			if stats.Concealed != 0 || stats.Late != 0 || stats.Duplicate != 0 {
				t.Errorf("packets of %d ms, seed %d: %+v", packet, seed, stats)
			}
			// 5 ms for the unknown, up to 20 that are left alone, up to 20 until a frame takes the packet's start.
			if most := h.longest(3*time.Second, 9*time.Second); most > transit+47*time.Millisecond {
				t.Errorf("packets of %d ms, seed %d: delay of %v", packet, seed, most)
			}
			if step, at := h.steepest(time.Second, 9*time.Second); step > 750 { // the hum's own is 628
				t.Errorf("packets of %d ms, seed %d: a click of %d at %v", packet, seed, step, at)
			}
		}
	}
}

func TestDrift(t *testing.T) {
	for _, drift := range []float64{-100, 100, -500, 500} {
		h := call(t, link{drift: drift}, 1, 10*time.Minute, voiced)
		stats := h.buffer.Stats(10 * time.Minute)
		if stats.Concealed > 0 || stats.Late > 0 {
			t.Errorf("%v ppm: %+v", drift, stats)
		}
		early, late := h.longest(5*time.Second, time.Minute), h.longest(9*time.Minute, 10*time.Minute)
		if late > transit+47*time.Millisecond {
			t.Errorf("%v ppm: delay of %v in the first minute, %v in the last", drift, early, late)
		}
		if step, at := h.steepest(time.Second, 10*time.Minute); step > 2600 {
			t.Errorf("%v ppm: a click of %d at %v", drift, step, at)
		}
	}
}
