// Package browser connects browsers: one endpoint for a whole shift, with audio both ways from its start, and
// camera, screen and marks forwarded to whom the rooms name. docs/guides/media-browser.md tells what a page does.
package browser

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"guichet/mediaserver/internal/config"
	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// housekeeping is the pace of what is not urgent: repeated keyframe requests, bandwidth, figures, time limits.
const housekeeping = 100 * time.Millisecond

// goneIDs is how many endpoints that left are remembered: a page that has not noticed gets a plain refusal.
const goneIDs = 4096

// Deps is what a Server needs.
type Deps struct {
	// Emit tells what happens.
	Emit protocol.Emit
	// Attach gives the endpoint's audio to the mixer, Detach takes it back. They must not call the Server.
	Attach func(media.Port)
	Detach func(id string)
	Log    *slog.Logger
}

// Server holds the endpoints of all browsers. Its methods may be called from any goroutine.
type Server struct {
	deps   Deps
	engine *engine
	max    int
	start  time.Time

	mu        sync.Mutex
	endpoints map[string]*endpoint
	gone      [goneIDs]string // the last that left, in a ring
	leaving   int
	forwards  []protocol.Forward
	closed    bool
	workers   sync.WaitGroup
}

// endpoint is one browser as Guichet knows it, whatever connections it has had; it is a media.Port.
type endpoint struct {
	id          string
	link        atomic.Pointer[link]
	negotiating sync.Mutex
}

var _ media.Port = (*endpoint)(nil)

// ID implements media.Port.
func (e *endpoint) ID() string { return e.id }

// New binds the ports. Without any (web_udp and web_tcp empty) every offer is refused.
func New(cfg config.Config, deps Deps) (*Server, error) {
	engine, err := newEngine(cfg)
	if err != nil {
		return nil, err
	}
	return &Server{deps: deps, engine: engine, max: cfg.WebMax, start: time.Now(), endpoints: map[string]*endpoint{}}, nil
}

// since is the server's own time.
func (s *Server) since() time.Duration { return time.Since(s.start) }

// Run does the housekeeping until ctx is done, and then closes the server.
func (s *Server) Run(ctx context.Context) error {
	ticker := time.NewTicker(housekeeping)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			s.Close()
			return nil
		case <-ticker.C:
			for _, l := range s.links() {
				l.tick(s.since())
			}
		}
	}
}

// Close ends all connections, which their pages notice at once, and returns when nothing of the server runs.
func (s *Server) Close() {
	s.mu.Lock()
	endpoints := s.endpoints
	s.endpoints, s.closed = map[string]*endpoint{}, true
	s.mu.Unlock()
	for _, e := range endpoints {
		if l := e.link.Load(); l != nil {
			s.workers.Go(l.close)
		}
	}
	s.workers.Wait()
	s.engine.close()
}

// Offer answers a browser's offer. A new id makes an endpoint; a known one renegotiates or restarts ICE, or
// is taken over by a new connection of its page; one that has left stays so. The answer holds all candidates. A *protocol.Refusal says
// what is wrong with the offer.
func (s *Server) Offer(id, sdp string) (string, error) {
	if !s.engine.ready() {
		return "", protocol.Unavailable("no_browsers", "set web_udp or web_tcp in the media server's configuration")
	}
	if err := protocol.ID(id, "id"); err != nil {
		return "", err
	}
	o, refusal := readOffer(sdp)
	if refusal != nil {
		return "", refusal
	}
	e, err := s.enter(id)
	if err != nil {
		return "", err
	}
	defer s.workers.Done()
	e.negotiating.Lock()
	defer e.negotiating.Unlock()
	if l := e.link.Load(); l != nil && l.origin == o.origin {
		answer, err := l.answer(o)
		s.reroute()
		if err == nil && e.link.Load() != l {
			err = protocol.Unknown("endpoint") // it left meanwhile
		}
		return answer, err
	}
	l, err := s.newLink(e, o.origin)
	if err != nil {
		s.forget(e)
		return "", err
	}
	answer, err := l.answer(o)
	if err == nil {
		err = s.install(e, l)
	}
	if err != nil {
		s.forget(e)
		l.close()
		return "", err
	}
	return answer, nil
}

// enter finds the endpoint of this id or makes it. The caller ends with workers.Done.
func (s *Server) enter(id string) (*endpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.endpoints[id]
	switch {
	case s.closed:
		return nil, protocol.Unavailable("stopping", "the media server is about to stop: offer again when it is back")
	case e == nil && slices.Contains(s.gone[:], id):
		return nil, protocol.Unknown("endpoint")
	case e == nil && len(s.endpoints) >= s.max:
		return nil, protocol.Unavailable("endpoints_exhausted",
			fmt.Sprintf("%d browsers are here already: raise web_max, or add a media server", s.max))
	case e == nil:
		e = &endpoint{id: id}
		s.endpoints[id] = e
	}
	s.workers.Add(1)
	return e, nil
}

// install makes l the connection of e; one that stood before is closed.
func (s *Server) install(e *endpoint, l *link) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endpoints[e.id] != e {
		return protocol.Unknown("endpoint") // hung up meanwhile
	}
	if old := e.link.Swap(l); old != nil {
		s.workers.Go(old.close)
	} else {
		s.deps.Attach(e)
	}
	s.route()
	return nil
}

// forget drops an endpoint that never got a connection.
func (s *Server) forget(e *endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.link.Load() == nil && s.endpoints[e.id] == e {
		delete(s.endpoints, e.id)
	}
}

// left ends the endpoint of this connection, unless it has a newer one or is gone already.
func (s *Server) left(l *link, who, cause string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endpoints[l.end.id] == l.end && l.end.link.Load() == l {
		s.end(l.end, protocol.Event{Who: who, Cause: cause})
	}
}

// HangUp ends an endpoint, also one that still negotiates: its offer is refused then.
func (s *Server) HangUp(id string, ending protocol.Ending) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.endpoints[id]
	if e == nil {
		return protocol.Unknown("endpoint")
	}
	s.end(e, protocol.Event{Who: "us", Cause: ending.Cause, Code: ending.Code})
	return nil
}

// end takes an endpoint away for good and tells it. The caller holds mu.
func (s *Server) end(e *endpoint, left protocol.Event) {
	delete(s.endpoints, e.id)
	s.gone[s.leaving%goneIDs] = e.id
	s.leaving++
	l := e.link.Load()
	if l != nil {
		for _, in := range l.in {
			in.stop()
		}
		l.quality.tell(l)
		e.link.Store(nil) // what l still reports is of the past
		s.deps.Detach(e.id)
	}
	left.Kind, left.Endpoint = protocol.Left, e.id
	s.deps.Emit(left)
	s.route()
	if l != nil {
		s.workers.Go(l.close)
	}
}

// Endpoints tells the state of all, also of those that still negotiate.
func (s *Server) Endpoints() []protocol.Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]protocol.Endpoint, 0, len(s.endpoints))
	for id, e := range s.endpoints {
		endpoint := protocol.Endpoint{ID: id, Kind: "browser", State: "offered"}
		if l := e.link.Load(); l != nil {
			if v := l.audio.voice.Load(); v != nil {
				endpoint.Codec = v.codec
			}
			switch {
			case l.silent.Load() && l.up.Load():
				endpoint.State = "silent"
			case l.up.Load():
				endpoint.State = "connected"
			}
		}
		all = append(all, endpoint)
	}
	return all
}

func (s *Server) links() []*link {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*link, 0, len(s.endpoints))
	for _, e := range s.endpoints {
		if l := e.link.Load(); l != nil {
			all = append(all, l)
		}
	}
	return all
}
