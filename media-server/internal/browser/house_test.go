package browser

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/logging"

	"guichet/mediaserver/internal/config"
	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// patience is for what has no time to keep but must come: a busy machine may take long.
const patience = 30 * time.Second

// house is a server with a mixer of the test: each port hears all the others.
type house struct {
	*Server
	t      testing.TB
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu     sync.Mutex
	events []protocol.Event
	news   chan struct{} // closed and replaced at each event
	pages  []*page

	mixing   sync.Mutex
	ports    map[string]media.Port
	attached int
	heard    map[string][]media.Frame // what each port said
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func silence() *logging.DefaultLoggerFactory {
	return &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
}

func testConfig() config.Config {
	cfg := config.New()
	cfg.WebUDP, cfg.WebTCP = "127.0.0.1:0", "127.0.0.1:0"
	return cfg
}

func newHouse(t testing.TB, cfg config.Config) *house {
	t.Helper()
	h := &house{t: t, news: make(chan struct{}), ports: map[string]media.Port{}, heard: map[string][]media.Frame{}}
	server, err := New(cfg, Deps{Emit: h.emit, Attach: h.attach, Detach: h.detach, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	h.Server = server
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.ended.Go(func() { _ = server.Run(ctx) })
	h.ended.Go(func() { h.mix(ctx) })
	t.Cleanup(h.stop)
	return h
}

func (h *house) stop() {
	h.cancel()
	h.ended.Wait()
}

func (h *house) emit(e protocol.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
	close(h.news)
	h.news = make(chan struct{})
}

func (h *house) attach(p media.Port) {
	h.mixing.Lock()
	defer h.mixing.Unlock()
	h.ports[p.ID()] = p
	h.attached++
}

func (h *house) detach(id string) {
	h.mixing.Lock()
	defer h.mixing.Unlock()
	delete(h.ports, id)
}

// mix lets each port hear all the others, and keeps what each says.
func (h *house) mix(ctx context.Context) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		h.mixing.Lock()
		said := map[string]media.Frame{}
		for id, port := range h.ports {
			var f media.Frame
			if port.Say(&f) {
				said[id] = f
				h.heard[id] = append(h.heard[id], f)
			}
		}
		for id, port := range h.ports {
			var f *media.Frame
			for other, frame := range said {
				if other == id {
					continue
				}
				if f == nil {
					f = &media.Frame{}
				}
				for i := range f {
					f[i] += frame[i]
				}
			}
			port.Hear(f)
		}
		h.mixing.Unlock()
	}
}

// wait returns the first event of this kind and endpoint, which may have come already.
func (h *house) wait(kind, endpoint string, within time.Duration) protocol.Event {
	h.t.Helper()
	return h.waitFor(kind+" of "+endpoint, within, func(e protocol.Event) bool {
		return e.Kind == kind && e.Endpoint == endpoint
	})
}

func (h *house) waitFor(what string, within time.Duration, is func(protocol.Event) bool) protocol.Event {
	h.t.Helper()
	limit := time.After(within)
	for {
		h.mu.Lock()
		news, n := h.news, slices.IndexFunc(h.events, is)
		if n >= 0 {
			event := h.events[n]
			h.mu.Unlock()
			return event
		}
		h.mu.Unlock()
		select {
		case <-news:
		case <-limit:
			h.t.Fatalf("no event %s within %s", what, within)
		}
	}
}

// until waits for a condition on what was said; it is asked with mixing held.
func (h *house) until(what string, holds func() bool) {
	h.t.Helper()
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		h.mixing.Lock()
		done := holds()
		h.mixing.Unlock()
		if done {
			return
		}
	}
	h.t.Fatalf("%s: not within %s", what, patience)
}

// count of the events of this kind so far.
func (h *house) count(kind, endpoint string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, e := range h.events {
		if e.Kind == kind && e.Endpoint == endpoint {
			n++
		}
	}
	return n
}

// up is asked with h.mu held.
func (h *house) up(id string) bool {
	h.Server.mu.Lock()
	defer h.Server.mu.Unlock()
	l := h.link(id)
	return l != nil && l.up.Load()
}

func (h *house) find(id string) *link {
	h.Server.mu.Lock()
	defer h.Server.mu.Unlock()
	return h.link(id)
}
