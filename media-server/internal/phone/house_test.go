package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guichet/mediaserver/internal/config"
	"guichet/mediaserver/internal/keep"
	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// house is a server under test with all it needs, and what it told.
type house struct {
	t        *testing.T
	s        *Server
	state    string
	keeper   *keep.Folder
	cfg      config.Config
	stop     context.CancelFunc
	ended    chan error
	mu       sync.Mutex
	events   []protocol.Event
	news     chan struct{}
	attached map[string]media.Port
}

var houses atomic.Int32

// Each house has a block of ports for itself, below those that the system gives out.
const (
	firstBlock = 24_000
	blocks     = 200
	blockPorts = 40
)

// portBlock is the first port of a block that no other house takes, of another test process neither: who restarts needs
// its ports again. A TCP socket there says that the block is taken; the next port is for SIP, the others are for audio.
func portBlock(t *testing.T) int {
	t.Helper()
	for range blocks {
		first := firstBlock + blockPorts*(int(houses.Add(1))%blocks)
		mark, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first))
		if err != nil {
			continue
		}
		sip, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", first+1))
		if err != nil {
			_ = mark.Close()
			continue
		}
		_ = sip.Close()
		t.Cleanup(func() { _ = mark.Close() })
		return first
	}
	t.Fatal("no block of ports is free")
	return 0
}

func newHouse(t *testing.T, change ...func(*config.Config)) *house {
	t.Helper()
	cfg := config.New()
	first := portBlock(t)
	cfg.SIPUDP = fmt.Sprintf("127.0.0.1:%d", first+1)
	cfg.SIPTCP, cfg.SIPTLS = cfg.SIPUDP, ""
	cfg.RTPFirst, cfg.RTPLast = first+2, first+blockPorts-1
	for _, f := range change {
		f(&cfg)
	}
	h := &house{t: t, state: filepath.Join(t.TempDir(), "state"), cfg: cfg, news: make(chan struct{}, 1)}
	h.build()
	h.run()
	return h
}

func (h *house) build() {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(testWriter{h.t}, nil))
	keeper, err := keep.Open(h.state, log)
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	h.keeper, h.attached, h.events = keeper, map[string]media.Port{}, nil
	h.mu.Unlock()
	h.s, err = New(h.cfg, Deps{Emit: h.emit, Keep: keeper, Attach: h.attach, Detach: h.detach, Log: log})
	if err != nil {
		h.t.Fatal(err)
	}
	h.s.timing.tick, h.s.timing.registerWait = 10*time.Millisecond, 20*time.Millisecond
}

func (h *house) run() {
	ctx, stop := context.WithCancel(context.Background())
	h.stop, h.ended = stop, make(chan error, 1)
	s, ended := h.s, h.ended
	go func() { ended <- s.Run(ctx) }()
	h.t.Cleanup(h.close)
}

func (h *house) close() {
	if h.stop == nil {
		return
	}
	h.stop()
	h.stop = nil
	select {
	case err := <-h.ended:
		if err != nil {
			h.t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		h.t.Error("Run does not end")
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
	}
	_ = h.keeper.Close()
}

// crash is kill -9 as far as one process can do it: what was saved at this moment is all the next one has.
func (h *house) crash() {
	h.t.Helper()
	h.crashWith(h.saved())
}

// saved is a copy of what is saved at this moment.
func (h *house) saved() string {
	h.t.Helper()
	saved, err := "", error(nil)
	for range 20 { // a document may be replaced under our hands
		saved = filepath.Join(h.t.TempDir(), "saved")
		if err = os.CopyFS(saved, os.DirFS(h.state)); err == nil {
			break
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return saved
}

// crashWith is a crash that came when this was saved.
func (h *house) crashWith(saved string) {
	h.t.Helper()
	h.close()
	h.state = saved
	h.build()
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "was not understood") {
		w.t.Errorf("%s", p)
	}
	return len(p), nil
}

func (h *house) emit(e protocol.Event) {
	h.mu.Lock()
	h.events = append(h.events, e)
	h.mu.Unlock()
	select {
	case h.news <- struct{}{}:
	default:
	}
}

func (h *house) attach(port media.Port) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.attached[port.ID()] = port
}

func (h *house) detach(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.attached, id)
}

func (h *house) port(id string) media.Port {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.attached[id]
}

// wait waits for the first event of a kind (of an endpoint, unless that is empty) and takes it away.
func (h *house) wait(kind, endpoint string) protocol.Event {
	h.t.Helper()
	deadline := time.After(patience)
	for {
		h.mu.Lock()
		for i, e := range h.events {
			if e.Kind == kind && (endpoint == "" || e.Endpoint == endpoint) {
				h.events = append(h.events[:i:i], h.events[i+1:]...)
				h.mu.Unlock()
				return e
			}
		}
		told := map[string]int{}
		for _, e := range h.events {
			told[e.Kind]++
		}
		h.mu.Unlock()
		select {
		case <-h.news:
		case <-deadline:
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2) // what hangs
			h.t.Fatalf("no event %s of %q; these were told: %v", kind, endpoint, told)
		}
	}
}

// until waits for what no event tells.
func (h *house) until(done func() bool) {
	h.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !done(); {
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatal("it does not come")
		}
	}
}

// told tells whether an event of a kind was told.
func (h *house) told(kind string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.events, func(e protocol.Event) bool { return e.Kind == kind })
}

// none fails when such an event was told.
func (h *house) none(kind string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Kind == kind {
			h.t.Errorf("%s was told: %+v", kind, e)
		}
	}
}

// newTrunkHouse is a house whose one trunk leads to a peer over UDP.
func newTrunkHouse(t *testing.T) (*house, *peer) {
	t.Helper()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	return h, p
}

// trunk makes the document of a trunk to the peer.
func trunkTo(p *peer, change ...func(*protocol.Trunk)) protocol.Trunk {
	doc := protocol.Trunk{
		ID: "carrier", Peer: p.addr, Transport: p.transport, Allow: []string{"127.0.0.1/32", "::1/128"},
		Codecs: []string{"PCMA", "PCMU"}, Countries: []string{"+33"}, MaxPerSecond: 1000,
	}
	for _, f := range change {
		f(&doc)
	}
	return doc
}

func (h *house) put(docs ...protocol.Trunk) {
	h.t.Helper()
	h.s.trunksMu.Lock()
	rev := h.s.trunksDoc.Rev + 1
	h.s.trunksMu.Unlock()
	if err := h.s.SetTrunks(protocol.Trunks{Rev: rev, Trunks: docs}); err != nil {
		h.t.Fatal(err)
	}
}

// do fails the test when an act is refused.
func (h *house) do(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// refusal checks that err refuses with a code and field.
func refusal(t *testing.T, err error, code, field string) {
	t.Helper()
	var refused *protocol.Refusal
	if !errors.As(err, &refused) || refused.Body.Code != code || refused.Body.Field != field || refused.Body.Remedy == "" {
		t.Errorf("refused by %+v (%v), wanted code %s of field %q with a remedy", refused, err, code, field)
	}
}

// offered lets the peer call; nobody has answered yet.
func (h *house) offered(p *peer) (*side, string) {
	h.t.Helper()
	d := p.call("+33170000000")
	d.send("INVITE", p.sdp(1))
	return d, h.wait(protocol.Offered, "").Endpoint
}

// incoming brings a call of the peer to the state answered.
func (h *house) incoming(p *peer) (*side, string) {
	h.t.Helper()
	d, id := h.offered(p)
	h.do(h.s.Answer(id))
	d.taken(p.expect("200 INVITE"))
	d.send("ACK", "")
	h.wait(protocol.Answered, id)
	h.acknowledged(id)
	return d, id
}

// dialogs tells whether any dialog is left.
func (h *house) dialogs() bool {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	return len(h.s.dialogs) > 0
}

// acknowledged waits until the ACK of an incoming call is taken.
func (h *house) acknowledged(id string) {
	h.t.Helper()
	c, err := h.s.call(id)
	h.do(err)
	h.until(func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return !c.rec.Unacked
	})
}

// outgoing dials the peer and lets it answer.
func (h *house) outgoing(p *peer, id string) *side {
	h.t.Helper()
	h.do(h.s.Dial(id, protocol.Dial{Trunk: "carrier", Number: "+33612345678", CallerID: "+33170000000", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	p.reply(invite, 200, "peertag", p.sdp(1))
	p.expect("ACK")
	h.wait(protocol.Answered, id)
	return p.called(invite, "peertag")
}
