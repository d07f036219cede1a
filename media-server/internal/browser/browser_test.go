package browser

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"guichet/mediaserver/internal/protocol"
)

// It is not parallel: it has a time to keep.
func TestABrowserConnectsAndLeaves(t *testing.T) {
	h := newHouse(t, testConfig())
	p := newPage(t, h, "b1", pageOptions{videos: 2})
	begun := time.Now()
	p.join()
	took := time.Since(begun)
	p.until("the channel opens", patience, func() bool { return p.open })
	t.Logf("from the offer to media: %s", took)
	if took > time.Second {
		t.Errorf("it took %s from the offer to media, more than a second", took)
	}
	if all := h.Endpoints(); len(all) != 1 || all[0].State != "connected" || all[0].Codec != "G722" {
		t.Errorf("endpoints: %+v", all)
	}
	p.close()
	if left := h.wait(protocol.Left, "b1", patience); left.Who != "them" || left.Cause != "closed" {
		t.Errorf("left: %+v", left)
	}
	if len(h.Endpoints()) != 0 {
		t.Errorf("still there: %+v", h.Endpoints())
	}
}

func TestTheAnswerNamesOnePortAndNothingPrivate(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	p := newPage(t, h, "b1", pageOptions{videos: 2})
	answer := p.connect(nil)
	if n := strings.Count(answer, "a=candidate:"); n < 2 {
		t.Errorf("%d candidates, want UDP and TCP:\n%s", n, answer)
	}
	for _, line := range strings.Split(answer, "\r\n") {
		if strings.HasPrefix(line, "a=candidate:") && !strings.Contains(line, "127.0.0.1") {
			t.Errorf("a candidate that is not ours: %s", line)
		}
	}
	for _, wanted := range []string{"b=AS:2500", "x-google-start-bitrate=1200", "a=rtpmap:9 G722/8000", "telephone-event/8000"} {
		if !strings.Contains(answer, wanted) {
			t.Errorf("%q is not in the answer:\n%s", wanted, answer)
		}
	}
}

func TestAPublicAddressIsAdvertised(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		cfg := testConfig()
		cfg.PublicHost, cfg.WebUDP, cfg.WebTCP = "203.0.113.7", host, host
		h := newHouse(t, cfg)
		answer := newPage(t, h, "b1", pageOptions{}).connect(nil)
		all := strings.Count(answer, "a=candidate:")
		if ours := strings.Count(answer, " 203.0.113.7 "); ours != all || ours < 2 {
			t.Errorf("bound to %s: %d of %d candidates are public:\n%s", host, ours, all, answer)
		}
	}
}

func TestTCPWhereUDPIsBlocked(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	newPage(t, h, "b1", pageOptions{videos: 1, tcp: true}).join()
}

func TestTheSameOfferTwiceGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	p := newPage(t, h, "b1", pageOptions{})
	offer := p.offer(nil)
	first, err1 := h.Offer("b1", offer)
	second, err2 := h.Offer("b1", offer)
	if err1 != nil || err2 != nil || first != second {
		t.Errorf("%v %v, equal: %t", err1, err2, first == second)
	}
}

func TestICERestartAndMoreSectionsKeepTheEndpoint(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	p := newPage(t, h, "b1", pageOptions{}).join()
	p.talk(440)
	before := p.connect(nil)
	after := p.connect(&webrtc.OfferOptions{ICERestart: true})
	if ufrag(before) == ufrag(after) {
		t.Error("the restart kept the credentials")
	}
	p.addVideo("")
	p.addVideo("")
	answer := p.connect(nil)
	if n := strings.Count(answer, "m=video"); n != 2 {
		t.Errorf("%d sections of video, want 2", n)
	}
	p.film(0)
	h.wait(protocol.VideoStarted, "b1", patience)
	if h.count(protocol.Connected, "b1") != 1 || h.count(protocol.Left, "b1") != 0 || h.attached != 1 {
		t.Errorf("the endpoint did not stay the same: %+v", h.events)
	}
}

func ufrag(sdp string) string {
	_, after, _ := strings.Cut(sdp, "a=ice-ufrag:")
	value, _, _ := strings.Cut(after, "\r\n")
	return value
}

func TestAnOldConnectionDoesNotEndANewerOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	old := newPage(t, h, "b1", pageOptions{}).join()
	stale := h.links()[0]
	again := newPage(t, h, "b1", pageOptions{})
	again.connect(nil)
	h.waitFor("second connection", patience, func(protocol.Event) bool { return h.up("b1") && h.links()[0] != stale })
	old.close()
	stale.changed(webrtc.PeerConnectionStateFailed)
	if h.count(protocol.Left, "b1") != 0 || len(h.Endpoints()) != 1 || h.attached != 1 {
		t.Errorf("the newer connection was touched: %+v", h.events)
	}
}

func TestADeadTabIsNoticed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	p := newPage(t, h, "b1", pageOptions{}).join()
	begun := time.Now()
	p.cable.cut.Store(true)
	left := h.wait(protocol.Left, "b1", 5*time.Second)
	t.Logf("noticed after %s", time.Since(begun))
	if left.Who != "network" || left.Cause != "lost" {
		t.Errorf("left: %+v", left)
	}
}

func TestHangUpAndUnknownEndpoints(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	offer := newPage(t, h, "b1", pageOptions{}).join().pc.LocalDescription().SDP
	if err := h.HangUp("b1", protocol.Ending{Cause: "shift_over"}); err != nil {
		t.Fatal(err)
	}
	if left := h.wait(protocol.Left, "b1", patience); left.Who != "us" || left.Cause != "shift_over" {
		t.Errorf("left: %+v", left)
	}
	var refusal *protocol.Refusal
	if err := h.HangUp("b1", protocol.Ending{}); !errors.As(err, &refusal) || refusal.Status != 404 {
		t.Errorf("hang up again: %v", err)
	}
	if _, err := h.Offer("b1", offer); !errors.As(err, &refusal) || refusal.Body.Code != "unknown_endpoint" {
		t.Errorf("offer on an endpoint that left: %v", err)
	}
}

func TestAnEndpointThatNegotiatesIsKnownAndCanBeHungUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	offer := newPage(t, h, "b1", pageOptions{}).offer(nil)
	e, err := h.enter("b1")
	if err != nil {
		t.Fatal(err)
	}
	e.negotiating.Lock()
	h.workers.Done()
	refused := make(chan error)
	go func() {
		_, err := h.Offer("b1", offer)
		refused <- err
	}()
	if all := h.Endpoints(); len(all) != 1 || all[0].ID != "b1" || all[0].Kind != "browser" || all[0].State != "offered" {
		t.Errorf("endpoints: %+v", all)
	}
	if err := h.HangUp("b1", protocol.Ending{Cause: "shift_over"}); err != nil {
		t.Error(err)
	}
	e.negotiating.Unlock()
	var refusal *protocol.Refusal
	if err := <-refused; !errors.As(err, &refusal) || refusal.Body.Code != "unknown_endpoint" {
		t.Errorf("the offer: %v", err)
	}
	if left := h.wait(protocol.Left, "b1", patience); left.Who != "us" || left.Cause != "shift_over" {
		t.Errorf("left: %+v", left)
	}
	if len(h.Endpoints()) != 0 || h.attached != 0 || h.count(protocol.Left, "b1") != 1 {
		t.Errorf("still there: %+v %+v", h.Endpoints(), h.events)
	}
}

func TestNoMoreEndpointsThanConfigured(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.WebMax = 1
	h := newHouse(t, cfg)
	newPage(t, h, "b1", pageOptions{}).join()
	_, err := h.Offer("b2", newPage(t, h, "b2", pageOptions{}).offer(nil))
	var refusal *protocol.Refusal
	if !errors.As(err, &refusal) || refusal.Body.Code != "endpoints_exhausted" {
		t.Errorf("second browser: %v", err)
	}
	if err := h.HangUp("b1", protocol.Ending{}); err != nil {
		t.Fatal(err)
	}
	newPage(t, h, "b3", pageOptions{}).join()
}

func TestWithoutPortsEveryOfferIsRefused(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.WebUDP, cfg.WebTCP = "", ""
	h := newHouse(t, cfg)
	_, err := h.Offer("b1", "v=0")
	var refusal *protocol.Refusal
	if !errors.As(err, &refusal) || refusal.Status != 503 {
		t.Errorf("offer: %v", err)
	}
}
