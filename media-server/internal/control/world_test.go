package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guichet/mediaserver/internal/control"
	"guichet/mediaserver/internal/protocol"
)

const token = "a test's own token"

// world is calls and rooms in memory: it changes what Endpoints tells before it emits, as the real ones do.
type world struct {
	mu       sync.Mutex
	emit     protocol.Emit
	calls    map[string]protocol.Endpoint
	rooms    map[string]protocol.Room
	done     []string
	trunks   protocol.Trunks
	forwards map[string][]protocol.Forward
	fail     error
	busy     atomic.Bool
}

func (w *world) note(what, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, what+" "+id)
	return w.fail
}

func (w *world) count(what string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, each := range w.done {
		if each == what {
			n++
		}
	}
	return n
}

func (w *world) move(id, state string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if state == "" {
		delete(w.calls, id)
		w.emit(protocol.Event{Kind: protocol.Left, Endpoint: id})
		return
	}
	w.calls[id] = protocol.Endpoint{ID: id, Kind: "phone", State: state, Incoming: true}
	w.emit(protocol.Event{Kind: state, Endpoint: id})
}

func (w *world) SetTrunks(trunks protocol.Trunks) error {
	w.trunks = trunks
	return w.note("trunks", "")
}
func (w *world) TrunksRev() uint64                         { return w.trunks.Rev }
func (w *world) Dial(id string, _ protocol.Dial) error     { return w.note("dial", id) }
func (w *world) Ring(id string) error                      { return w.note("ring", id) }
func (w *world) Answer(id string) error                    { return w.note("answer", id) }
func (w *world) Reject(id string, _ protocol.Ending) error { return w.note("reject", id) }
func (w *world) HangUp(id string, _ protocol.Ending) error { return w.note("hangup", id) }
func (w *world) Refer(id string, _ protocol.Refer) error   { return w.note("refer", id) }
func (w *world) Digits(id string, _ protocol.Digits) error { return w.note("digits", id) }
func (w *world) Hold(id string, on bool) error {
	return w.note(map[bool]string{true: "hold", false: "resume"}[on], id)
}
func (w *world) Drain() { _ = w.note("drain", "") }
func (w *world) Early(id string) error {
	w.move(id, protocol.Early)
	return w.note("early", id)
}

func (w *world) Endpoints() []protocol.Endpoint {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []protocol.Endpoint
	for _, call := range w.calls {
		all = append(all, call)
	}
	return all
}

func (w *world) Apply(rooms []protocol.Room) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, room := range rooms {
		if room.Rev < w.rooms[room.ID].Rev {
			return protocol.OldRev("rev", w.rooms[room.ID].Rev)
		}
	}
	for _, room := range rooms {
		for id, other := range w.rooms {
			other.Endpoints = slices.DeleteFunc(slices.Clone(other.Endpoints), func(e string) bool { return slices.Contains(room.Endpoints, e) })
			w.rooms[id] = other
		}
		if w.rooms[room.ID] = room; room.Closed {
			delete(w.rooms, room.ID)
		}
	}
	return nil
}

func (w *world) Rooms() (all []protocol.Room) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, room := range w.rooms {
		all = append(all, room)
	}
	return all
}
func (w *world) Play(room string, _ protocol.Play) error { return w.note("play", room) }
func (w *world) StopPlay(_, play string) error           { return w.note("stop", play) }
func (w *world) Levels() []protocol.Level                { return []protocol.Level{{Endpoint: "in-a", DB: -20}} }

type browsers struct{ *world }

func (b browsers) Offer(_, sdp string) (string, error) { return "answer to " + sdp, nil }
func (b browsers) Endpoints() []protocol.Endpoint {
	return []protocol.Endpoint{{ID: "web-b", Kind: "browser", State: "connected"}}
}
func (b browsers) HangUp(id string, _ protocol.Ending) error {
	return b.note("hangup browser", id)
}
func (b browsers) SetForwards(forwards map[string][]protocol.Forward) {
	b.forwards = forwards
	_ = b.note("forwards", "")
}

type sockets struct{ *world }

func (sockets) Endpoints() []protocol.Endpoint { return nil }
func (sockets) Serve(w http.ResponseWriter, _ *http.Request, _ string) {
	w.WriteHeader(http.StatusTeapot)
}
func (s sockets) HangUp(id string, _ protocol.Ending) error { return s.note("hangup socket", id) }

// house is a control server on a port of its own, over a world.
type house struct {
	*testing.T
	*world
	server  *control.Server
	journal *control.Journal
	url     string
}

func newHouse(t *testing.T, length int) *house {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	journal := control.NewJournal(length)
	w := &world{emit: journal.Emit, calls: map[string]protocol.Endpoint{}, rooms: map[string]protocol.Room{}}
	server, err := control.New(control.Deps{
		Token: token, Journal: journal, Phone: w, Browser: browsers{w}, Sockets: sockets{w}, Mixer: w,
		Parking: control.Parking{How: "early"}, Figures: func() map[string]any { return map[string]any{"ticks": 7} }, Log: log,
		Busy: w.busy.Load,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &house{T: t, world: w, server: server, journal: journal, url: "http://" + listener.Addr().String()}
}

func (h *house) ask(method, path, body, bearer string) (int, string) {
	h.Helper()
	request, err := http.NewRequest(method, h.url+path, bytes.NewBufferString(body))
	if err != nil {
		h.Fatal(err)
	}
	request.Header.Set("Authorization", bearer)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		h.Fatal(err)
	}
	return response.StatusCode, string(data)
}

// says asks with the token and demands this status.
func (h *house) says(method, path, body string, status int) protocol.Error {
	h.Helper()
	got, data := h.ask(method, path, body, "Bearer "+token)
	if got != status {
		h.Fatalf("%s %s %s: %d %s, not %d", method, path, body, got, data, status)
	}
	var refused protocol.Error
	if status >= 400 {
		if err := json.Unmarshal([]byte(data), &refused); err != nil || refused.Code == "" || refused.Remedy == "" {
			h.Fatalf("%s %s: a refusal without code or remedy: %s", method, path, data)
		}
	}
	return refused
}

func (h *house) standing() (state protocol.State) {
	h.Helper()
	_, data := h.ask(http.MethodGet, "/v1/state", "", "Bearer "+token)
	if err := json.Unmarshal([]byte(data), &state); err != nil {
		h.Fatal(err)
	}
	return state
}

func (h *house) until(what string, true func() bool) {
	h.Helper()
	for end := time.Now().Add(10 * time.Second); !true(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("not within 10 s: %s", what)
		}
	}
}
