package jitter

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"guichet/mediaserver/internal/media"
)

func TestTimestampsRollOver(t *testing.T) {
	h := call(t, link{timestamp: 1<<32 - 5*8000 - 80, jitter: 30}, 1, 10*time.Second, hum)
	if stats := h.buffer.Stats(0); stats.Late > 0 || stats.Concealed > 50*time.Millisecond {
		t.Errorf("%+v", stats)
	}
	if step, at := h.steepest(time.Second, 10*time.Second); step > 750 {
		t.Errorf("a click of %d at %v", step, at)
	}
}

// player is a buffer whose packets and ticks meet exactly.
type player struct {
	*Buffer
	at    time.Duration
	frame media.Frame
	heard bool
}

func newPlayer(t testing.TB, signal func(int64) int16) *player {
	p := &player{at: time.Hour}
	p.Buffer = New(&sound{t: t, signal: signal, last: -1})
	return p
}

func packet(sequence int64, timestamp uint32, position int64) Packet {
	return Packet{Sequence: sequence, Timestamp: timestamp, Payload: binary.LittleEndian.AppendUint32(nil, uint32(position))}
}

// tick brings a packet of 20 ms, or none, and takes a frame.
func (p *player) tick(packets ...Packet) {
	p.at += 20 * time.Millisecond
	for _, one := range packets {
		one.Payload = append(one.Payload, 20)
		p.Push(one, p.at)
	}
	p.heard = p.Pop(p.at, &p.frame)
}

// Timestamps jump within a stream: at once after the second packet that says so; one odd packet does nothing.
func TestTimestampsJump(t *testing.T) {
	for _, jump := range []uint32{1 << 20, 1 << 31, 1<<32 - 1<<20} {
		p := newPlayer(t, hum)
		heard := 0
		for i := range int64(200) {
			timestamp := uint32(i * 160)
			if i >= 100 {
				timestamp += jump
			}
			one := packet(i, timestamp, i*320)
			if i == 50 {
				odd := packet(i, 123456789, 0)
				p.tick(odd, one)
			} else {
				p.tick(one)
			}
			if p.heard {
				heard++
			}
		}
		if heard < 190 || p.stats.Late > 0 || p.queueLength() > 4 {
			t.Errorf("a jump of %d: %d of 200 frames are heard, %d packets wait, %+v", jump, heard, p.queueLength(), p.stats)
		}
	}
}

func (p *player) queueLength() int { return len(p.queue) }

// One loss in a steady sound is not heard: what is made up is nearly what was lost.
func TestConcealment(t *testing.T) {
	p := newPlayer(t, hum)
	for i := range int64(100) {
		if i == 60 {
			p.tick()
		} else {
			p.tick(packet(i, uint32(i*160), i*320))
		}
		for k := range p.frame {
			if want := 8000; i > 10 && int(p.frame[k])*int(p.frame[k]) > want*want*11/10 {
				t.Fatalf("tick %d: %d", i, p.frame[k])
			}
		}
		if level := energy(p.frame[:]); i > 10 && level < 320*8000*8000/2*8/10 {
			t.Fatalf("tick %d: a hole, %d of %d", i, level, 320*8000*8000/2)
		}
	}
	if p.stats.Concealed != 20*time.Millisecond {
		t.Errorf("%+v", p.stats)
	}
}

func TestEndFadesWithoutEdge(t *testing.T) {
	p := newPlayer(t, hum)
	last, silent := 0, 0
	for i := range int64(100) {
		if i < 50 {
			p.tick(packet(i, uint32(i*160), i*320))
		} else {
			p.tick()
		}
		if !p.heard {
			p.frame = media.Frame{}
			silent++
		}
		if level := energy(p.frame[:]); i > 53 && level > 320*8000*8000/2/3 {
			t.Fatalf("tick %d: it does not fade", i)
		}
		for _, v := range p.frame {
			if step := int(v) - last; step > 750 || step < -750 {
				t.Fatalf("tick %d: an edge of %d", i, step)
			}
			last = int(v)
		}
	}
	if silent < 40 {
		t.Errorf("%d silent frames", silent)
	}
}

func TestNobodyTakes(t *testing.T) {
	p := newPlayer(t, hum)
	for i := range int64(1000) {
		one := packet(i, uint32(i*160), i*320)
		one.Payload = append(one.Payload, 20)
		p.Push(one, p.at+time.Duration(i)*20*time.Millisecond)
	}
	p.at += 1000 * 20 * time.Millisecond
	p.tick()
	if waits := samples(p.at) - p.delay.base() - p.next; !p.heard || waits > maxExcess+60*millis {
		t.Errorf("after a long time in which nobody took frames, they are %d ms old", waits/millis)
	}
}

// A tick that stands still for a second finds a second of sound: most of it is left out, without an edge.
func TestTickStandsStill(t *testing.T) {
	p := newPlayer(t, hum)
	last := 0
	for i := range int64(200) {
		one := packet(i, uint32(i*160), i*320)
		if i >= 60 && i < 110 {
			one.Payload = append(one.Payload, 20)
			p.at += 20 * time.Millisecond
			p.Push(one, p.at)
			continue
		}
		p.tick(one)
		for k, v := range p.frame {
			if step := int(v) - last; i > 5 && (step > 900 || step < -900) {
				t.Fatalf("tick %d: an edge of %d at %d", i, step, k)
			}
			last = int(v)
		}
	}
	if waits := samples(p.at) - p.delay.base() - p.next; waits > 60*millis {
		t.Errorf("in the end sound waits for %d ms", waits/millis)
	}
}

// Sound that waits to be played is muted as well as sound that comes.
func TestMuteWhatWaits(t *testing.T) {
	p := newPlayer(t, hum)
	for i := range int64(50) {
		var packets []Packet
		if i%2 == 0 {
			one := packet(i/2, uint32(i*160), i*320)
			one.Payload = append(one.Payload, 40)
			packets = append(packets, one)
		}
		p.at += 20 * time.Millisecond
		for _, one := range packets {
			p.Push(one, p.at)
		}
		if i == 21 {
			if p.voice.pending == 0 {
				t.Fatal("nothing waits: the test shows nothing")
			}
			from := uint32((p.next - int64(p.voice.pending)) / 2)
			p.Mute(from, from+3*160)
		}
		p.Pop(p.at, &p.frame)
		if silent := energy(p.frame[64:]) == 0; silent != (i >= 21 && i < 24) && i > 5 {
			t.Errorf("tick %d: silent is %v", i, silent)
		}
	}
}

func TestComfortNoise(t *testing.T) {
	p := newPlayer(t, hum)
	next := int64(0)
	say := func(n int) {
		for range n {
			p.tick(packet(next, uint32(next*160), next*320))
			next++
		}
	}
	say(50)
	noise := Packet{Sequence: next, Timestamp: uint32(next * 160), Payload: []byte{50}, Noise: true}
	p.Push(noise, p.at+time.Millisecond)
	for range 200 {
		p.tick()
		next++
		if !p.heard {
			t.Fatal("comfort noise ends by itself")
		}
	}
	if level := energy(p.frame[:]) / media.FrameSamples; level < 5000 || level > 20000 { // -50 dB: a mean square of 10737
		t.Errorf("a mean square of %d", level)
	}
	say(50)
	if p.stats.Concealed != 0 || p.stats.Late != 0 {
		t.Errorf("%+v", p.stats)
	}
}

func TestPushAndPopDoNotAllocate(t *testing.T) {
	p := newPlayer(t, func(int64) int16 { return 0 })
	one := packet(0, 0, 0)
	one.Payload = append(one.Payload, 20)
	random := rand.New(rand.NewPCG(1, 1))
	n := int64(0)
	step := func() {
		n++
		one.Sequence, one.Timestamp = n, uint32(n*160)
		binary.LittleEndian.PutUint32(one.Payload, uint32(n*320))
		p.at += 20 * time.Millisecond
		if random.IntN(10) > 0 {
			p.Push(one, p.at)
		}
		p.Pop(p.at, &p.frame)
	}
	for range 500 {
		step()
	}
	if got := testing.AllocsPerRun(1000, step); got != 0 {
		t.Errorf("%v allocations a tick", got)
	}
}

// Whatever comes, a frame takes a bounded time and the buffer stays bounded.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{0, 0, 1, 20, 1, 0, 2, 20, 200, 3, 4, 250, 7})
	f.Add([]byte{255, 255, 255, 255, 1, 1, 1, 1, 0, 128, 0, 128, 13, 13})
	f.Fuzz(func(t *testing.T, script []byte) {
		b := New(crude{})
		var now time.Duration
		var sequence int64
		var timestamp uint32
		var frame media.Frame
		for len(script) >= 4 {
			sequence += int64(int8(script[0]))
			timestamp += uint32(int32(int8(script[1]))) << (script[2] & 31)
			now += time.Duration(script[3]) * time.Millisecond
			if script[2]&32 != 0 {
				b.Mute(timestamp-uint32(script[1])*9, timestamp+uint32(script[0])*7)
			}
			b.Push(Packet{Sequence: sequence, Timestamp: timestamp, Payload: script[:min(len(script), 1+int(script[3])%9)],
				Noise: script[2]&64 != 0}, now)
			if script[2]&128 != 0 {
				b.Pop(now, &frame)
			}
			if len(b.queue)+len(b.spare) != capacity || b.voice.pending >= past+longest {
				t.Fatalf("%d packets wait, %d are spare, %d samples are pending", len(b.queue), len(b.spare), b.voice.pending)
			}
			script = script[4:]
		}
		for range 100 {
			now += 20 * time.Millisecond
			if b.Pop(now, &frame) && len(b.queue) == 0 && b.noisePeak == 0 && !b.muted(b.next) && b.voice.made > 2*fadedAt {
				t.Fatal("made-up sound does not end")
			}
		}
	})
}

// crude decodes anything to something.
type crude struct{}

func (crude) ClockRate() int { return 8000 }

func (crude) Decode(payload []byte, pcm []int16) int {
	n := min(len(pcm), int(payload[0])*len(payload))
	for i := range n {
		pcm[i] = int16(int(payload[i%len(payload)]) << 8)
	}
	return n
}

func BenchmarkPushPop(b *testing.B) {
	p := newPlayer(b, func(int64) int16 { return 0 })
	p.decoder = flat{}
	one := packet(0, 0, 0)
	for n := int64(1); b.Loop(); n++ {
		one.Sequence, one.Timestamp = n, uint32(n*160)
		p.at += 20 * time.Millisecond
		p.Push(one, p.at)
		p.Pop(p.at, &p.frame)
	}
}

func BenchmarkConceal(b *testing.B) {
	var v voice
	for i := range v.s {
		v.s[i] = voiced(int64(i))
	}
	for b.Loop() {
		v.made, v.pending = 0, 0
		v.conceal(media.FrameSamples)
	}
}

func BenchmarkShorter(b *testing.B) {
	var v voice
	for b.Loop() {
		for i := range v.s {
			v.s[i] = int16(i * 37)
		}
		v.pending = 640
		v.shorter(longestLag, 0, true)
	}
}

// flat decodes at no cost, so that the buffer's own is measured.
type flat struct{}

func (flat) ClockRate() int                 { return 8000 }
func (flat) Decode(_ []byte, _ []int16) int { return 320 }
