//go:build !race

package stream

import (
	"testing"
	"time"

	"github.com/pion/rtp"

	"guichet/mediaserver/internal/media"
)

// The race detector makes pools forget at random, so that these are only true without it.

func TestReceiveAndSayDoNotAllocate(t *testing.T) {
	for _, format := range []Format{phoneFormat, {Codec: "PCMA", PT: 8}} {
		receiveAndSay(t, format)
	}
}

func receiveAndSay(t *testing.T, format Format) {
	t.Helper()
	c := newClocked(t, format)
	packet := rtpPacket(8, false, 0, 0, 1, make([]byte, 160))
	var f media.Frame
	n := uint32(0)
	step := func() {
		n++
		copy(packet, rtpPacketHeader(uint16(n), n*160))
		c.Receive(packet)
		c.at += 20 * time.Millisecond
		c.Say(&f)
	}
	for range 300 {
		step()
	}
	if got := testing.AllocsPerRun(500, step); got != 0 {
		t.Errorf("%v allocations a packet", got)
	}
}

func TestHearDoesNotAllocate(t *testing.T) {
	s, err := NewSender(phoneFormat, discard{})
	if err != nil {
		t.Fatal(err)
	}
	var f media.Frame
	n := 0
	if got := testing.AllocsPerRun(500, func() {
		if n++; n%100 == 0 {
			_ = s.SendDigits("1")
		}
		s.Hear(&f)
	}); got != 0 {
		t.Errorf("%v allocations a frame", got)
	}
}

type discard struct{}

func (discard) WriteRTP(*rtp.Packet) error { return nil }

func TestLegDoesNotAllocate(t *testing.T) {
	ports := testPorts(t)
	for _, suite := range []string{"", "AES_CM_128_HMAC_SHA1_80"} {
		a, b := openLeg(t, ports, Notices{}), openLeg(t, ports, Notices{})
		connect(t, a, b, func(sa, sb *Session) {
			if suite != "" {
				sa.Local, sb.Local = testKey(suite, 1), testKey(suite, 2)
				sa.Theirs, sb.Theirs = sb.Local, sa.Local
			}
		})
		talk(t, a, b)
		var f media.Frame
		if n := testing.AllocsPerRun(300, func() {
			a.Hear(&f)
			b.Hear(nil)
			a.Say(&f)
			b.Say(&f)
			time.Sleep(200 * time.Microsecond) // so that the read loops run within the measurement
		}); n > 0 {
			t.Errorf("SRTP %q: %v allocations a tick", suite, n)
		}
	}
}
