package socket

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// bed is a Server, with a test in the place of the mixer.
type bed struct {
	*Server
	t      *testing.T
	url    string
	ports  chan media.Port
	events chan protocol.Event

	mu       sync.Mutex
	detached []string
}

func newBed(t *testing.T) *bed {
	b := &bed{t: t, ports: make(chan media.Port, 10), events: make(chan protocol.Event, 100)}
	b.Server = New(Deps{
		Emit:   func(e protocol.Event) { b.events <- e },
		Attach: func(p media.Port) { b.ports <- p },
		Detach: func(id string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.detached = append(b.detached, id)
		},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.Serve(w, r, strings.TrimPrefix(r.URL.Path, "/"))
	}))
	t.Cleanup(web.Close)
	t.Cleanup(b.Server.Close)
	b.url = web.URL + "/"
	return b
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// connect is a program at a socket, and the port that the mixer has got.
func (b *bed) connect(id string) (*websocket.Conn, *port) {
	b.t.Helper()
	conn, response, err := websocket.Dial(limited(b.t), b.url+id, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = response
	b.t.Cleanup(func() { _ = conn.CloseNow() })
	got := (<-b.ports).(*port)
	if e := <-b.events; e.Kind != protocol.Connected || e.Endpoint != id || got.ID() != id {
		b.t.Fatalf("told %+v", e)
	}
	return conn, got
}

func (b *bed) left(id, who, cause string) {
	b.t.Helper()
	select {
	case e := <-b.events:
		if e.Kind != protocol.Left || e.Endpoint != id || e.Who != who || e.Cause != cause {
			b.t.Fatalf("told %+v", e)
		}
	case <-time.After(10 * time.Second):
		b.t.Fatal("nobody is told of the end")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.detached) == 0 || b.detached[len(b.detached)-1] != id {
		b.t.Fatalf("detached are %v", b.detached)
	}
}

func (b *bed) write(conn *websocket.Conn, kind websocket.MessageType, data []byte) {
	b.t.Helper()
	if err := conn.Write(limited(b.t), kind, data); err != nil {
		b.t.Fatal(err)
	}
}

// read is the next message: its text, or the first sample of its frame.
func (b *bed) read(conn *websocket.Conn) (text string, first int16) {
	b.t.Helper()
	kind, data, err := conn.Read(limited(b.t))
	if err != nil {
		b.t.Fatal(err)
	}
	if kind == websocket.MessageText {
		return string(data), 0
	}
	if len(data) != frameBytes {
		b.t.Fatalf("a frame of %d bytes", len(data))
	}
	return "", int16(data[0]) | int16(data[1])<<8
}

func flat(value int16) *media.Frame {
	f := new(media.Frame)
	for i := range f {
		f[i] = value
	}
	return f
}

// message is n frames of one value.
func message(n int, value int16) []byte {
	data := make([]byte, n*frameBytes)
	for i := 0; i < len(data); i += 2 {
		data[i], data[i+1] = byte(value), byte(value>>8)
	}
	return data
}

// awaitQueued waits until n frames are in the queue.
func (b *bed) awaitQueued(p *port, n int) {
	b.t.Helper()
	for end := time.Now().Add(10 * time.Second); len(p.in) != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("%d frames are queued, not %d", len(p.in), n)
		}
	}
}

func TestBothWays(t *testing.T) {
	b := newBed(t)
	conn, port := b.connect("bot-1")
	port.Hear(flat(300))
	port.Hear(nil)
	port.Hear(flat(-5))
	for _, want := range []int16{300, 0, -5} {
		if text, got := b.read(conn); got != want || text != "" {
			t.Fatalf("hears %d %s, not %d", got, text, want)
		}
	}
	f := flat(1)
	if port.Say(f) || f[0] != 1 {
		t.Fatal("it says what nobody said")
	}
	b.write(conn, websocket.MessageBinary, message(4, -700))
	b.awaitQueued(port, 4)
	for n := range 4 {
		if !port.Say(f) || f[0] != -700 || f[319] != -700 {
			t.Fatalf("frame %d: %d", n, f[0])
		}
	}
	if port.Say(f) {
		t.Fatal("a fifth frame")
	}
	if got := b.Endpoints(); len(got) != 1 || got[0].ID != "bot-1" || got[0].Kind != "socket" {
		t.Fatalf("%+v", got)
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
	b.left("bot-1", "them", "hangup")
	if len(b.Endpoints()) != 0 {
		t.Fatal("it stands still")
	}
}

func TestAfterSilenceItWaitsForACushion(t *testing.T) {
	p := newPort("x")
	f := new(media.Frame)
	p.queue(message(1, 5))
	for tick, want := range []bool{false, false, true, false} {
		if p.Say(f) != want {
			t.Fatalf("tick %d: %v", tick, !want)
		}
	}
	p.queue(message(1, 5))
	p.queue(message(1, 5))
	p.queue(message(1, 5))
	for tick, want := range []bool{true, true, true, false} {
		if p.Say(f) != want {
			t.Fatalf("full, tick %d: %v", tick, !want)
		}
	}
}

func TestBargeIn(t *testing.T) {
	b := newBed(t)
	conn, port := b.connect("bot-1")
	b.write(conn, websocket.MessageBinary, message(50, 9))
	b.awaitQueued(port, 50)
	if f := new(media.Frame); !port.Say(f) {
		t.Fatal("says nothing")
	}
	port.Talks("in-a", true)
	if text, _ := b.read(conn); text != `{"talking":{"endpoint":"in-a","on":true}}` {
		t.Fatal(text)
	}
	b.write(conn, websocket.MessageText, []byte(`{"clear":true}`))
	if text, _ := b.read(conn); text != `{"cleared_ms":980}` {
		t.Fatal(text)
	}
	if f := new(media.Frame); port.Say(f) {
		t.Fatal("it goes on")
	}
}

func TestATooEagerProgram(t *testing.T) {
	b := newBed(t)
	conn, port := b.connect("bot-1")
	for range inFrames/maxFrames + 1 {
		b.write(conn, websocket.MessageBinary, message(maxFrames, 9))
	}
	if text, _ := b.read(conn); text != `{"dropping":true}` {
		t.Fatal(text)
	}
	b.awaitQueued(port, inFrames)
	for port.dropped.Load() != maxFrames {
		time.Sleep(time.Millisecond)
	}
	b.write(conn, websocket.MessageText, []byte(`{"clear":true}`)) // it is still listened to
	if text, _ := b.read(conn); text != `{"cleared_ms":30000}` {
		t.Fatal(text)
	}
}

// TestASlowReaderLosesTheOldest: the tick is never held up, and the program is told where audio is missing.
func TestASlowReaderLosesTheOldest(t *testing.T) {
	p := newPort("x")
	for n := range 200 {
		p.Hear(flat(int16(n)))
	}
	first := <-p.out
	if first.frame[0] != 200-outFrames || p.lost.Load() != 200-outFrames || len(p.out) != outFrames-1 {
		t.Fatalf("first %d, lost %d, %d queued", first.frame[0], p.lost.Load(), len(p.out))
	}
	b := newBed(t)
	conn, port := b.connect("slow")
	for n := int16(0); port.lost.Load() == 0; n++ { // until the kernel's buffers are full, too
		port.Hear(flat(n))
	}
	before := int16(-1)
	for {
		text, got := b.read(conn)
		if text != "" {
			var notice struct {
				Lost int `json:"lost_ms"`
			}
			if json.Unmarshal([]byte(text), &notice) != nil || notice.Lost == 0 {
				t.Fatal(text)
			}
			_, after := b.read(conn)
			if int(after-before-1)*media.FrameMillis != notice.Lost {
				t.Fatalf("%d after %d, and %s", after, before, text)
			}
			return
		}
		if got != before+1 {
			t.Fatalf("%d after %d without a word", got, before)
		}
		before = got
	}
}

func TestTheTickSideAllocatesNothing(t *testing.T) {
	p := newPort("x")
	for range inFrames {
		p.queue(message(1, 5))
	}
	f := flat(3)
	if n := testing.AllocsPerRun(inFrames/2, func() { p.Say(f); p.Hear(f); p.Hear(nil) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestBadMessagesEndTheSocket(t *testing.T) {
	b := newBed(t)
	for id, bad := range map[string]struct {
		kind websocket.MessageType
		data []byte
	}{
		"odd":   {websocket.MessageBinary, make([]byte, frameBytes+2)},
		"empty": {websocket.MessageBinary, nil},
		"huge":  {websocket.MessageBinary, make([]byte, maxMessage+frameBytes)},
		"text":  {websocket.MessageText, []byte("hello")},
		"other": {websocket.MessageText, []byte(`{"clear":false}`)},
	} {
		conn, _ := b.connect(id)
		b.write(conn, bad.kind, bad.data)
		_, _, err := conn.Read(limited(t))
		if status := websocket.CloseStatus(err); status != websocket.StatusPolicyViolation && status != websocket.StatusMessageTooBig {
			t.Errorf("%s: closed with %v (%v)", id, status, err)
		}
		b.left(id, "them", causeBad)
	}
}

func TestHangUpAndShutdown(t *testing.T) {
	b := newBed(t)
	var refusal *protocol.Refusal
	if err := b.HangUp("none", protocol.Ending{}); !errors.As(err, &refusal) || refusal.Status != 404 {
		t.Fatalf("%v", err)
	}
	conn, _ := b.connect("one")
	if _, response, err := websocket.Dial(limited(t), b.url+"one", nil); err == nil || response.StatusCode != 409 {
		t.Fatalf("a second one of this id: %v", err)
	}
	if err := b.HangUp("one", protocol.Ending{Cause: "finished"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(limited(t)); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Fatalf("%v", err)
	}
	b.left("one", "us", "finished")
	conn, _ = b.connect("two")
	closed := make(chan struct{})
	go func() { b.Server.Close(); close(closed) }()
	if _, _, err := conn.Read(limited(t)); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Fatalf("%v", err)
	}
	b.left("two", "us", "shutdown")
	<-closed
	if _, response, err := websocket.Dial(limited(t), b.url+"three", nil); err == nil || response.StatusCode != 409 {
		t.Fatalf("after the end: %v", err)
	}
}

func TestAProgramThatIsGone(t *testing.T) {
	b := newBed(t)
	conn, _ := b.connect("gone")
	_ = conn.CloseNow()
	b.left("gone", "network", "lost")
}
