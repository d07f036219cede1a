// Package socket lets programs (bots, transcription) speak and hear as an endpoint, over a WebSocket.
//
// Both ways a binary message is audio: s16le, mono, 16 kHz, in frames of 20 ms (640 bytes). The program gets
// one frame every 20 ms, silence included, so it needs no clock; it sends 1 to 50 frames a message, ahead of
// time if it likes. Text messages are JSON: {"clear":true} drops what is not yet spoken and is answered with
// {"cleared_ms":n}; {"talking":{"endpoint":"in-a","on":true}} tells of those it hears; {"lost_ms":n} that it
// read too slowly and audio is missing here; {"dropping":true} that it is 30 s ahead and the rest is dropped.
package socket

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

const (
	writeWithin = 10 * time.Second
	pingEvery   = 15 * time.Second
	kind        = "socket"
)

// Deps is what a Server needs.
type Deps struct {
	Emit   protocol.Emit
	Attach func(media.Port)
	Detach func(id string)
	Log    *slog.Logger
}

// Server holds the PCM sockets that are open.
type Server struct {
	deps Deps
	ends context.Context // of all sockets
	end  context.CancelFunc

	mu   sync.Mutex
	open map[string]*link
	busy sync.WaitGroup
}

// link is one open socket.
type link struct {
	port *port
	conn *websocket.Conn
	stop context.CancelCauseFunc
}

// New makes a Server.
func New(deps Deps) *Server {
	ends, end := context.WithCancel(context.Background())
	return &Server{deps: deps, ends: ends, end: end, open: map[string]*link{}}
}

// over is why a socket ended: who ended it, and the word for it.
type over struct{ who, cause string }

func (o over) Error() string { return o.who + ": " + o.cause }

// Serve makes the request a PCM socket and the endpoint id; it returns when that is over. The caller has
// checked the id; one that is open already is refused.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, id string) {
	ctx, stop := context.WithCancelCause(s.ends)
	defer stop(nil)
	l := &link{port: newPort(id), stop: stop}
	if !s.enter(l) {
		refuse(w, protocol.Refuse(http.StatusConflict, "endpoint_used", "", "this id is in use: an endpoint has an id of its own"))
		return
	}
	defer s.leave(l)
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxMessage)
	l.conn = conn
	s.deps.Attach(l.port)
	s.deps.Emit(protocol.Event{Kind: protocol.Connected, Endpoint: id, Codec: "L16"})

	var both sync.WaitGroup
	using, used := context.WithCancel(context.Background()) // a cancelled read or write ends without a good-bye
	both.Go(func() { stop(l.write(using, ctx.Done())) })
	both.Go(func() { stop(l.read(using)) })
	<-ctx.Done()
	s.deps.Detach(id)
	why := over{"us", "shutdown"}
	errors.As(context.Cause(ctx), &why)
	status := websocket.StatusNormalClosure
	switch why.cause {
	case causeBad:
		status = websocket.StatusPolicyViolation
	case "shutdown":
		status = websocket.StatusGoingAway
	}
	_ = conn.Close(status, why.cause)
	used()
	both.Wait()
	s.forget(l) // who is told that it left finds it nowhere any more
	s.deps.Emit(protocol.Event{Kind: protocol.Left, Endpoint: id, Who: why.who, Cause: why.cause})
	if lost, dropped := l.port.lost.Load(), l.port.dropped.Load(); lost+dropped > 0 {
		s.deps.Log.Warn("a socket was too slow or too fast", "endpoint", id, "lost_ms", lost*media.FrameMillis,
			"dropped_ms", dropped*media.FrameMillis)
	}
}

func refuse(w http.ResponseWriter, refusal *protocol.Refusal) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(refusal.Status)
	_ = json.NewEncoder(w).Encode(refusal.Body)
}

func (s *Server) enter(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[l.port.id] != nil || s.ends.Err() != nil {
		return false
	}
	s.open[l.port.id] = l
	s.busy.Add(1)
	return true
}

func (s *Server) leave(l *link) {
	s.forget(l)
	s.busy.Done()
}

func (s *Server) forget(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[l.port.id] == l {
		delete(s.open, l.port.id)
	}
}

// HangUp closes a socket; it is a *protocol.Refusal when there is none of this id.
func (s *Server) HangUp(id string, ending protocol.Ending) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.open[id]
	if l == nil {
		return protocol.Unknown("endpoint")
	}
	cause := ending.Cause
	if cause == "" {
		cause = "hangup"
	}
	l.stop(over{"us", cause})
	return nil
}

// Endpoints are the sockets that are open.
func (s *Server) Endpoints() []protocol.Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]protocol.Endpoint, 0, len(s.open))
	for id := range s.open {
		out = append(out, protocol.Endpoint{ID: id, Kind: kind, State: "connected", Codec: "L16"})
	}
	return out
}

// Close closes all sockets, lets no new one in, and waits for their goroutines.
func (s *Server) Close() {
	s.mu.Lock() // nobody is on the way in
	s.end()
	s.mu.Unlock()
	s.busy.Wait()
}
