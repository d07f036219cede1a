package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"guichet/mediaserver/internal/protocol"
)

func forwards(list ...protocol.Forward) map[string][]protocol.Forward {
	return map[string][]protocol.Forward{"room": list}
}

func TestVideoGoesOnlyToWhomTheRoomNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	a := newPage(t, h, "a", pageOptions{videos: 2}).join()
	b := newPage(t, h, "b", pageOptions{videos: 2}).join()
	c := newPage(t, h, "c", pageOptions{videos: 2}).join()
	a.film(0)
	a.film(1)
	b.film(0)
	for _, e := range []string{"a", "b"} {
		h.wait(protocol.VideoStarted, e, patience)
	}
	h.SetForwards(forwards(protocol.Forward{From: "a", Kind: "screen", To: "b"}, protocol.Forward{From: "b", Kind: "camera", To: "a"}))
	b.until("30 packets of the screen", patience, func() bool { return len(b.seen["screen"]) >= 30 })
	a.until("30 packets of the camera", patience, func() bool { return len(a.seen["camera"]) >= 30 })

	h.SetForwards(nil)
	settle(a, b)
	was := counts(a, b, c)
	h.wait(protocol.VideoStarted, "a", patience)
	never(t, 300*time.Millisecond, "a packet after its forward ended", func() bool { return !slices.Equal(was, counts(a, b, c)) })

	if got := who(b.seen["screen"]); len(got) != 1 || got[0] != "a screen" {
		t.Errorf("b's screen showed %q", got)
	}
	if got := who(a.seen["camera"]); len(got) != 1 || got[0] != "b camera" {
		t.Errorf("a's camera showed %q", got)
	}
	if len(c.seen)+len(b.seen["camera"])+len(a.seen["screen"]) != 0 {
		t.Errorf("something leaked: %v", counts(a, b, c))
	}
	if !keyVP8(b.seen["screen"][0].Payload) {
		t.Error("the first packet is not of a keyframe")
	}
	for _, packet := range b.seen["screen"] {
		if len(packet.GetExtensionIDs()) != 0 {
			t.Fatalf("extensions %v of the sender came through", packet.GetExtensionIDs())
		}
	}
}

func TestAnotherSourceGoesOnInTheSameStream(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	agent := newPage(t, h, "agent", pageOptions{videos: 2}).join()
	for _, id := range []string{"x", "y"} {
		p := newPage(t, h, id, pageOptions{videos: 1}).join()
		p.film(0)
		h.wait(protocol.VideoStarted, id, patience)
	}
	for i, id := range []string{"x", "y", "x"} {
		h.SetForwards(forwards(protocol.Forward{From: id, Kind: "camera", To: "agent"}))
		agent.until("20 pictures of "+id, patience, func() bool {
			names := who(agent.seen["camera"])
			return len(names) == i+1 && names[i] == id+" camera" && len(agent.seen["camera"]) >= 40*(i+1)
		})
	}
	packets := agent.seen["camera"]
	for i := 1; i < len(packets); i++ {
		before, after := packets[i-1].Header, packets[i].Header
		if after.SSRC != before.SSRC || after.SequenceNumber != before.SequenceNumber+1 {
			t.Fatalf("packet %d: %v after %v", i, after, before)
		}
		if step := after.Timestamp - before.Timestamp; step > 90*2000 {
			t.Fatalf("packet %d: the time goes by %d", i, step)
		}
	}
}

func TestKeyframesAreAskedForWithinBounds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	a := newPage(t, h, "a", pageOptions{videos: 1}).join()
	b := newPage(t, h, "b", pageOptions{videos: 1}).join()
	a.film(0)
	h.wait(protocol.VideoStarted, "a", patience)
	h.SetForwards(forwards(protocol.Forward{From: "a", Kind: "camera", To: "b"}))
	// By itself it sends a keyframe each ten seconds.
	b.until("the first picture", 8*time.Second, func() bool { return len(b.seen["camera"]) > 0 })
	begun := time.Now()
	in := h.find("a").in[0]
	for range 200 {
		in.askKey()
	}
	ssrc := uint32(a.pc.GetSenders()[1].GetParameters().Encodings[0].SSRC)
	a.until("a second request", patience, func() bool { return a.plis[ssrc] >= 2 })
	most := 2 + int(time.Since(begun)/keyEvery)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.plis[ssrc] > most {
		t.Errorf("%d requests in %s", a.plis[ssrc], time.Since(begun))
	}
}

func TestTheSenderIsToldItsBound(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	a := newPage(t, h, "a", pageOptions{videos: 1}).join()
	newPage(t, h, "b", pageOptions{videos: 1}).join()
	a.film(0)
	h.SetForwards(forwards(protocol.Forward{From: "a", Kind: "camera", To: "b", MaxKbps: 700}))
	ssrc := uint32(a.pc.GetSenders()[1].GetParameters().Encodings[0].SSRC)
	near := func(want float32) func() bool {
		return func() bool { return a.remb[ssrc] > want*0.95 && a.remb[ssrc] < want*1.25 }
	}
	a.until("700 kbit/s", patience, near(700_000))
	way := &h.find("b").out[0].way
	way.mu.Lock()
	way.bits = 300_000
	way.mu.Unlock()
	a.until("what the way to b carries", patience, near(300_000))
}

func TestAWayTooNarrowBoundsTheSender(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	a := newPage(t, h, "a", pageOptions{videos: 1}).join()
	b := newPage(t, h, "b", pageOptions{videos: 1}).join()
	b.cable.miss.Store(3)
	h.SetForwards(forwards(protocol.Forward{From: "a", Kind: "camera", To: "b"}))
	a.film(0) // about 450 kbit/s, of which a third is lost
	ssrc := uint32(a.pc.GetSenders()[1].GetParameters().Encodings[0].SSRC)
	a.until("less than it sends", patience, func() bool { return a.remb[ssrc] > 0 && a.remb[ssrc] < 450_000 })
}

func TestLostPicturesAreSentAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	a := newPage(t, h, "a", pageOptions{videos: 1}).join()
	b := newPage(t, h, "b", pageOptions{videos: 1}).join()
	h.SetForwards(forwards(protocol.Forward{From: "a", Kind: "camera", To: "b"}))
	a.film(0)
	b.until("the first picture", patience, func() bool { return len(b.seen["camera"]) > 0 })
	a.cable.lose.Store(10)
	b.cable.miss.Store(10)
	lost := func() int64 { return min(a.cable.lost.Load(), b.cable.lost.Load()) }
	b.until("ten losses on each way", patience, func() bool { return lost() >= 10 })
	a.cable.lose.Store(0)
	b.cable.miss.Store(0)
	b.until("all packets in the end", patience, func() bool {
		numbers := map[uint16]bool{}
		for _, packet := range b.seen["camera"] {
			numbers[packet.SequenceNumber] = true
		}
		first, last := b.seen["camera"][0].SequenceNumber, b.seen["camera"][len(b.seen["camera"])-1].SequenceNumber
		return len(numbers) == int(last-first)+1
	})
}

func TestVideoOfAnotherCodecIsNotForwarded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	a := newPage(t, h, "a", pageOptions{videos: 1}).join()
	b := newPage(t, h, "b", pageOptions{videos: 1, codec: webrtc.MimeTypeH264}).join()
	a.film(0)
	h.wait(protocol.VideoStarted, "a", patience)
	h.SetForwards(forwards(protocol.Forward{From: "a", Kind: "camera", To: "b"}))
	never(t, 200*time.Millisecond, "a packet of another codec", func() bool { return counts(b)[0] > 0 })
}

func TestVideoStopsWhenNothingComes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	a := newPage(t, h, "a", pageOptions{videos: 1}).join()
	stop := a.film(0)
	h.wait(protocol.VideoStarted, "a", patience)
	stop()
	if e := h.wait(protocol.VideoStopped, "a", patience); e.Track != "camera" {
		t.Errorf("stopped: %+v", e)
	}
}

func TestMarksAreRelayedAlongAForwardAndNowhereElse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	pages := map[string]*page{}
	for _, id := range []string{"a", "b", "c"} {
		pages[id] = newPage(t, h, id, pageOptions{videos: 2}).join()
		pages[id].until("the channel opens", patience, func() bool { return pages[id].open })
	}
	a, b, c := pages["a"], pages["b"], pages["c"]
	h.SetForwards(forwards(protocol.Forward{From: "a", Kind: "screen", To: "b"}))
	send := func(p *page, text string) {
		t.Helper()
		if err := p.marks.SendText(text); err != nil {
			t.Fatal(err)
		}
	}
	send(b, `{"x":0.5,"y":0.25}`)
	a.until("the agent's pointer", patience, func() bool { return slices.Contains(a.said, `{"x":0.5,"y":0.25}`) })
	if a.marks.SendText(strings.Repeat("x", maxMark+1)) == nil {
		t.Error("the answer does not bound the size of messages")
	}
	for n := range 2 * marksBurst {
		send(a, fmt.Sprint(n))
	}
	b.until("the customer's marks", patience, func() bool { return len(b.said) >= marksBurst })
	never(t, 200*time.Millisecond, "more marks than allowed", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.said) > marksBurst+marksPerSec
	})
	if b.said[0] != "0" || len(c.said) != 0 || len(a.said) != 1 {
		t.Errorf("first %q, %d leaked, %d came back", b.said[0], len(c.said), len(a.said)-1)
	}
}

func TestKeyframesAreKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		codec   string
		payload []byte
		key     bool
	}{
		{"VP8 plain key", webrtc.MimeTypeVP8, []byte{0x10, 0x00}, true},
		{"VP8 plain delta", webrtc.MimeTypeVP8, []byte{0x10, 0x01}, false},
		{"VP8 second packet", webrtc.MimeTypeVP8, []byte{0x00, 0x00}, false},
		{"VP8 second partition", webrtc.MimeTypeVP8, []byte{0x11, 0x00}, false},
		{"VP8 long picture id, layers", webrtc.MimeTypeVP8, []byte{0x90, 0xe0, 0x81, 0x02, 0x03, 0x20, 0x00}, true},
		{"VP8 cut", webrtc.MimeTypeVP8, []byte{0x90, 0xe0, 0x81}, false},
		{"H264 parameter set", webrtc.MimeTypeH264, []byte{0x67, 1, 2, 3}, true},
		{"H264 aggregate", webrtc.MimeTypeH264, []byte{0x78, 0, 9, 0x67}, true},
		{"H264 fragment start", webrtc.MimeTypeH264, []byte{0x7c, 0x85, 0, 0}, true},
		{"H264 fragment middle", webrtc.MimeTypeH264, []byte{0x7c, 0x05, 0, 0}, false},
		{"H264 delta", webrtc.MimeTypeH264, []byte{0x61, 1, 2, 3}, false},
		{"empty", webrtc.MimeTypeH264, nil, false},
	} {
		if got := keyframe(c.codec, c.payload); got != c.key {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// counts of what each page saw.
func counts(pages ...*page) (all []int) {
	for _, p := range pages {
		p.mu.Lock()
		all = append(all, len(p.seen["camera"]), len(p.seen["screen"]))
		p.mu.Unlock()
	}
	return all
}

// settle waits until what was under way has come.
func settle(pages ...*page) {
	for was := []int(nil); !slices.Equal(was, counts(pages...)); {
		was = counts(pages...)
		time.Sleep(100 * time.Millisecond)
	}
}

// never fails when the condition holds at some time during d: there is nothing to wait for.
func never(t *testing.T, d time.Duration, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(d); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		if holds() {
			t.Fatalf("%s", what)
		}
	}
}

func FuzzKeyframe(f *testing.F) {
	f.Add([]byte{0x90, 0xe0, 0x81, 0x02, 0x03, 0x20, 0x00})
	f.Fuzz(func(_ *testing.T, payload []byte) {
		keyVP8(payload)
		keyH264(payload)
	})
}
