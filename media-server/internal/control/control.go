// Package control is the door for Guichet: documents and acts over HTTP, events over a WebSocket.
package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"guichet/mediaserver/internal/protocol"
)

// Phone is what Guichet may ask of calls. What it refuses is a *protocol.Refusal; another error is a fault.
// The state that Endpoints tells changes before the event about it is emitted: /v1/state relies on it.
type Phone interface {
	SetTrunks(protocol.Trunks) error
	TrunksRev() uint64
	Dial(id string, dial protocol.Dial) error
	Ring(id string) error
	Early(id string) error
	Answer(id string) error
	Reject(id string, ending protocol.Ending) error
	HangUp(id string, ending protocol.Ending) error
	Refer(id string, refer protocol.Refer) error
	Digits(id string, digits protocol.Digits) error
	Hold(id string, on bool) error
	Endpoints() []protocol.Endpoint
	// Drain refuses new calls from now on (503).
	Drain()
}

// Browser is what Guichet may ask of browsers.
type Browser interface {
	Offer(id, sdp string) (string, error)
	HangUp(id string, ending protocol.Ending) error
	SetForwards(byRoom map[string][]protocol.Forward)
	Endpoints() []protocol.Endpoint
}

// Sockets are programs that speak and hear.
type Sockets interface {
	Serve(w http.ResponseWriter, r *http.Request, id string)
	HangUp(id string, ending protocol.Ending) error
	Endpoints() []protocol.Endpoint
}

// Mixer is what Guichet may ask of rooms.
type Mixer interface {
	Apply(rooms []protocol.Room) error
	Play(room string, play protocol.Play) error
	StopPlay(room, play string) error
	Rooms() []protocol.Room
	Levels() []protocol.Level
}

// Deps is what a Server needs; all of it.
type Deps struct {
	Token   string
	Journal *Journal
	Phone   Phone
	Browser Browser
	Sockets Sockets
	Mixer   Mixer
	Parking Parking
	// Figures gives what /v1/stats shows. Busy tells that there is work beside endpoints: recordings to encode.
	Figures func() map[string]any
	Busy    func() bool
	// Profile opens /debug/pprof/.
	Profile bool
	Log     *slog.Logger
}

// Server answers the control protocol.
type Server struct {
	deps    Deps
	token   [sha256.Size]byte
	acts    *acts
	handler http.Handler

	mu       sync.Mutex
	forwards map[string][]protocol.Forward
	drained  chan struct{} // closed when the server was drained and is empty
	draining bool
}

// New makes a Server; without a token there is none.
func New(deps Deps) (*Server, error) {
	if deps.Token == "" {
		return nil, errors.New("no token: set GUICHET_MEDIA_TOKEN to a long random text, the same for this server and for Guichet")
	}
	s := &Server{
		deps: deps, token: sha256.Sum256([]byte("Bearer " + deps.Token)), acts: newActs(),
		forwards: map[string][]protocol.Forward{}, drained: make(chan struct{}),
	}
	s.handler = s.routes()
	return s, nil
}

func (s *Server) routes() http.Handler {
	inside := http.NewServeMux()
	for route, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"PUT /v1/rooms":                        s.putRooms,
		"POST /v1/rooms/{room}/plays":          s.play,
		"DELETE /v1/rooms/{room}/plays/{play}": s.stopPlay,
		"PUT /v1/trunks":                       s.putTrunks,
		"POST /v1/endpoints/{id}/offer":        s.offer,
		"POST /v1/endpoints/{id}/{act}":        s.act,
		"GET /v1/endpoints/{id}/pcm":           s.pcm,
		"GET /v1/state":                        s.state,
		"GET /v1/events":                       s.events,
		"GET /v1/stats":                        s.stats,
		"POST /v1/drain":                       s.drain,
	} {
		inside.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			if err := serve(w, r); err != nil {
				s.refuse(w, r.Pattern, err)
			}
		})
	}
	if s.deps.Profile {
		inside.HandleFunc("GET /debug/pprof/", pprof.Index)
		inside.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		inside.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	outside := http.NewServeMux()
	outside.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]bool{"ok": true}) })
	outside.Handle("/", s.knowing(inside))
	return outside
}

// Handler is the whole protocol.
func (s *Server) Handler() http.Handler { return s.handler }

// knowing lets in who knows the token.
func (s *Server) knowing(inside http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(said[:], s.token[:]) != 1 {
			s.refuse(w, "token", protocol.Refuse(http.StatusUnauthorized, "bad_token", "",
				"send Authorization: Bearer and the token this server was started with"))
			return
		}
		inside.ServeHTTP(w, r)
	})
}

// Serve answers on the listener until ctx is done.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	var work sync.WaitGroup
	serving, stop := context.WithCancel(ctx)
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return serving },
		ErrorLog: slog.NewLogLogger(s.deps.Log.Handler(), slog.LevelDebug),
	}
	work.Go(func() { s.tend(serving) })
	work.Go(func() {
		<-serving.Done()
		_ = server.Close() // requests of a control client are short and may be asked again
	})
	err := server.Serve(listener)
	stop()
	work.Wait()
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control protocol: %w", err)
	}
	return nil
}

// body reads a whole document into doc and returns its bytes; nothing at all stands for {}.
func body(w http.ResponseWriter, r *http.Request, doc any) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, protocol.MaxBody))
	if err != nil {
		return nil, protocol.Refuse(http.StatusRequestEntityTooLarge, "too_large", "",
			fmt.Sprintf("a body has at most %d bytes", protocol.MaxBody))
	}
	if len(data) == 0 {
		data = []byte("{}")
	}
	if err := protocol.Decode(data, doc); err != nil {
		return nil, err
	}
	if checked, ok := doc.(interface{ Check() error }); ok {
		return data, checked.Check()
	}
	return data, nil
}

func answer(w http.ResponseWriter, doc any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc) // who does not listen any more needs no answer
}

func (s *Server) refuse(w http.ResponseWriter, where string, err error) {
	var refused *protocol.Refusal
	if !errors.As(err, &refused) {
		s.deps.Log.Error("a request failed", "route", where, "error", err)
		refused = protocol.Refuse(http.StatusInternalServerError, "internal", "", "a fault of the media server: its log says more")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(refused.Status)
	_ = json.NewEncoder(w).Encode(refused.Body)
}
