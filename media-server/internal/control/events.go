package control

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"guichet/mediaserver/internal/protocol"
)

const (
	levelsEvery = 200 * time.Millisecond
	pingEvery   = 10 * time.Second
	// patience is how long one frame may take to reach a reader before it is cut.
	patience = 5 * time.Second
	batch    = 256
)

// gap is the frame that says: read /v1/state. What is kept follows, from Seq on: not all of it is in the state
// (a recording that is ready).
type gap struct {
	Kind  string `json:"kind"`
	Epoch string `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

type levels struct {
	Kind   string           `json:"kind"`
	Levels []protocol.Level `json:"levels"`
}

// events sends what follows ?epoch=&after=, then what happens, for as long as the reader keeps up.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	after, err := strconv.ParseUint(query.Get("after"), 10, 64)
	if err != nil && query.Get("after") != "" {
		return protocol.BadField("after", "the seq of the last event that was read")
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }()
	reader := &reader{server: s, conn: conn, at: after}
	woken, done := s.deps.Journal.Reading()
	defer done()
	if _, known := s.deps.Journal.After(after, 0); !known || query.Get("epoch") != s.deps.Journal.Epoch() {
		reader.at = s.deps.Journal.Oldest()
		if reader.send(r.Context(), gap{Kind: "gap", Epoch: s.deps.Journal.Epoch(), Seq: reader.at}) != nil {
			return nil
		}
	}
	reader.follow(conn.CloseRead(r.Context()), woken, query.Get("levels") == "1")
	return nil
}

type reader struct {
	server *Server
	conn   *websocket.Conn
	at     uint64
}

func (r *reader) follow(ctx context.Context, woken <-chan struct{}, withLevels bool) {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	var due <-chan time.Time
	if withLevels {
		ticker := time.NewTicker(levelsEvery)
		defer ticker.Stop()
		due = ticker.C
	}
	for {
		if !r.catchUp(ctx) {
			return
		}
		var err error
		select {
		case <-ctx.Done():
			_ = r.conn.Close(websocket.StatusGoingAway, "the media server ends")
			return
		case <-woken:
		case <-due:
			err = r.send(ctx, levels{Kind: "levels", Levels: r.server.deps.Mixer.Levels()})
		case <-ping.C:
			limited, cancel := context.WithTimeout(ctx, patience)
			err = r.conn.Ping(limited)
			cancel()
		}
		if err != nil {
			return
		}
	}
}

// catchUp sends all there is; false when the reader is gone or was too slow for the journal.
func (r *reader) catchUp(ctx context.Context) bool {
	for {
		frames, known := r.server.deps.Journal.After(r.at, batch)
		if !known {
			r.server.deps.Log.Warn("an event reader was too slow and is cut")
			_ = r.conn.Close(websocket.StatusTryAgainLater, "too slow: connect again")
			return false
		}
		if len(frames) == 0 {
			return true
		}
		for _, frame := range frames {
			if r.write(ctx, frame) != nil {
				return false
			}
			r.at++
		}
	}
}

func (r *reader) send(ctx context.Context, doc any) error {
	frame, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return r.write(ctx, frame)
}

func (r *reader) write(ctx context.Context, frame []byte) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return r.conn.Write(limited, websocket.MessageText, frame)
}
