package browser

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/stream"
)

// microphone is the page's audio track; digits have another payload type than the audio.
type microphone struct {
	to   webrtc.TrackLocalWriter
	ssrc uint32
}

func (m *microphone) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	chosen, _ := choose(ctx.CodecParameters())
	m.to, m.ssrc = ctx.WriteStream(), uint32(ctx.SSRC())
	return chosen, nil
}
func (m *microphone) Unbind(webrtc.TrackLocalContext) error { return nil }
func (m *microphone) ID() string                            { return "microphone" }
func (m *microphone) RID() string                           { return "" }
func (m *microphone) StreamID() string                      { return "microphone" }
func (m *microphone) Kind() webrtc.RTPCodecType             { return webrtc.RTPCodecTypeAudio }

// WriteRTP implements stream.Sink.
func (m *microphone) WriteRTP(packet *rtp.Packet) error {
	packet.SSRC = m.ssrc
	_, err := m.to.WriteRTP(&packet.Header, packet.Payload)
	return err
}

// listen keeps what the page hears.
func (p *page) listen(track *webrtc.TrackRemote) {
	ear, err := stream.NewReceiver(stream.Format{Codec: "G722", PT: 9}, stream.Notices{})
	if err != nil {
		p.t.Error(err)
		return
	}
	p.every(20*time.Millisecond, func(int) {
		var f media.Frame
		if ear.Say(&f) {
			p.mu.Lock()
			p.heard = append(p.heard, f)
			p.tell()
			p.mu.Unlock()
		}
	})
	buffer := make([]byte, receiveMTU)
	for {
		n, _, err := track.Read(buffer)
		if err != nil {
			return
		}
		ear.Receive(buffer[:n])
		p.packets.Add(1)
	}
}

// talk sends a tone until the page ends or stop is called; it may talk again after that.
func (p *page) talk(hz int) (stop func()) {
	p.t.Helper()
	if p.sender == nil {
		var err error
		if p.sender, err = stream.NewSender(stream.Format{Codec: "G722", PT: 9, EventPT: 126}, p.audio); err != nil {
			p.t.Fatal(err)
		}
	}
	tone, err := audio.NewTone(fmt.Sprintf("%d/1000", hz), true)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.every(20*time.Millisecond, func(int) {
		var f media.Frame
		tone.Next(&f)
		p.sender.Hear(&f)
	})
}

// hears waits until the page hears the one tone and none of the others.
func (p *page) hears(hz int, others ...int) {
	p.t.Helper()
	p.until(fmt.Sprintf("%s hears %d Hz", p.id, hz), patience, func() bool {
		if len(p.heard) < 25 {
			return false
		}
		last := p.heard[len(p.heard)-25:]
		for _, other := range others {
			if power(last, other) > power(last, hz)/100 {
				return false
			}
		}
		return power(last, hz) > 1e-4
	})
}

// power of one frequency in the frames, 1 at full scale (Goertzel).
func power(frames []media.Frame, hz int) float64 {
	c := 2 * math.Cos(2*math.Pi*float64(hz)/media.Rate)
	var a, b, n float64
	for _, f := range frames {
		for _, sample := range f {
			a, b = float64(sample)/32768+c*a-b, a
			n++
		}
	}
	return (a*a + b*b - c*a*b) / (n * n / 4)
}

func TestAudioBothWaysInWideband(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	a := newPage(t, h, "a", pageOptions{}).join()
	b := newPage(t, h, "b", pageOptions{tcp: true}).join()
	const low, wide = 440, 5000 // the second does not pass through a telephone
	a.talk(low)
	b.talk(wide)
	a.hears(wide, low)
	b.hears(low, wide)
	if e := h.wait(protocol.Connected, "a", patience); e.Codec != "G722" {
		t.Errorf("connected: %+v", e)
	}
}

func TestNothingIsSentToWhoIsToHearNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	a := newPage(t, h, "a", pageOptions{}).join()
	b := newPage(t, h, "b", pageOptions{}).join()
	for range 2 {
		stop := b.talk(440)
		a.hears(440, 5000)
		stop()
		was := int64(-1)
		h.until("no more packets", func() bool {
			before := was
			was = a.packets.Load()
			time.Sleep(100 * time.Millisecond)
			return was == before
		})
		a.mu.Lock()
		a.heard = nil
		a.mu.Unlock()
	}
}

func TestWhoOffersLessIsServedToo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	offer := newPage(t, h, "a", pageOptions{}).offer(nil)
	const all = "SAVPF 111 9 0 8 126"
	for i, c := range []struct{ formats, codec string }{
		{"SAVPF 0 8 9", "G722"}, {"SAVPF 0 8 126", "PCMA"}, {"SAVPF 111 0", "PCMU"}, {"SAVPF 126 0 9 8", "G722"},
	} {
		id := fmt.Sprint("e", i)
		answer, err := h.Offer(id, strings.Replace(offer, all, c.formats, 1))
		if err != nil {
			t.Fatalf("%s: %v", c.formats, err)
		}
		if got := h.find(id).audio.voice.Load().codec; got != c.codec {
			t.Errorf("%s: %s, want %s", c.formats, got, c.codec)
		}
		if first := map[string]string{"G722": "9", "PCMA": "8", "PCMU": "0"}[c.codec]; !strings.Contains(answer, "SAVPF "+first) {
			t.Errorf("%s: %s is not the first of the answer", c.formats, c.codec)
		}
	}
}

func TestASilentBrowserIsNoticedInASecond(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	p := newPage(t, h, "a", pageOptions{}).join()
	stop := p.talk(440)
	h.until("it is heard", func() bool { return len(h.heard["a"]) > 10 })
	// A busy machine may have been silent for a second before: what counts is the state.
	becomes := func(state string, within time.Duration) {
		t.Helper()
		for begun := time.Now(); h.Endpoints()[0].State != state; time.Sleep(5 * time.Millisecond) {
			if time.Since(begun) > within {
				t.Fatalf("not %s within %s", state, within)
			}
		}
	}
	stop()
	becomes("silent", 3*time.Second)
	h.waitFor("silence", patience, func(e protocol.Event) bool { return e.Kind == protocol.Silent && e.On })
	p.talk(440)
	becomes("connected", patience)
	h.waitFor("its end", patience, func(e protocol.Event) bool { return e.Kind == protocol.Silent && !e.On })
	if h.count(protocol.Left, "a") != 0 {
		t.Error("a silent browser was given up")
	}
}

func TestDigitsOfABrowser(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	p := newPage(t, h, "a", pageOptions{}).join()
	p.talk(440)
	h.until("it is heard", func() bool { return len(h.heard["a"]) > 10 })
	if err := p.sender.SendDigits("7#"); err != nil {
		t.Fatal(err)
	}
	for _, digit := range []string{"7", "#"} {
		e := h.waitFor("digit "+digit, patience, func(e protocol.Event) bool { return e.Kind == protocol.Digit && e.Digit == digit })
		if e.Endpoint != "a" || e.Via != "rtp" || e.Millis < 60 || e.Millis > 200 {
			t.Errorf("digit: %+v", e)
		}
	}
	if n := h.count(protocol.Digit, "a"); n != 2 {
		t.Errorf("%d digits", n)
	}
}

func TestQualityIsTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	p := newPage(t, h, "a", pageOptions{}).join()
	p.talk(440)
	e := h.wait(protocol.Quality, "a", patience)
	// Busy machines delay more.
	if e.Loss != 0 || e.DelayMillis <= 0 || e.DelayMillis > 1000 {
		t.Errorf("quality: %+v", e)
	}
}

// BenchmarkHear is what a connected browser costs the mixer's tick.
func BenchmarkHear(b *testing.B) {
	for _, tcp := range []bool{false, true} {
		b.Run(map[bool]string{false: "udp", true: "tcp"}[tcp], func(b *testing.B) {
			h := newHouse(b, testConfig())
			newPage(b, h, "a", pageOptions{tcp: tcp}).join()
			e := h.links()[0].end
			var f media.Frame
			b.ReportAllocs()
			for b.Loop() {
				e.Hear(&f)
			}
		})
	}
}
