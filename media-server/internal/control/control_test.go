package control_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"guichet/mediaserver/internal/control"
	"guichet/mediaserver/internal/protocol"
)

func TestNoTokenNoServer(t *testing.T) {
	if _, err := control.New(control.Deps{}); err == nil || !strings.Contains(err.Error(), "GUICHET_MEDIA_TOKEN") {
		t.Fatal(err)
	}
}

func TestOnlyWhoKnowsTheToken(t *testing.T) {
	h := newHouse(t, 100)
	for _, bearer := range []string{"", "Bearer", "Bearer ", token, "Bearer " + token + "x", "Basic " + token, "bearer " + token[1:]} {
		for _, path := range []string{"/v1/state", "/v1/events", "/v1/nothing", "/debug/pprof/"} {
			if status, _ := h.ask(http.MethodGet, path, "", bearer); status != http.StatusUnauthorized {
				t.Errorf("%q at %s: %d", bearer, path, status)
			}
		}
	}
	if status, _ := h.ask(http.MethodGet, "/healthz", "", ""); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}
	h.says("GET", "/v1/state", "", 200)
	if status, _ := h.ask(http.MethodGet, "/debug/pprof/", "", "Bearer "+token); status != http.StatusNotFound {
		t.Errorf("the profile is open without its flag: %d", status)
	}
}

func TestActsAreDoneOnce(t *testing.T) {
	h := newHouse(t, 100)
	dial := `{"trunk":"t","number":"+33123","caller_id":"","timeout_ms":30000}`
	for range 3 {
		h.says("POST", "/v1/endpoints/out-1/dial", dial, 204)
		h.says("POST", "/v1/endpoints/out-1/answer", "", 204)
		h.says("POST", "/v1/endpoints/out-1/digits", `{"act":"a1","digits":"1"}`, 204)
		h.says("POST", "/v1/endpoints/out-1/refer", `{"act":"a1","number":"2"}`, 204)
		h.says("POST", "/v1/endpoints/out-1/hangup", `{}`, 204)
		h.says("POST", "/v1/rooms/c1/plays", `{"play":"p1","heard_by":["a"],"tone":"beep"}`, 204)
	}
	h.says("POST", "/v1/endpoints/out-1/hangup", `{"cause":"again"}`, 204)
	h.says("POST", "/v1/endpoints/out-1/digits", `{"act":"a2","digits":"1"}`, 204)
	for range 2 { // what is to be, as often as one likes
		h.says("POST", "/v1/endpoints/out-1/hold", "", 204)
		h.says("POST", "/v1/endpoints/out-1/resume", "", 204)
	}
	h.says("POST", "/v1/endpoints/out-2/answer", "", 204)
	h.says("DELETE", "/v1/rooms/c1/plays/p1", "", 204)
	for what, n := range map[string]int{
		"dial out-1": 1, "answer out-1": 1, "digits out-1": 2, "hold out-1": 2, "resume out-1": 2, "refer out-1": 1, "hangup out-1": 1, "play c1": 1,
		"answer out-2": 1, "stop p1": 1,
	} {
		if got := h.count(what); got != n {
			t.Errorf("%s was done %d times, not %d", what, got, n)
		}
	}
	if refused := h.says("POST", "/v1/endpoints/out-1/digits", `{"act":"a1","digits":"2"}`, 409); refused.Code != "act_reused" {
		t.Errorf("%+v", refused)
	}
}

func TestADialOfBeforeARestartIsDone(t *testing.T) {
	h := newHouse(t, 100)
	h.calls["out-1"] = protocol.Endpoint{ID: "out-1", Kind: "phone", State: protocol.Ringing, Trunk: "t"}
	h.says("POST", "/v1/endpoints/out-1/dial", `{"trunk":"t","number":"1","timeout_ms":1000}`, 204)
	h.says("POST", "/v1/endpoints/out-1/dial", `{"trunk":"other","number":"1","timeout_ms":1000}`, 409)
	if h.count("dial out-1") != 0 {
		t.Error("it was dialled again")
	}
}

func TestWhatFailedMayBeTriedAgain(t *testing.T) {
	h := newHouse(t, 100)
	h.fail = protocol.WrongState("answer", "early")
	if refused := h.says("POST", "/v1/endpoints/in-a/answer", "", 409); refused.Code != "wrong_state" {
		t.Errorf("%+v", refused)
	}
	h.fail = errors.New("a fault with details")
	if refused := h.says("POST", "/v1/endpoints/in-a/answer", "", 500); strings.Contains(refused.Remedy, "details") {
		t.Errorf("%+v", refused)
	}
	h.fail = nil
	h.says("POST", "/v1/endpoints/in-a/answer", "", 204)
	if got := h.count("answer in-a"); got != 3 {
		t.Errorf("tried %d times", got)
	}
}

func TestTheSameActAtTheSameTime(t *testing.T) {
	h := newHouse(t, 100)
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() { h.ask("POST", "/v1/endpoints/in-a/answer", "", "Bearer "+token) })
	}
	work.Wait()
	if got := h.count("answer in-a"); got != 1 {
		t.Errorf("answered %d times", got)
	}
}

func TestRefusalsOfTheDoor(t *testing.T) {
	h := newHouse(t, 100)
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"POST", "/v1/endpoints/in-a/sing", "", 404, "unknown_act"},
		{"POST", "/v1/endpoints/%2e%2e/answer", "", 422, "bad_field"},
		{"POST", "/v1/endpoints/in-a/answer", `{"x":1}`, 422, "bad_field"},
		{"POST", "/v1/endpoints/in-a/reject", `{"code":99}`, 422, "bad_field"},
		{"PUT", "/v1/rooms", `{"rooms":[{"id":"c"}]}`, 422, "bad_field"},
		{"PUT", "/v1/rooms", `[`, 400, "bad_json"},
		{"PUT", "/v1/rooms", strings.Repeat(" ", protocol.MaxBody+1), 413, "too_large"},
		{"POST", "/v1/endpoints/web-b/dial", `{"trunk":"t","number":"1","timeout_ms":1000}`, 409, "endpoint_used"},
		{"GET", "/v1/endpoints/web-b/pcm", "", 409, "endpoint_used"},
		{"GET", "/v1/events?after=x", "", 422, "bad_field"},
	} {
		if refused := h.says(c.method, c.path, c.body, c.status); refused.Code != c.code {
			t.Errorf("%s %s: %+v", c.method, c.path, refused)
		}
	}
	h.says("POST", "/v1/endpoints/web-b/offer", `{"sdp":"v=0"}`, 200)
	h.says("POST", "/v1/endpoints/web-b/hangup", ``, 204)
	if h.count("hangup browser web-b") != 1 {
		t.Error("the browser was not hung up")
	}
}

func TestVideoFollowsTheRooms(t *testing.T) {
	h := newHouse(t, 100)
	h.says("PUT", "/v1/rooms", `{"rooms":[{"id":"c1","rev":1,"endpoints":["a","b"],"video":[{"from":"a","kind":"screen","to":"b"}]}]}`, 204)
	if len(h.forwards["c1"]) != 1 {
		t.Fatalf("%v", h.forwards)
	}
	h.says("PUT", "/v1/rooms", `{"rooms":[{"id":"c2","rev":1,"endpoints":["a"]}]}`, 204)
	if len(h.forwards) != 0 {
		t.Fatalf("who left is still seen: %v", h.forwards)
	}
	h.says("PUT", "/v1/rooms", `{"rooms":[{"id":"c2","rev":2,"endpoints":["a"]}]}`, 204)
	if got := h.count("forwards "); got != 2 {
		t.Fatalf("told %d times", got)
	}
}

func TestTrunksGoToThePhones(t *testing.T) {
	h := newHouse(t, 100)
	trunks := `{"rev":2,"trunks":[{"id":"t","peer":"a:5060","transport":"udp","codecs":["PCMA"]}]}`
	h.says("PUT", "/v1/trunks", trunks, 204)
	if h.trunks.Trunks[0].Peer != "a:5060" || h.standing().TrunksRev != 2 {
		t.Errorf("%+v", h.trunks)
	}
	h.fail = protocol.OldRev("rev", 3)
	if refused := h.says("PUT", "/v1/trunks", trunks, 409); refused.Code != "old_rev" {
		t.Errorf("%+v", refused)
	}
}

func TestStatsTellFigures(t *testing.T) {
	h := newHouse(t, 100)
	h.move("in-a", protocol.Answered)
	_, data := h.ask("GET", "/v1/stats", "", "Bearer "+token)
	for _, part := range []string{`"ticks":7`, `"phone_answered":1`, `"browser_connected":1`, `"seq":1`} {
		if !strings.Contains(data, part) {
			t.Errorf("no %s in %s", part, data)
		}
	}
}

func TestDrainTakesNothingNewAndEndsEmpty(t *testing.T) {
	h := newHouse(t, 100)
	h.move("in-a", protocol.Answered)
	h.says("POST", "/v1/drain", "", 202)
	if refused := h.says("POST", "/v1/endpoints/out-1/dial", `{"trunk":"t","number":"1","timeout_ms":1000}`, 503); refused.Code != "draining" {
		t.Errorf("%+v", refused)
	}
	h.says("PUT", "/v1/rooms", `{"rooms":[{"id":"c1","rev":1,"endpoints":["web-b"]}]}`, 204)
	h.move("in-a", "")
	select {
	case <-h.server.Drained():
		t.Fatal("ended with a browser in a conversation")
	case <-time.After(600 * time.Millisecond): // it looks four times a second
	}
	h.busy.Store(true)
	h.says("PUT", "/v1/rooms", `{"rooms":[{"id":"c1","rev":2,"closed":true}]}`, 204)
	select {
	case <-h.server.Drained():
		t.Fatal("ended with a recording to encode")
	case <-time.After(600 * time.Millisecond):
	}
	h.busy.Store(false)
	<-h.server.Drained()
}
