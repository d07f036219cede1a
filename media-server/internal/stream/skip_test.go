package stream

import (
	"testing"

	"guichet/mediaserver/internal/media"
)

// TestTicksLeftOutAreTimeForTheFarSide: what follows a stall is not played later than it was said.
func TestTicksLeftOutAreTimeForTheFarSide(t *testing.T) {
	for _, millis := range []int{20, 30} {
		s, out := newTestSender(t, Format{Codec: "PCMA", PT: 8, PacketMillis: millis})
		for range 6 {
			s.Hear(new(media.Frame))
		}
		sent := len(out.packets)
		s.Skip(50)
		for range 3 {
			s.Hear(new(media.Frame))
		}
		last, next := out.packets[sent-1], out.packets[sent]
		if moved := next.Timestamp - last.Timestamp; moved != uint32(8*millis+50*160) {
			t.Errorf("%d ms: the time moved on by %d", millis, moved)
		}
		if next.SequenceNumber != last.SequenceNumber+1 || !next.Marker {
			t.Errorf("%d ms: %+v follows %+v", millis, next.Header, last.Header)
		}
	}
}
