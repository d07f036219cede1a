package stream

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"guichet/mediaserver/internal/media"
)

// What we read of a packet is what pion reads, and we read no packet that pion refuses.
func FuzzParse(f *testing.F) {
	f.Add(rtpPacket(8, true, 1, 2, 3, []byte("sound")))
	whole := rtp.Packet{Header: rtp.Header{
		Version: 2, Marker: true, PayloadType: 101, SequenceNumber: 65535, Timestamp: 1 << 31, SSRC: 9, CSRC: []uint32{4, 5},
	}, Payload: []byte{1, 2, 3, 4}, PaddingSize: 4}
	_ = whole.SetExtension(1, []byte{0xaa})
	if wire, err := whole.Marshal(); err == nil {
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		h, payload, ok := parse(packet)
		if !ok {
			return
		}
		var theirs rtp.Packet
		if err := theirs.Unmarshal(packet); err != nil {
			t.Skip("pion also checks what extensions hold")
		}
		if h != (header{theirs.PayloadType, theirs.Marker, theirs.SequenceNumber, theirs.Timestamp, theirs.SSRC}) ||
			!bytes.Equal(payload, theirs.Payload) {
			t.Fatalf("%+v and %d bytes; pion reads %+v", h, len(payload), theirs)
		}
	})
}

// However event packets come, no digit is told more often than there are timestamps of it, and all are keys.
func FuzzDigits(f *testing.F) {
	f.Add([]byte{5, 10, 0, 160, 1, 0, 5, 138, 3, 32, 0, 0, 6, 10, 0, 160, 129, 9})
	f.Fuzz(func(t *testing.T, script []byte) {
		var d digitReader
		var now time.Duration
		var timestamp uint32
		starts, told := map[uint32]bool{}, 0
		tell := func(digit byte, held uint32) {
			if digit == 0 {
				return
			}
			if told++; bytes.IndexByte([]byte(keys), digit) < 0 || held > 1<<31 {
				t.Fatalf("%q was told, held for %d", digit, held)
			}
		}
		for ; len(script) >= 6; script = script[6:] {
			timestamp += uint32(int32(int8(script[4]))) * 160
			now += time.Duration(script[5]) * time.Millisecond
			starts[timestamp] = true
			tell(d.packet(header{marker: script[5]&1 != 0, timestamp: timestamp}, script[:4], now))
			tell(d.expire(now))
		}
		tell(d.expire(now + time.Minute))
		if told > len(starts) || d.active() {
			t.Fatalf("%d digits of %d timestamps", told, len(starts))
		}
	})
}

// A leg survives whatever comes from the network, and its tick goes on.
func FuzzLeg(f *testing.F) {
	report, _ := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 2}}}})
	f.Add(report, byte(0))
	f.Add(rtpPacket(8, false, 1, 160, 1, make([]byte, 160)), byte(1))
	f.Add(rtpPacket(101, true, 2, 320, 1, []byte{5, 138, 3, 32}), byte(2))
	f.Add(rtpPacket(13, false, 3, 480, 1, []byte{40, 1, 2}), byte(3))
	ports, err := NewPorts("127.0.0.1", 35000, 35999)
	if err != nil {
		f.Fatal(err)
	}
	legs := [2]*Leg{openLeg(f, ports, Notices{}), openLeg(f, ports, Notices{})}
	source := netip.MustParseAddrPort("127.0.0.1:9")
	configure(f, legs[0], session(source))
	s := session(source)
	s.Mux, s.Local, s.Theirs = true, testKey("AES_CM_128_HMAC_SHA1_80", 1), testKey("AES_CM_128_HMAC_SHA1_80", 2)
	configure(f, legs[1], s)
	f.Fuzz(func(_ *testing.T, packet []byte, how byte) {
		l := legs[how&1]
		if how&2 == 0 {
			l.take(packet, source)
		} else {
			l.takeRTCP(packet, source, how&1 != 0)
		}
		var f media.Frame
		l.Say(&f)
		l.Stats()
		l.Snapshot()
	})
}
