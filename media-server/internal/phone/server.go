// Package phone speaks SIP with trunks: calls in and out, whose audio it hands to the mixer as ports. Its
// dialogs are its own, so that they can be saved and taken up again by the next process.
package phone

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/config"
	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/stream"
)

// Deps are what the phones need of the rest of the server. All are needed.
type Deps struct {
	Emit protocol.Emit
	Keep media.Keeper
	// Attach gives a port to the mixer, Detach takes it back; the port is closed after that.
	Attach func(media.Port)
	Detach func(id string)
	Log    *slog.Logger
}

// Server is the phone side of the media server.
type Server struct {
	cfg      config.Config
	deps     Deps
	log      *slog.Logger
	ports    *stream.Ports
	networks map[string]*network // by transport; bound in New
	ua       *sipgo.UserAgent
	server   *sipgo.Server
	client   *sipgo.Client
	sources  atomic.Pointer[sources]
	refusals refusals
	asks     *challenger
	asked    *pace
	timing   timing

	trunks    atomic.Pointer[map[string]*trunk]
	trunksMu  sync.Mutex // orders SetTrunks
	sourcesMu sync.Mutex // orders renewSources
	trunksDoc protocol.Trunks
	spends    map[string]spend   // of trunks, as they were kept
	gone      map[string]*limits // of trunks that were taken away since

	draining atomic.Bool // new calls are refused

	mu       sync.Mutex
	calls    map[string]*Call // by endpoint
	dialogs  map[string]*Call // by Call-ID and our tag
	origins  map[string]*Call // incoming ones by Call-ID and their tag
	past     map[string]bool  // endpoints that are over: their ids never come back
	pastRing []string
	dirty    map[*Call]bool // to be saved again
	closing  bool
	work     sync.WaitGroup
	serving  atomic.Bool
	later    []func() // what Restore leaves for Run

	ctx    context.Context // of everything that runs; ends with Run
	cancel context.CancelFunc
}

// timing holds the intervals that tests shorten.
type timing struct {
	tick         time.Duration // how often due things are looked for
	provisional  time.Duration // how often a ringing call says that it still rings
	ringLimit    time.Duration // how long an incoming call rings at most
	quality      time.Duration
	registerWait time.Duration // first pause after a failed registration; doubled up to registerMost
	registerMost time.Duration
	minSession   int // s, the shortest session interval we accept
	second       time.Duration
}

func defaultTiming() timing {
	return timing{
		tick: 200 * time.Millisecond, provisional: time.Minute, ringLimit: 15 * time.Minute, quality: 5 * time.Second,
		registerWait: 2 * time.Second, registerMost: 2 * time.Minute, minSession: 90, second: time.Second,
	}
}

// New binds the SIP ports of the configuration. Nothing is answered before Run.
func New(cfg config.Config, deps Deps) (*Server, error) {
	ports, err := stream.NewPorts(cfg.RTPHost, cfg.RTPFirst, cfg.RTPLast)
	if err != nil {
		return nil, fmt.Errorf("take the RTP ports: %w", err)
	}
	s := &Server{
		cfg: cfg, deps: deps, log: deps.Log, ports: ports, asks: newChallenger(), asked: newPace(), timing: defaultTiming(),
		networks: map[string]*network{}, spends: map[string]spend{}, gone: map[string]*limits{},
		calls: map[string]*Call{}, dialogs: map[string]*Call{}, origins: map[string]*Call{}, past: map[string]bool{}, dirty: map[*Call]bool{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.refusals = refusals{count: map[[2]string]int{}, emit: deps.Emit}
	s.trunks.Store(&map[string]*trunk{})
	s.renewSources()
	serve, dial, err := tlsConfigs(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.bind(serve); err != nil {
		s.unbind()
		return nil, err
	}
	if err := s.stack(dial); err != nil {
		s.unbind()
		return nil, err
	}
	return s, nil
}

func (s *Server) stack(dial *tls.Config) error {
	ua, err := sipgo.NewUA(sipgo.WithUserAgent("Guichet"), sipgo.WithUserAgenTLSConfig(dial),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerTransports(sip.TransportsConfig{
			TCP: &sip.TransportTCP{WriteTimeout: writeWithin},
			TLS: &sip.TransportTLS{TransportTCP: &sip.TransportTCP{WriteTimeout: writeWithin}},
		})),
		sipgo.WithUserAgentTransactionLayerOptions(sip.WithTransactionLayerTerminateOnConnClose(),
			sip.WithTransactionLayerUnhandledResponseHandler(s.onStray)))
	if err != nil {
		return fmt.Errorf("make the SIP stack: %w", err)
	}
	s.ua = ua
	s.known()
	if s.server, err = sipgo.NewServer(ua); err != nil {
		return fmt.Errorf("make the SIP server: %w", err)
	}
	if s.client, err = sipgo.NewClient(ua); err != nil {
		return fmt.Errorf("make the SIP client: %w", err)
	}
	for method, handler := range map[sip.RequestMethod]sipgo.RequestHandler{
		sip.INVITE: s.onInvite, sip.ACK: s.onAck, sip.BYE: s.onBye, sip.CANCEL: s.onCancel, sip.OPTIONS: s.onOptions,
		sip.UPDATE: s.onUpdate, sip.PRACK: s.onPrack, sip.INFO: s.onInfo, sip.REFER: s.onRefer, sip.NOTIFY: s.onNotify,
	} {
		s.server.OnRequest(method, s.owned(handler))
	}
	s.server.OnNoRoute(s.owned(s.onOther))
	return nil
}

// Run serves until ctx ends. Running calls stay saved then: the next process takes them up.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, len(s.networks))
	for name, n := range s.networks {
		s.spawn(func() {
			if err := n.serve(s.server); err != nil && s.ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				failed <- fmt.Errorf("serve SIP over %s: %w", name, err)
			}
		})
	}
	s.trunksMu.Lock()
	s.serving.Store(true)
	for _, t := range *s.trunks.Load() {
		s.maintain(t, nil)
	}
	s.trunksMu.Unlock()
	for _, f := range s.later {
		s.spawn(f)
	}
	ticker := time.NewTicker(s.timing.tick)
	defer ticker.Stop()
	err := error(nil)
	for err == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		case now := <-ticker.C:
			s.due(now)
		}
	}
	s.close()
	return err
}

func (s *Server) close() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	calls := s.all()
	for _, c := range calls {
		c.keep()
	}
	s.cancel()
	_ = s.ua.Close()
	s.unbind()
	s.work.Wait()
	for _, c := range calls {
		c.release()
	}
}

// spawn runs f as a part of the server: Run waits for its end. After the end nothing begins any more.
func (s *Server) spawn(f func()) {
	if !s.begin() {
		return
	}
	go func() {
		defer s.work.Done()
		f()
	}()
}

func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.work.Add(1)
	return true
}

// owned makes the goroutine in which the SIP stack calls a handler one of ours. What no fuzzing has found
// costs one request, not all calls.
func (s *Server) owned(handler sipgo.RequestHandler) sipgo.RequestHandler {
	return func(req *sip.Request, tx sip.ServerTransaction) {
		if !s.begin() {
			return
		}
		defer s.work.Done()
		defer func() {
			if fault := recover(); fault != nil {
				s.log.Error("a SIP request was not understood", "method", req.Method, "stack", string(debug.Stack()))
				s.reply(req, tx, 500)
			}
		}()
		handler(req, tx)
	}
}

// due does what time brings: refreshes, expiries, figures, sums.
func (s *Server) due(now time.Time) {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = map[*Call]bool{}
	s.mu.Unlock()
	for _, c := range s.all() {
		c.due(now)
	}
	for c := range dirty {
		c.keep()
	}
	s.refusals.due(now, s.timing.second)
	s.tally(now)
}

// tally charges what runs, saves the sums and tells of limits that are reached; of trunks that were taken away it saves
// the sums, as their calls go on.
func (s *Server) tally(now time.Time) {
	s.trunksMu.Lock()
	defer s.trunksMu.Unlock()
	all, trunks := maps.Clone(s.gone), *s.trunks.Load()
	for id, t := range trunks {
		all[id] = t.limits
	}
	for id, l := range all {
		reached := trunks[id] != nil && l.reached(now)
		if sum, changed := l.owed(now); changed {
			if err := s.deps.Keep.Keep("spend", id, sum); err != nil {
				s.log.Error("the spend of a trunk is not saved", "trunk", id, "error", err)
			}
		}
		if reached {
			s.deps.Emit(protocol.Event{Kind: protocol.SpendReached, Trunk: id})
		}
	}
}

// Endpoints tells all calls there are.
func (s *Server) Endpoints() []protocol.Endpoint {
	calls := s.all()
	endpoints := make([]protocol.Endpoint, 0, len(calls))
	for _, c := range calls {
		if endpoint, ok := c.endpoint(); ok {
			endpoints = append(endpoints, endpoint)
		}
	}
	slices.SortFunc(endpoints, func(a, b protocol.Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return endpoints
}

func (s *Server) all() []*Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.calls))
}

func (s *Server) call(id string) (*Call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.calls[id]; c != nil {
		return c, nil
	}
	return nil, protocol.Unknown("endpoint")
}

// add makes a call known by its endpoint and its dialog; false: the endpoint is or was there.
func (s *Server) add(c *Call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[c.id] != nil || s.past[c.id] {
		return false
	}
	s.calls[c.id] = c
	s.dialogs[c.key] = c
	if c.origin != "" {
		s.origins[c.origin] = c
	}
	return true
}

// forget takes the endpoint away at once; its dialog is still known until drop, for what is under way.
func (s *Server) forget(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c.id)
	const remembered = 10_000
	if !s.past[c.id] {
		s.past[c.id] = true
		s.pastRing = append(s.pastRing, c.id)
	}
	if len(s.pastRing) > remembered {
		delete(s.past, s.pastRing[0])
		s.pastRing = s.pastRing[1:]
	}
}

func (s *Server) drop(c *Call) {
	s.mu.Lock()
	delete(s.dialogs, c.key)
	delete(s.origins, c.origin)
	delete(s.dirty, c)
	s.mu.Unlock()
	if err := s.deps.Keep.Drop("call", c.id); err != nil {
		s.log.Error("a call that is over stays saved", "endpoint", c.id, "error", err)
	}
}

func (s *Server) markDirty(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[c.id] == c {
		s.dirty[c] = true
	}
}

// random is n bytes of chance in hex: tags, Call-IDs, endpoint ids, branches.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the process instead
	return hex.EncodeToString(b)
}
