package control_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"guichet/mediaserver/internal/protocol"
)

type frame struct {
	protocol.Event
	Levels []protocol.Level `json:"levels"`
}

// reading connects; it returns what reads the next frame, and what hangs up.
func (h *house) reading(query string) (next func() (frame, error), hangUp func()) {
	h.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	conn, response, err := websocket.Dial(ctx, h.url+"/v1/events?"+query, &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		h.Fatalf("%v %v", err, response)
	}
	next = func() (read frame, err error) {
		_, data, err := conn.Read(ctx)
		if err == nil {
			err = json.Unmarshal(data, &read)
		}
		return read, err
	}
	return next, func() { _ = conn.CloseNow(); cancel() }
}

func (h *house) must(next func() (frame, error)) frame {
	h.Helper()
	read, err := next()
	if err != nil {
		h.Fatal(err)
	}
	return read
}

func TestReadersGoOnWhereTheyWere(t *testing.T) {
	h := newHouse(t, 10)
	next, hangUp := h.reading("")
	if first := h.must(next); first.Kind != "gap" || first.Seq != 0 || first.Epoch != h.journal.Epoch() {
		t.Fatalf("%+v", first)
	}
	h.move("in-a", protocol.Offered)
	if got := h.must(next); got.Kind != protocol.Offered || got.Seq != 1 || got.Endpoint != "in-a" || got.At == 0 {
		t.Fatalf("%+v", got)
	}
	hangUp()
	h.move("in-a", protocol.Answered)
	h.move("in-a", "")
	next, hangUp = h.reading("after=1&epoch=" + h.journal.Epoch())
	for seq, kind := range []string{protocol.Answered, protocol.Left} {
		if got := h.must(next); got.Kind != kind || got.Seq != uint64(seq)+2 {
			t.Fatalf("%+v", got)
		}
	}
	hangUp()
	for range 11 {
		h.move("in-b", protocol.Offered)
	}
	for _, query := range []string{"after=3&epoch=" + h.journal.Epoch(), "after=14&epoch=other", "after=15&epoch=" + h.journal.Epoch(), "epoch=" + h.journal.Epoch()} {
		next, hangUp = h.reading(query)
		if first := h.must(next); first.Kind != "gap" || first.Seq != 4 {
			t.Errorf("%s: %+v", query, first)
		}
		hangUp()
	}
	h.until("no reader is counted any more", func() bool { return h.journal.Readers() == 0 })
}

// Calls come and go at full speed while readers reconnect at random. By the state and the events after its
// seq, each of them must come to know exactly what stands; within an epoch none is missed or doubled.
func TestStateAndEventsAgree(t *testing.T) {
	h := newHouse(t, 2000)
	random := rand.New(rand.NewPCG(4, 2))
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		mine := rand.New(rand.NewPCG(1, 1))
		for {
			select {
			case <-stop:
				return
			default:
				h.move(fmt.Sprintf("in-%d", mine.IntN(30)), []string{protocol.Offered, protocol.Answered, protocol.Held, ""}[mine.IntN(4)])
				time.Sleep(20 * time.Microsecond)
			}
		}
	}()
	known := map[string]string{}
	var at uint64
	take := func(read frame) {
		if read.Seq != at+1 {
			t.Fatalf("event %d after %d", read.Seq, at)
		}
		if at++; read.Kind == protocol.Left {
			delete(known, read.Endpoint)
		} else {
			known[read.Endpoint] = read.Kind
		}
	}
	begin := func(state protocol.State) {
		clear(known)
		at = state.Seq
		for _, endpoint := range state.Endpoints {
			if endpoint.Kind == "phone" {
				known[endpoint.ID] = endpoint.State
			}
		}
	}
	for range 30 {
		next, hangUp := h.reading(fmt.Sprintf("after=%d&epoch=%s", at, h.journal.Epoch()))
		for range random.IntN(500) {
			read := h.must(next)
			if read.Kind == "gap" {
				begin(h.standing())
				continue
			}
			if read.Seq <= at { // between the gap and the state
				continue
			}
			take(read)
		}
		hangUp()
		if random.IntN(3) == 0 { // as after a restart of Guichet: the state, then what follows it
			begin(h.standing())
		}
	}
	close(stop)
	<-ended
	next, hangUp := h.reading(fmt.Sprintf("after=%d&epoch=%s", at, h.journal.Epoch()))
	defer hangUp()
	if at < h.journal.Seq() {
		for read := h.must(next); ; read = h.must(next) {
			if read.Kind == "gap" {
				begin(h.standing())
			} else if read.Seq > at {
				take(read)
			}
			if at == h.journal.Seq() {
				break
			}
		}
	}
	calls := h.Endpoints()
	if len(calls) != len(known) {
		t.Fatalf("%d calls stand, %d are known", len(calls), len(known))
	}
	for _, call := range calls {
		if known[call.ID] != call.State {
			t.Fatalf("%s is %s, known as %q", call.ID, call.State, known[call.ID])
		}
	}
}

func TestASlowReaderIsCutAndCostsNobody(t *testing.T) {
	h := newHouse(t, 50)
	_, hangUp := h.reading("after=0&epoch=" + h.journal.Epoch()) // reads nothing
	defer hangUp()
	quick, hangUpQuick := h.reading("after=0&epoch=" + h.journal.Epoch())
	defer hangUpQuick()
	h.until("both are there", func() bool { return h.journal.Readers() == 2 })
	long := make([]byte, 20_000)
	for i := range long {
		long[i] = 'x'
	}
	for seq := uint64(1); h.journal.Readers() == 2; seq++ {
		h.journal.Emit(protocol.Event{Kind: protocol.Played, Cause: string(long)})
		if read := h.must(quick); read.Seq != seq {
			t.Fatalf("%d came instead of %d", read.Seq, seq)
		}
	}
}

func TestLevelsOnRequest(t *testing.T) {
	h := newHouse(t, 50)
	next, hangUp := h.reading("levels=1&after=0&epoch=" + h.journal.Epoch())
	defer hangUp()
	started := time.Now()
	for range 3 {
		if read := h.must(next); read.Kind != "levels" || read.Seq != 0 || len(read.Levels) != 1 || read.Levels[0].DB != -20 {
			t.Fatalf("%+v", read)
		}
	}
	if took := time.Since(started); took < 500*time.Millisecond {
		t.Fatalf("three frames in %v", took)
	}
}

func TestCallsAreParkedWhileNobodyReads(t *testing.T) {
	h := newHouse(t, 50)
	_, hangUp := h.reading("")
	h.until("the reader is there", func() bool { return h.journal.Readers() == 1 })
	hangUp()
	h.until("the reader is gone", func() bool { return h.journal.Readers() == 0 })
	h.move("in-a", protocol.Offered)
	started := time.Now()
	h.until("the call is parked", func() bool { return h.count("early in-a") == 1 })
	if took := time.Since(started); took < 3*time.Second {
		t.Fatalf("parked after %v", took)
	}
	if state := h.standing(); len(state.Rooms) != 1 || state.Rooms[0].ID != "parked-in-a" {
		t.Fatalf("%+v", state)
	}
	h.says("PUT", "/v1/rooms", `{"rooms":[{"id":"c1","rev":1,"endpoints":["in-a"]}]}`, 204)
	h.until("the parked room is gone", func() bool { return len(h.standing().Rooms) == 1 })
	if state := h.standing(); state.Endpoints[0].Room != "c1" {
		t.Fatalf("%+v", state)
	}
}

// TestACallInARoomIsNotParked: Guichet took it and put its room before it was killed; what it wants still stands.
func TestACallInARoomIsNotParked(t *testing.T) {
	h := newHouse(t, 50)
	h.move("in-a", protocol.Offered)
	h.says("PUT", "/v1/rooms", `{"rooms":[{"id":"c1","rev":1,"endpoints":["in-a"]}]}`, 204)
	h.move("in-b", protocol.Offered) // nobody took this one: once it is parked, the other one was due as well
	h.until("the other call is parked", func() bool { return h.count("early in-b") == 1 })
	if h.count("early in-a") != 0 {
		t.Error("a call that waits in its room is given another prompt")
	}
	for _, endpoint := range h.standing().Endpoints {
		if endpoint.ID == "in-a" && endpoint.Room != "c1" {
			t.Errorf("it is in %q", endpoint.Room)
		}
	}
}
