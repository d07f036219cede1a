package jitter

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"
	"time"

	"guichet/mediaserver/internal/media"
)

// sound decodes payloads that only name a position and a length: a continuous signal stands behind them, so that
// what is heard can be compared with what should be. It remembers what was decoded.
type sound struct {
	t      testing.TB
	signal func(position int64) int16
	last   int64
	passed int // packets
}

func (s *sound) ClockRate() int { return 8000 }

func (s *sound) Decode(payload []byte, pcm []int16) int {
	position, n := int64(payload[0])|int64(payload[1])<<8|int64(payload[2])<<16|int64(payload[3])<<24, int(payload[4])*millis
	if position <= s.last {
		s.t.Errorf("position %d is decoded after %d", position, s.last)
	}
	s.last = position
	s.passed++
	for i := range n {
		pcm[i] = s.signal(position + int64(i))
	}
	return n
}

var sines = func() (table [4096]float64) {
	for i := range table {
		table[i] = math.Sin(2 * math.Pi * float64(i) / float64(len(table)))
	}
	return table
}()

// sine takes turns, not radians.
func sine(turns float64) float64 {
	at := (turns - math.Floor(turns)) * float64(len(sines))
	i := int(at)
	return sines[i] + (sines[(i+1)%len(sines)]-sines[i])*(at-float64(i))
}

// hum comes again after a second, but not after a packet: what is joined meets in any phase. Its steepest step is 723.
func hum(position int64) int16 { return hum1s[position%int64(len(hum1s))] }

var hum1s = func() []int16 {
	pcm := make([]int16, media.Rate)
	for i := range pcm {
		pcm[i] = int16(8000 * sine(230*float64(i)/media.Rate))
	}
	return pcm
}()

// voiced is a hum with overtones that rises and falls, as voices do; it comes again after ten seconds. Its steepest
// step is 710.
func voiced(position int64) int16 { return voice10s[position%int64(len(voice10s))] }

var voice10s = func() []int16 {
	pcm := make([]int16, 10*media.Rate)
	for i := range pcm {
		t := float64(i) / media.Rate
		turns := 140*t + 8*sine(0.7*t)
		loud := 3000 * (1 + sine(3*t))
		pcm[i] = int16(loud * (sine(turns) + 0.5*sine(2*turns+0.16) + 0.3*sine(5*turns)) / 1.8)
	}
	return pcm
}()

// link is what a network and a sender do to a stream.
type link struct {
	packet    int     // ms
	loss      float64 // share
	burst     int     // packets lost together
	jitter    float64 // ms, evenly spread
	drift     float64 // ppm by which the sender's clock is fast
	hold      func(sent time.Duration) time.Duration
	talks     func(sent time.Duration) bool
	timestamp uint32
}

type arrival struct {
	at     time.Duration
	packet Packet
}

// carry makes the packets of a call in the order of their arrival.
func (l link) carry(random *rand.Rand, length time.Duration) []arrival {
	if l.packet == 0 {
		l.packet = 20
	}
	var all []arrival
	lost := 0
	sequence := int64(0)
	for n := 0; ; n++ {
		sent := time.Duration(float64(n*l.packet) * float64(time.Millisecond) / (1 + l.drift*1e-6))
		if sent > length {
			break
		}
		if l.talks != nil && !l.talks(sent) {
			continue
		}
		position := n * l.packet * millis
		p := Packet{
			Sequence: sequence, Timestamp: l.timestamp + uint32(position/2),
			Payload: []byte{byte(position), byte(position >> 8), byte(position >> 16), byte(position >> 24), byte(l.packet)},
		}
		sequence++
		if lost == 0 && random.Float64() < l.loss/float64(max(l.burst, 1)) {
			lost = max(l.burst, 1)
		}
		if lost > 0 {
			lost--
			continue
		}
		at := sent + 30*time.Millisecond + time.Duration(random.Float64()*l.jitter*float64(time.Millisecond))
		if l.hold != nil {
			at += l.hold(sent)
		}
		all = append(all, arrival{at, p})
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].at < all[j].at })
	return all
}

// heard is what came out of a call.
type heard struct {
	buffer *Buffer
	sound  *sound
	pcm    []int16
	silent []bool          // by tick
	delay  []time.Duration // by tick: from the sender's microphone to the frame; 0 in pauses
	sent   int
}

// call runs packets through a buffer, one tick each 20 ms of virtual time, in a phase of its own.
func call(t testing.TB, l link, seed uint64, length time.Duration, signal func(int64) int16) *heard {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	packets := l.carry(random, length)
	s := &sound{t: t, signal: signal, last: -1}
	h := &heard{buffer: New(s), sound: s, sent: len(packets)}
	first := int64(packets[0].packet.Timestamp-l.timestamp) * 2 // the buffer counts from the one that comes first
	phase := time.Duration(random.IntN(20000)) * time.Microsecond
	for now := phase; now < length; now += 20 * time.Millisecond {
		for ; len(packets) > 0 && packets[0].at <= now; packets = packets[1:] {
			h.buffer.Push(packets[0].packet, packets[0].at)
		}
		var f media.Frame
		ok := h.buffer.Pop(now, &f)
		h.pcm = append(h.pcm, f[:]...)
		h.silent = append(h.silent, !ok)
		played := first + h.buffer.next + int64(h.buffer.voice.made-h.buffer.voice.pending) - media.FrameSamples
		sent := time.Duration(float64(played*int64(time.Second/media.Rate)) / (1 + l.drift*1e-6))
		delay := now - sent
		if !h.buffer.playing {
			delay = 0
		}
		h.delay = append(h.delay, delay)
	}
	return h
}

// steepest is the largest step between two samples of a part of what was heard.
func (h *heard) steepest(from, to time.Duration) (step int, at time.Duration) {
	pcm := h.pcm[samples(from):samples(to)]
	for i := 1; i < len(pcm); i++ {
		if d := int(pcm[i]) - int(pcm[i-1]); max(d, -d) > step {
			step, at = max(d, -d), from+time.Duration(i)*(time.Second/media.Rate)
		}
	}
	return step, at
}

// longest is the longest delay of the ticks of a part.
func (h *heard) longest(from, to time.Duration) time.Duration {
	var most time.Duration
	for _, d := range h.delay[from/(20*time.Millisecond) : to/(20*time.Millisecond)] {
		most = max(most, d)
	}
	return most
}
