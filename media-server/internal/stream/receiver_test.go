package stream

import (
	"math"
	"testing"
	"time"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/media"
)

// speak makes the payloads of a tone, one each tick.
func speak(t testing.TB, codec string, hertz float64) func() []byte {
	t.Helper()
	encoder, err := audio.New(codec)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	return func() []byte {
		var f media.Frame
		for i := range f {
			f[i] = int16(8000 * math.Sin(2*math.Pi*hertz*float64(n)/media.Rate))
			n++
		}
		return encoder.Encode(nil, &f)
	}
}

// strength is the amplitude of one frequency in a frame or more.
func strength(pcm []int16, hertz float64) float64 {
	var re, im float64
	for i, v := range pcm {
		angle := 2 * math.Pi * hertz * float64(i) / media.Rate
		re += float64(v) * math.Cos(angle)
		im += float64(v) * math.Sin(angle)
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

func TestReceiverTakesAnotherSSRCWhenTwoPacketsSaySo(t *testing.T) {
	c := newClocked(t, phoneFormat)
	first, second := speak(t, "PCMA", 500), speak(t, "PCMA", 1500)
	for i := range uint16(50) {
		c.Receive(rtpPacket(8, false, i, uint32(i)*160, 1, first()))
		if i%10 == 5 {
			c.Receive(rtpPacket(8, false, 9000+i, 77, 2, second())) // a stray one now and then
		}
		c.tick()
	}
	if stats := c.Stats(); stats.Received != 50 || stats.Lost != 0 {
		t.Errorf("stray packets count: %+v", stats)
	}
	var f media.Frame
	for i := range uint16(50) { // the sender began anew: everything is different
		c.Receive(rtpPacket(8, false, 40000+i, 1<<31+uint32(i)*160, 2, second()))
		f, _ = c.tick()
	}
	if strength(f[:], 1500) < 6000 || strength(f[:], 500) > 500 {
		t.Errorf("heard %.0f of the new stream, %.0f of the old", strength(f[:], 1500), strength(f[:], 500))
	}
	if stats := c.Stats(); stats.Received != 99 || stats.Lost != 0 || stats.Late != 0 {
		t.Errorf("%+v", stats)
	}
}

func TestReceiverSilence(t *testing.T) {
	c := newClocked(t, phoneFormat)
	talk := speak(t, "PCMA", 500)
	wait := func(ticks int) {
		for range ticks {
			c.tick()
		}
	}
	wait(60)
	if len(c.silent) != 1 || !c.silent[0] {
		t.Fatalf("a side that never sends: %v", c.silent)
	}
	c.Receive(rtpPacket(8, false, 1, 0, 1, talk()))
	wait(49)
	if len(c.silent) != 2 || c.silent[1] {
		t.Fatalf("it sends: %v", c.silent)
	}
	wait(3)
	if len(c.silent) != 3 {
		t.Fatalf("nothing for a second: %v", c.silent)
	}
	c.Receive(rtpPacket(13, false, 2, 50*160, 1, []byte{40}))
	wait(500)
	if len(c.silent) != 4 || c.silent[3] {
		t.Fatalf("announced silence: %v", c.silent)
	}
	if f, ok := c.tick(); !ok || level(&f) < -45 || level(&f) > -35 {
		t.Errorf("comfort noise of -40 dB is heard at %.1f", level(&f))
	}
}

func TestReceiverFigures(t *testing.T) {
	c := newClocked(t, phoneFormat)
	talk := speak(t, "PCMA", 500)
	for i := range uint16(1000) {
		payload := talk()
		if i%10 != 3 {
			c.Receive(rtpPacket(8, false, 64000+i, uint32(i)*160, 1, payload))
		}
		if i == 500 {
			c.Receive(rtpPacket(8, false, 64000+i, uint32(i)*160, 1, payload))
			c.Receive(rtpPacket(77, false, 64000+i, uint32(i)*160, 1, payload))
			c.Receive([]byte{1, 2, 3})
		}
		c.tick()
	}
	s := c.Stats()
	if s.Received != 900 || s.Lost != 100 || s.Duplicate != 1 || s.Bad != 2 {
		t.Errorf("%+v", s)
	}
	if math.Abs(s.LossPercent-10) > 1 || math.Abs(float64(s.ConcealedMillis)-2000) > 100 || s.JitterMillis > 0.1 {
		t.Errorf("%+v", s)
	}
}

func TestReceiverChangesCodecAndDirection(t *testing.T) {
	c := newClocked(t, phoneFormat)
	narrow, wide := speak(t, "PCMA", 500), speak(t, "G722", 5000)
	for i := range uint16(50) {
		c.Receive(rtpPacket(8, false, i, uint32(i)*160, 1, narrow()))
		c.tick()
	}
	c.setReceiving(false)
	for i := range uint16(100) {
		c.Receive(rtpPacket(8, false, 50+i, uint32(50+i)*160, 1, narrow()))
		if _, ok := c.tick(); ok {
			t.Fatal("heard although nothing is to be received")
		}
	}
	if len(c.silent) != 0 {
		t.Error("told to be silent although nothing is to be received")
	}
	c.setReceiving(true)
	if err := c.SetFormat(Format{Codec: "G722", PT: 9}); err != nil {
		t.Fatal(err)
	}
	var f media.Frame
	for i := range uint16(50) {
		c.Receive(rtpPacket(9, false, 150+i, uint32(150+i)*160, 1, wide()))
		f, _ = c.tick()
	}
	if strength(f[:], 5000) < 6000 {
		t.Errorf("the new codec is heard at %.0f", strength(f[:], 5000))
	}
	if err := c.SetFormat(Format{Codec: "GSM"}); err == nil {
		t.Error("a codec that we do not have was taken")
	}
}

var headerScratch [headerBytes]byte

func rtpPacketHeader(sequence uint16, timestamp uint32) []byte {
	headerScratch = [headerBytes]byte{0x80, 8, byte(sequence >> 8), byte(sequence), byte(timestamp >> 24),
		byte(timestamp >> 16), byte(timestamp >> 8), byte(timestamp), 0, 0, 0, 1}
	return headerScratch[:]
}

// Before anybody listens, packets are taken all the same, and the newest are played once somebody does.
func TestReceiverBeforeAnybodyListens(t *testing.T) {
	c := newClocked(t, phoneFormat)
	tone := speak(t, "PCMA", 500)
	for i := range uint16(1000) {
		c.Receive(rtpPacket(8, false, i, uint32(i)*160, 1, tone()))
		c.at += 20 * time.Millisecond
	}
	var f media.Frame
	heard := 0
	for i := range uint16(100) {
		c.Receive(rtpPacket(8, false, 1000+i, uint32(1000+i)*160, 1, tone()))
		if f, _ = c.tick(); strength(f[:], 500) > 6000 {
			heard++
		}
	}
	if stats := c.Stats(); heard < 97 || stats.Lost != 0 || stats.DelayMillis > 250 {
		t.Errorf("%d of 100 frames are heard, %+v", heard, stats)
	}
}
