package stream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/media"
)

// tray keeps what a sender sends.
type tray struct {
	packets []rtp.Packet
}

func (s *tray) WriteRTP(p *rtp.Packet) error {
	one := *p
	one.Payload = append([]byte(nil), p.Payload...)
	s.packets = append(s.packets, one)
	return nil
}

func newTestSender(t testing.TB, format Format) (*Sender, *tray) {
	t.Helper()
	out := &tray{}
	s, err := NewSender(format, out)
	if err != nil {
		t.Fatal(err)
	}
	return s, out
}

func TestSenderCutsPackets(t *testing.T) {
	for _, codec := range []string{"PCMA", "PCMU", "G722"} {
		for _, millis := range []int{10, 20, 30, 40} {
			s, out := newTestSender(t, Format{Codec: codec, PT: 96, PacketMillis: millis})
			reference, _ := audio.New(codec)
			var want, got []byte
			for tick := range 60 {
				var f media.Frame
				for i := range f {
					f[i] = int16(tick*1000 + 37*i)
				}
				s.Hear(&f)
				want = reference.Encode(want, &f)
			}
			for i, p := range out.packets {
				first := out.packets[0]
				if p.SSRC != first.SSRC || p.SequenceNumber != first.SequenceNumber+uint16(i) ||
					p.Timestamp != first.Timestamp+uint32(8*millis*i) || p.PayloadType != 96 || p.Version != 2 ||
					len(p.Payload) != 8*millis || p.Marker != (i == 0) {
					t.Fatalf("%s, %d ms: packet %d is %+v", codec, millis, i, p.Header)
				}
				got = append(got, p.Payload...)
			}
			if len(out.packets) != 1200/millis || string(got) != string(want) {
				t.Errorf("%s, %d ms: %d packets", codec, millis, len(out.packets))
			}
		}
	}
}

func TestSenderSendsSilenceAndNothing(t *testing.T) {
	s, out := newTestSender(t, phoneFormat)
	s.Hear(nil)
	if len(out.packets) != 1 || loudest(out.packets[0].Payload) > 20 {
		t.Fatalf("silence is %v", out.packets)
	}
	s.SetSending(false)
	for range 10 {
		s.Hear(nil)
	}
	s.SetSending(true)
	s.Hear(nil)
	if len(out.packets) != 2 {
		t.Fatalf("%d packets", len(out.packets))
	}
	a, b := out.packets[0], out.packets[1]
	if b.SequenceNumber != a.SequenceNumber+1 || b.Timestamp != a.Timestamp+11*160 || !b.Marker {
		t.Errorf("after a pause: %+v, then %+v", a.Header, b.Header)
	}
}

// What one side dials, the other side is told, once each; and what is said meanwhile is not sent.
func TestSenderDigits(t *testing.T) {
	for _, millis := range []int{20, 30} {
		format := phoneFormat
		format.PacketMillis = millis
		s, out := newTestSender(t, format)
		c := newClocked(t, phoneFormat)
		const dialled = "0123456789*#abCD11,1"
		var loud media.Frame
		for i := range loud {
			loud[i] = int16(10000 * (1 - 2*(i/8%2)))
		}
		for tick := range 450 {
			if tick == 20 {
				if err := s.SendDigits(dialled); err != nil {
					t.Fatal(err)
				}
			}
			s.Hear(&loud)
			c.tick()
			for ; len(out.packets) > 0; out.packets = out.packets[1:] {
				p := out.packets[0]
				wire, _ := p.Marshal()
				c.Receive(wire)
				if tick > 20 && tick < 400 && p.PayloadType == 8 && loudest(p.Payload) > 1000 && c.digits.Len() < 18 {
					t.Fatalf("%d ms: audio goes out in tick %d, while digits do", millis, tick)
				}
			}
		}
		if got := c.digits.String(); got != "0123456789*#ABCD111" {
			t.Errorf("%d ms: %q was told", millis, got)
		}
		for _, held := range c.held {
			if held != 100*time.Millisecond {
				t.Errorf("%d ms: held for %v", millis, c.held)
				break
			}
		}
		if f, _ := c.tick(); level(&f) < -20 {
			t.Errorf("%d ms: the voice did not come back: %.1f", millis, level(&f))
		}
		if s := c.Stats(); s.Lost != 0 || s.Late != 0 {
			t.Errorf("%d ms: %+v", millis, s)
		}
	}
}

// loudest is the largest value of an A-law payload.
func loudest(payload []byte) (most int16) {
	codec, _ := audio.New("PCMA")
	pcm := make([]int16, 2*len(payload))
	for _, v := range pcm[:codec.Decode(payload, pcm)] {
		most = max(most, v, -v)
	}
	return most
}

func TestSenderRefuses(t *testing.T) {
	s, _ := newTestSender(t, phoneFormat)
	for digits, want := range map[string]error{"12x": ErrBadDigits, strings.Repeat("1", 65): ErrManyDigits, "": nil} {
		if err := s.SendDigits(digits); !errors.Is(err, want) {
			t.Errorf("%q: %v", digits, err)
		}
	}
	s.SetSending(false)
	if err := s.SendDigits("1"); !errors.Is(err, ErrNotSending) {
		t.Errorf("on hold: %v", err)
	}
	if err := s.SetFormat(Format{Codec: "PCMU"}); err != nil {
		t.Fatal(err)
	}
	s.SetSending(true)
	if err := s.SendDigits("1"); !errors.Is(err, ErrNoEvents) {
		t.Errorf("without telephone-event: %v", err)
	}
	for _, bad := range []Format{{Codec: "GSM"}, {Codec: "PCMA", PacketMillis: 25}, {}} {
		if err := s.SetFormat(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
