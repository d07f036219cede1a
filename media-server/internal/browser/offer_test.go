package browser

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"testing"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

func TestBadOffersAreRefusedWithARemedy(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	good := newPage(t, h, "b1", pageOptions{videos: 2}).offer(nil)
	audio := good[strings.Index(good, "m=audio"):strings.Index(good, "m=video")]
	video := "m=video" + strings.SplitN(good, "m=video", 3)[1]
	for _, c := range []struct{ name, sdp, says string }{
		{"empty", "", "one audio section"},
		{"no SDP", "hello", "SDP of an offer"},
		{"too long", good + strings.Repeat("a=x:y\r\n", 10000), "64 KiB"},
		{"cut", good[:len(good)/3], "SDP of an offer"},
		{"no audio", strings.Replace(good, audio, "", 1), "one audio section"},
		{"audio twice", good + strings.Replace(audio, "a=mid:0", "a=mid:9", 1), "one audio section"},
		{"three videos", good + strings.Replace(video, "a=mid:1", "a=mid:8", 1), "two video sections"},
		{"a mid twice", good + video, "a=mid of its own"},
		{"no mid", strings.Replace(good, "a=mid:1\r\n", "", 1), "a=mid of its own"},
		{"receiving only", strings.Replace(good, "a=sendrecv", "a=recvonly", 1), "must be sendrecv"},
		{"section off", strings.Replace(good, "m=video 9", "m=video 0", 1), "must be sendrecv"},
		{"text section", strings.Replace(good, "m=video", "m=text", 1), "audio, video and application only"},
		{"simulcast", strings.Replace(good, "a=mid:1\r\n", "a=mid:1\r\na=simulcast:send a;b\r\n", 1), "no simulcast"},
		{"no codec of ours", strings.NewReplacer("G722", "X", "PCMA", "Y", "PCMU", "Z").Replace(good), "offer one of G722"},
		{"no video codec of ours", strings.NewReplacer("VP8", "X", "H264", "Y").Replace(good), "VP8 or H264"},
		{"no fingerprint", dropLines(good, "a=fingerprint:"), "cannot be answered"},
		{"no credentials", dropLines(good, "a=ice-"), "cannot be answered"},
	} {
		_, err := h.Offer("b1", c.sdp)
		var refusal *protocol.Refusal
		if !errors.As(err, &refusal) || refusal.Status != 422 || refusal.Body.Field != "sdp" || !strings.Contains(refusal.Body.Remedy, c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := h.Offer("no id!", good); err == nil {
		t.Error("a malformed id is taken")
	}
	if n := len(h.Endpoints()); n != 0 || h.attached != 0 {
		t.Errorf("%d endpoints, %d attached after nothing but refusals", n, h.attached)
	}
}

// firefox is what Firefox 153 offers on our page. It names a port for the first section only: the others are there if
// they are bundled with it (RFC 8843).
//
//go:embed testdata/firefox.sdp
var firefox string

func TestAnOfferOfFirefox(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	answer, err := h.Offer("b1", strings.ReplaceAll(firefox, "\n", "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"m=audio 9 UDP/TLS/RTP/SAVPF 9 8 0 101", "m=video 9 UDP/TLS/RTP/SAVPF 120 124", "m=application 9 ",
		"a=group:BUNDLE 0 1 2 3"} {
		if !strings.Contains(answer, "\r\n"+line) {
			t.Errorf("%q is not in the answer:\n%s", line, answer)
		}
	}
	if n := strings.Count(answer, "m=video 9 "); n != 2 {
		t.Errorf("%d videos, want 2", n)
	}
}

func dropLines(sdp, prefix string) string {
	var kept []string
	for _, line := range strings.Split(sdp, "\r\n") {
		if !strings.HasPrefix(line, prefix) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\r\n")
}

func TestWhoNeverConnectsIsForgotten(t *testing.T) {
	t.Parallel()
	var events []protocol.Event
	s, err := New(testConfig(), Deps{Emit: func(e protocol.Event) { events = append(events, e) }, Attach: func(media.Port) {}, Detach: func(string) {}, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := &house{Server: s}
	if _, err := s.Offer("b1", newPage(t, h, "b1", pageOptions{}).offer(nil)); err != nil {
		t.Fatal(err)
	}
	l := s.links()[0]
	l.tick(l.made + connectWithin)
	if len(events) != 0 {
		t.Fatalf("too early: %+v", events)
	}
	l.tick(l.made + connectWithin + 1)
	if len(events) != 1 || events[0].Cause != "never_connected" || events[0].Who != "network" {
		t.Errorf("events: %+v", events)
	}
}

func FuzzOffer(f *testing.F) {
	h := newHouse(&testing.T{}, testConfig())
	f.Cleanup(h.stop)
	p := newPage(&testing.T{}, h, "seed", pageOptions{videos: 2})
	f.Add(p.offer(nil))
	f.Add(firefox)
	f.Add("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=rtpmap:0 PCMU/8000\r\n")
	n := 0
	f.Fuzz(func(t *testing.T, sdp string) {
		n++
		id := fmt.Sprint("b", n)
		if _, err := h.Offer(id, sdp); err == nil {
			if err := h.HangUp(id, protocol.Ending{}); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(h.Endpoints()); n != 0 {
			t.Fatalf("%d endpoints", n)
		}
	})
}
