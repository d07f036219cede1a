// Package socket lets programs (bots, transcription) speak and hear as an endpoint, over a WebSocket.
package socket

import (
	"log/slog"
	"net/http"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
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
}

// New makes a Server.
func New(deps Deps) *Server { return &Server{deps: deps} }

// Serve makes the request a PCM socket and the endpoint id; it returns when that is over. An id in use is
// refused (409), one that is no id too.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, id string) {}

// HangUp closes a socket; it is a *protocol.Refusal when there is none of this id.
func (s *Server) HangUp(id string, ending protocol.Ending) error { return nil }

// Endpoints are the sockets that are open.
func (s *Server) Endpoints() []protocol.Endpoint { return nil }

// Close closes all sockets and waits for their goroutines.
func (s *Server) Close() {}
