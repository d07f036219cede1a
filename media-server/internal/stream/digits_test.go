package stream

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"guichet/mediaserver/internal/media"
)

// clocked is a receiver in virtual time.
type clocked struct {
	*Receiver
	at     time.Duration
	digits strings.Builder
	tones  strings.Builder
	held   []time.Duration
	silent []bool
}

func newClocked(t testing.TB, format Format) *clocked {
	t.Helper()
	c := &clocked{at: time.Second}
	r, err := NewReceiver(format, Notices{
		Digit:  func(digit byte, held time.Duration) { c.digits.WriteByte(digit); c.held = append(c.held, held) },
		Tone:   func(digit byte, _ time.Duration) { c.tones.WriteByte(digit) },
		Silent: func(silent bool) { c.silent = append(c.silent, silent) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.now = func() time.Duration { return c.at }
	c.Receiver = r
	return c
}

// tick lets 20 ms pass, and tells what is heard.
func (c *clocked) tick() (f media.Frame, ok bool) {
	c.at += 20 * time.Millisecond
	ok = c.Say(&f)
	return f, ok
}

func rtpPacket(payloadType uint8, marker bool, sequence uint16, timestamp, ssrc uint32, payload []byte) []byte {
	p := make([]byte, headerBytes, headerBytes+len(payload))
	p[0], p[1] = 0x80, payloadType
	if marker {
		p[1] |= 0x80
	}
	binary.BigEndian.PutUint16(p[2:], sequence)
	binary.BigEndian.PutUint32(p[4:], timestamp)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	return append(p, payload...)
}

var phoneFormat = Format{Codec: "PCMA", PT: 8, EventPT: 101}

// press is the packets of one digit: updates each 20 ms, three ends.
func press(sequence *uint16, key byte, start uint32, ticks int) (packets [][]byte) {
	event := byte(strings.IndexByte(keys, key))
	for i := 1; i <= ticks+2; i++ {
		duration, end := 160*min(i, ticks), byte(0)
		if i >= ticks {
			end = 0x80
		}
		*sequence++
		packets = append(packets, rtpPacket(101, i == 1, *sequence, start, 7,
			[]byte{event, 10 | end, byte(duration >> 8), byte(duration)}))
	}
	return packets
}

// Whatever is lost of a digit, twice or out of order, it is told once, as long as one packet of it comes.
func TestEachDigitOnce(t *testing.T) {
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 1))
		c := newClocked(t, phoneFormat)
		var sequence uint16 = 65500
		timestamp := uint32(1<<32 - 9000) // it rolls over on the way
		want := ""
		for range 12 {
			key := keys[random.IntN(len(keys))]
			ticks := 3 + random.IntN(10)
			packets := press(&sequence, key, timestamp, ticks)
			timestamp += uint32(160 * (ticks + 5))
			keep := random.IntN(len(packets)) // at least one comes
			for i, p := range packets {
				if i == keep || random.Float64() > 0.4 {
					c.Receive(p)
					if random.Float64() < 0.1 {
						c.Receive(p)
					}
					if i > 0 && random.Float64() < 0.1 {
						c.Receive(packets[i-1])
						keep = i
					}
				}
				c.tick()
			}
			want += string(key)
			for range 5 {
				c.tick()
			}
		}
		for range 20 {
			c.tick()
		}
		if got := c.digits.String(); got != want {
			t.Fatalf("seed %d: %s were told of %s", seed, got, want)
		}
	}
}

func TestDigitDuration(t *testing.T) {
	c := newClocked(t, phoneFormat)
	var sequence uint16
	for _, p := range press(&sequence, '5', 8000, 6) {
		c.Receive(p)
	}
	// One longer than 16 bits can tell goes on in a second segment.
	for i, p := range [][]byte{{9, 10, 0x10, 0}, {9, 10, 0xff, 0xff}} {
		sequence++
		c.Receive(rtpPacket(101, i == 0, sequence, 16000, 7, p))
	}
	for _, p := range [][]byte{{9, 10, 0x10, 0}, {9, 0x8a, 0x1f, 0x40}, {9, 0x8a, 0x1f, 0x40}} {
		sequence++
		c.Receive(rtpPacket(101, false, sequence, 16000+0xffff, 7, p))
	}
	c.tick()
	if c.digits.String() != "59" || c.held[0] != 120*time.Millisecond || c.held[1].Round(time.Millisecond) != 9192*time.Millisecond {
		t.Errorf("%s held for %v", c.digits.String(), c.held)
	}
}

// Some gateways move the timestamp on within a digit.
func TestDigitOfMovingTimestamps(t *testing.T) {
	c := newClocked(t, phoneFormat)
	for press := range uint16(2) {
		for i := range uint16(7) {
			duration, end := 160*(i+1), byte(0)
			if i >= 4 {
				duration, end = 800, 0x80
			}
			c.Receive(rtpPacket(101, i == 0, press*7+i, uint32(press)*4000+uint32(i)*160, 7,
				[]byte{4, 10 | end, byte(duration >> 8), byte(duration)}))
		}
	}
	c.tick()
	if got := c.digits.String(); got != "44" {
		t.Errorf("two presses of 4 are told as %q", got)
	}
}

// The answer may number events otherwise than our offer did: we send with its number, and take both.
func TestEventsOfTwoNumbers(t *testing.T) {
	format := Format{Codec: "PCMA", PT: 8, EventPT: 96, OwnEventPT: 101}
	c := newClocked(t, format)
	var sequence uint16
	for i, payloadType := range []byte{101, 96, 100} {
		for _, p := range press(&sequence, "123"[i], uint32(i)*2000, 5) {
			p[1] = p[1]&0x80 | payloadType
			c.Receive(p)
		}
	}
	c.tick()
	if got := c.digits.String(); got != "12" {
		t.Errorf("%q was told", got)
	}
	s, out := newTestSender(t, format)
	if err := s.SendDigits("5"); err != nil {
		t.Fatal(err)
	}
	s.Hear(nil)
	if len(out.packets) != 1 || out.packets[0].PayloadType != 96 {
		t.Errorf("sent %+v", out.packets)
	}
}

func TestDigitsThatAreNone(t *testing.T) {
	c := newClocked(t, phoneFormat)
	c.Receive(rtpPacket(101, true, 1, 0, 7, []byte{16, 0x8a, 3, 32}))
	c.Receive(rtpPacket(101, true, 2, 500, 7, []byte{5, 0x8a, 3}))
	c.Receive(rtpPacket(101, true, 3, 900, 7, nil))
	c.Receive(rtpPacket(102, true, 4, 1300, 7, []byte{5, 0x8a, 3, 32}))
	for range 30 {
		c.tick()
	}
	if c.digits.Len() > 0 {
		t.Errorf("%q was told", c.digits.String())
	}
}

// Audio with the tone of a digit in it goes on while events tell of it: nothing of the tone passes once they do.
func TestDigitIsNotHeard(t *testing.T) {
	c := newClocked(t, phoneFormat)
	loud := make([]byte, 160)
	for i := range loud {
		loud[i] = 0x2a ^ byte(i%2*0x80) // a square wave of 4 kHz, loud
	}
	var sequence uint16
	send := func(tick int, digit []byte) {
		sequence++
		c.Receive(rtpPacket(8, false, sequence, uint32(tick)*160, 7, loud))
		if digit != nil {
			sequence++
			c.Receive(rtpPacket(101, digit[2] == 0 && digit[3] == 160, sequence, 50*160, 7, digit))
		}
	}
	heard := make([]bool, 100)
	for tick := range heard {
		var digit []byte
		if n := tick - 49; n >= 1 && n <= 22 {
			duration := 160 * min(n, 20)
			digit = []byte{5, 10, byte(duration >> 8), byte(duration)}
			if n >= 20 {
				digit[1] |= 0x80
			}
		}
		send(tick, digit)
		f, _ := c.tick()
		for _, v := range f {
			heard[tick] = heard[tick] || v > 2000 || v < -2000
		}
	}
	for tick, ok := range heard {
		if inside := tick >= 52 && tick < 70; inside && ok {
			t.Errorf("the digit is heard in tick %d", tick)
		} else if (tick > 5 && tick < 47 || tick > 78) && !ok {
			t.Errorf("the voice is not heard in tick %d", tick)
		}
	}
	if c.digits.String() != "5" {
		t.Errorf("%q was told", c.digits.String())
	}
}
