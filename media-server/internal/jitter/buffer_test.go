package jitter

import (
	"math/rand/v2"
	"testing"
	"time"
)

const transit = 30 * time.Millisecond // of link: sent when the packet begins, without jitter

func TestCleanStreamIsPlayedAsItIs(t *testing.T) {
	for _, packet := range []int{10, 20, 30, 40, 60} {
		for seed := range uint64(5) {
			h := call(t, link{packet: packet}, seed, 10*time.Second, hum)
			stats := h.buffer.Stats(10 * time.Second)
			if stats.Concealed != 0 || stats.Late != 0 {
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
	for drift, length := range map[float64]time.Duration{
		-100: 10 * time.Minute, 100: 10 * time.Minute, -300: time.Minute, 300: time.Minute,
	} {
		h := call(t, link{drift: drift}, 1, length, voiced)
		stats := h.buffer.Stats(length)
		if stats.Concealed > 0 || stats.Late > 0 {
			t.Errorf("%v ppm: %+v", drift, stats)
		}
		for from := 5 * time.Second; from < length; from += length / 10 {
			if most := h.longest(from, min(from+length/10, length)); most > transit+47*time.Millisecond || most < transit {
				t.Errorf("%v ppm: delay of %v after %v", drift, most, from)
			}
		}
		if step, at := h.steepest(time.Second, length); step > 1000 {
			t.Errorf("%v ppm: a click of %d at %v", drift, step, at)
		}
		if drifted := time.Duration(max(drift, -drift)*1e-6*float64(length)) + 100*time.Millisecond; stats.Cuts > int(drifted/(3*time.Millisecond)) {
			t.Errorf("%v ppm: %d cuts", drift, stats.Cuts)
		}
	}
}

// bounds of what any network may do: whatever it is, frames come one each tick (call sees to that), no packet is
// decoded twice or out of turn (sound sees to that), nothing clicks, and the delay stays within the jitter, what is
// left alone, and the time that a frame and a packet take.
func TestAnyNetwork(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 3))
		l := link{
			packet: []int{10, 20, 20, 30, 40, 60}[random.IntN(6)], loss: random.Float64() * 0.2, burst: 1 + random.IntN(5),
			jitter: random.Float64() * 100, drift: random.Float64()*400 - 200,
			timestamp: random.Uint32(),
		}
		const length = 12 * time.Second
		h := call(t, l, seed, length, hum)
		stats := h.buffer.Stats(length)
		bound := transit + time.Duration(l.jitter)*time.Millisecond + 45*time.Millisecond + time.Duration(l.packet)*time.Millisecond
		if most := h.longest(5*time.Second, length); most > bound {
			t.Errorf("seed %d, %+v: delay of %v (%v): %+v", seed, l, most, bound, stats)
		}
		if step, at := h.steepest(0, length); step > 1700 {
			t.Errorf("seed %d, %+v: a click of %d at %v", seed, l, step, at)
		}
		unplayed := h.sent - h.sound.passed - stats.Late - len(h.buffer.queue)
		if share := float64(unplayed) / float64(h.sent); share > 0.02 {
			t.Errorf("seed %d, %+v: %d of %d packets were thrown away: %+v", seed, l, unplayed, h.sent, stats)
		}
		if t.Failed() {
			return
		}
	}
}

func TestBurstsPassAndTheDelayComesBack(t *testing.T) {
	stall := func(at, length time.Duration) func(time.Duration) time.Duration {
		return func(sent time.Duration) time.Duration {
			if sent >= at && sent < at+length {
				return at + length - sent
			}
			return 0
		}
	}
	for _, length := range []time.Duration{60 * time.Millisecond, 150 * time.Millisecond, 400 * time.Millisecond, 900 * time.Millisecond} {
		h := call(t, link{hold: stall(10*time.Second, length)}, 2, 40*time.Second, voiced)
		if most := h.longest(10*time.Second, 40*time.Second); most > transit+length+150*time.Millisecond {
			t.Errorf("held up for %v: delay of %v", length, most)
		}
		before, after := h.longest(5*time.Second, 9*time.Second), h.longest(30*time.Second, 40*time.Second)
		if after > before+25*time.Millisecond {
			t.Errorf("held up for %v: delay of %v before, %v twenty seconds after", length, before, after)
		}
		if step, at := h.steepest(0, 40*time.Second); step > 1700 {
			t.Errorf("held up for %v: a click of %d at %v", length, step, at)
		}
	}
}

// A network that holds packets up every few seconds makes the buffer deep enough for it.
func TestHabitOfSpikes(t *testing.T) {
	const every, length = 6 * time.Second, 120 * time.Millisecond
	h := call(t, link{hold: func(sent time.Duration) time.Duration {
		if into := sent % every; into > every-length {
			return every - into
		}
		return 0
	}}, 2, 60*time.Second, voiced)
	late := 0
	for tick := 1500; tick < len(h.silent); tick++ {
		if h.silent[tick] {
			late++
		}
	}
	if stats := h.buffer.Stats(60 * time.Second); late > 0 || stats.Concealed > 300*time.Millisecond || stats.Target < 100*time.Millisecond {
		t.Errorf("%d silent ticks, %+v", late, stats)
	}
}

func TestAnotherWayThroughTheNetwork(t *testing.T) {
	for _, change := range []time.Duration{200 * time.Millisecond, -25 * time.Millisecond} {
		h := call(t, link{hold: func(sent time.Duration) time.Duration {
			if sent > 10*time.Second {
				return change
			}
			return 0
		}}, 2, 40*time.Second, voiced)
		if most := h.longest(25*time.Second, 40*time.Second); most > transit+change+47*time.Millisecond {
			t.Errorf("%v longer: delay of %v", change, most)
		}
	}
}

func TestSenderThatPauses(t *testing.T) {
	talks := func(sent time.Duration) bool { return sent%(2*time.Second) < 1200*time.Millisecond }
	h := call(t, link{talks: talks, jitter: 20}, 4, 30*time.Second, hum)
	stats := h.buffer.Stats(30 * time.Second)
	if stats.Concealed > 50*time.Millisecond || stats.Late > 0 {
		t.Errorf("a pause is no loss: %+v", stats)
	}
	if h.sound.passed < h.sent-3 {
		t.Errorf("%d of %d packets were played", h.sound.passed, h.sent)
	}
	silent := 0
	for _, s := range h.silent {
		if s {
			silent++
		}
	}
	if silent < 450 || silent > 620 { // of 1500 ticks, 600 are pauses; a tenth of a second of each fades
		t.Errorf("%d silent ticks", silent)
	}
	if step, at := h.steepest(0, 30*time.Second); step > 900 {
		t.Errorf("a click of %d at %v", step, at)
	}
}
