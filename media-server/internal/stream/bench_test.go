package stream

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtp"

	"guichet/mediaserver/internal/media"
)

func BenchmarkHear(b *testing.B) {
	for _, suite := range []string{"", "AES_CM_128_HMAC_SHA1_80"} {
		b.Run("srtp="+suite, func(b *testing.B) {
			l := openLeg(b, testPorts(b), Notices{})
			s := session(socket(b).LocalAddr().(*net.UDPAddr).AddrPort())
			if suite != "" {
				s.Local, s.Theirs = testKey(suite, 1), testKey(suite, 2)
			}
			configure(b, l, s)
			var f media.Frame
			for b.Loop() {
				l.Hear(&f)
			}
		})
	}
}

func BenchmarkTake(b *testing.B) {
	for _, suite := range []string{"", "AES_CM_128_HMAC_SHA1_80"} {
		b.Run("srtp="+suite, func(b *testing.B) {
			l := openLeg(b, testPorts(b), Notices{})
			s := session(netip.MustParseAddrPort("127.0.0.1:9"))
			theirs := pair{}
			if suite != "" {
				s.Local, s.Theirs = testKey(suite, 1), testKey(suite, 2)
				theirs, _ = s.Theirs.contexts()
			}
			configure(b, l, s)
			var scratch rtp.Header
			packet, cipher := make([]byte, 172), make([]byte, 0, 200)
			b.ReportAllocs()
			for n := uint32(0); b.Loop(); n++ {
				copy(packet, rtpPacketHeader(uint16(n), n*160))
				cipher = append(cipher[:0], packet...)
				if theirs.rtp != nil {
					var err error
					if cipher, err = theirs.rtp.EncryptRTP(cipher[:0], packet, &scratch); err != nil {
						b.Fatal(err)
					}
				}
				l.take(cipher, s.Remote)
			}
		})
	}
}

func BenchmarkReceiveAndSay(b *testing.B) {
	for _, codec := range []string{"PCMA", "G722"} {
		b.Run(codec, func(b *testing.B) {
			payloadType := map[string]uint8{"PCMA": 8, "G722": 9}[codec]
			c := newClocked(b, Format{Codec: codec, PT: payloadType})
			packet := rtpPacket(payloadType, false, 0, 0, 1, speak(b, codec, 500)())
			var f media.Frame
			for n := uint32(0); b.Loop(); n++ {
				copy(packet[2:], rtpPacketHeader(uint16(n), n*160)[2:])
				c.Receive(packet)
				c.at += 20 * time.Millisecond
				c.Say(&f)
			}
		})
	}
}
