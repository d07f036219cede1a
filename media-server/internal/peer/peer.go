// Package peer is the far side of tests and measurements: many callers of one carrier, who cost little. Each says a
// tone of its own in a-law, at its time, and counts what it hears. It is in no product.
package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// The stack has one logger for the whole process.
func init() { sip.SetDefaultLogger(slog.New(slog.DiscardHandler)) }

// Config says where a peer is and whom it calls.
type Config struct {
	// Server is its SIP address (host:port), Transport udp or tls.
	Server    string
	Transport string
	// Host is the address of the peer itself, all its callers included, and Port that of its SIP (0: any).
	Host netip.Addr
	Port int
	// TLS is needed for tls. With it audio is encrypted too (SRTP, keys in SDP).
	TLS *tls.Config
	// Bursts: callers say short bursts and not one long tone, so that a delay can be seen.
	Bursts bool
}

const (
	callPatience = 15 * time.Second
	byePatience  = 3 * time.Second
)

// ErrRefused says that the server did not take a call.
var ErrRefused = errors.New("call refused")

// Peer is a carrier with its callers.
type Peer struct {
	cfg    Config
	ua     *sipgo.UserAgent
	out    *sipgo.DialogClientCache
	in     *sipgo.DialogServerCache
	closer io.Closer
	local  netip.AddrPort
	pacer  pacer
	over   chan struct{}
	tasks  sync.WaitGroup
	begun  time.Time
	ctx    context.Context
	stop   context.CancelFunc

	mu    sync.Mutex
	count int
	calls map[string]*going // by Call-ID
}

// going is a call that stands.
type going struct {
	line *line
	call *call
	bye  func(context.Context) error
}

// New makes a peer that listens for SIP and sends nothing yet; Close ends it.
func New(cfg Config) (*Peer, error) {
	ua, err := sipgo.NewUA(sipgo.WithUserAgenTLSConfig(cfg.TLS), sipgo.WithUserAgent("peer"))
	if err != nil {
		return nil, fmt.Errorf("make a user agent: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Peer{cfg: cfg, ua: ua, over: make(chan struct{}), calls: map[string]*going{}, begun: time.Now(), ctx: ctx, stop: stop}
	if err := p.listen(); err != nil {
		_ = ua.Close()
		return nil, err
	}
	p.tasks.Go(func() { p.pacer.run(p.over) })
	return p, nil
}

func (p *Peer) listen() error {
	server, err := sipgo.NewServer(p.ua)
	if err != nil {
		return fmt.Errorf("make a SIP server: %w", err)
	}
	address := netip.AddrPortFrom(p.cfg.Host, uint16(p.cfg.Port)).String()
	var serve func() error
	if p.cfg.Transport == "tls" {
		listener, err := net.Listen("tcp4", address)
		if err != nil {
			return fmt.Errorf("listen for SIP: %w", err)
		}
		p.closer, p.local = listener, netip.MustParseAddrPort(listener.Addr().String())
		serve = func() error { return server.ServeTLS(tls.NewListener(listener, p.cfg.TLS)) }
	} else {
		packets, err := net.ListenPacket("udp4", address)
		if err != nil {
			return fmt.Errorf("listen for SIP: %w", err)
		}
		p.closer, p.local = packets, netip.MustParseAddrPort(packets.LocalAddr().String())
		// The stack knows the port before it is served, so that the first request leaves from it.
		p.ua.TransportLayer().Pool("udp").Add(p.local.String(), &sip.UDPConnection{PacketConn: packets, PacketAddr: p.local.String(), Listener: true})
		serve = func() error { return server.ServeUDP(packets) }
	}
	bound := p.local
	if p.cfg.Transport == "tls" {
		bound = netip.AddrPortFrom(p.local.Addr(), 0)
	}
	client, err := sipgo.NewClient(p.ua, sipgo.WithClientConnectionAddr(bound.String()), sipgo.WithClientHostname(p.cfg.Host.String()))
	if err != nil {
		_ = p.closer.Close()
		return fmt.Errorf("make a SIP client: %w", err)
	}
	contact := sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "peer", Host: p.cfg.Host.String(), Port: int(p.local.Port()),
		UriParams: sip.NewParams()}}
	contact.Address.UriParams.Add("transport", p.cfg.Transport)
	p.out, p.in = sipgo.NewDialogClientCache(client, contact), sipgo.NewDialogServerCache(client, contact)
	server.OnInvite(p.called)
	server.OnAck(func(req *sip.Request, tx sip.ServerTransaction) { _ = p.in.ReadAck(req, tx) })
	server.OnBye(p.ended)
	server.OnOptions(func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", nil))
	})
	p.tasks.Go(func() { _ = serve() })
	return nil
}

// Local is where the peer can be called.
func (p *Peer) Local() netip.AddrPort { return p.local }

// Call lets n more callers call, so many a second, and waits until each is answered or refused. It gives how many
// were answered, and why others were not.
func (p *Peer) Call(n int, perSecond float64) (answered int, err error) {
	var (
		wait     sync.WaitGroup
		mu       sync.Mutex
		failures []error
	)
	start := time.Now()
	for i := range n {
		time.Sleep(time.Until(start.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))))
		wait.Go(func() {
			err := p.invite()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				answered++
			} else {
				failures = append(failures, err)
			}
		})
	}
	wait.Wait()
	return answered, errors.Join(failures...)
}

func (p *Peer) invite() error {
	n, l, err := p.seat()
	if err != nil {
		return err
	}
	ours, err := p.key()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, callPatience)
	defer cancel()
	server, err := netip.ParseAddrPort(p.cfg.Server)
	if err != nil {
		return fmt.Errorf("read the server's address: %w", err)
	}
	to := sip.Uri{Scheme: "sip", User: "+33140000099", Host: server.Addr().String(), Port: int(server.Port()), UriParams: sip.NewParams()}
	to.UriParams.Add("transport", p.cfg.Transport)
	from := &sip.FromHeader{Address: sip.Uri{Scheme: "sip", User: fmt.Sprintf("+3314%07d", n), Host: p.cfg.Host.String()}, Params: sip.NewParams()}
	from.Params.Add("tag", sip.GenerateTagN(12))
	session, err := p.out.Invite(ctx, to, describe(l.local, ours), from, sip.NewHeader("Content-Type", "application/sdp"))
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	if err := session.WaitAnswer(ctx, sipgo.AnswerOptions{}); err != nil {
		var refused *sipgo.ErrDialogResponse
		if errors.As(err, &refused) {
			return fmt.Errorf("%w: %d", ErrRefused, refused.Res.StatusCode)
		}
		return fmt.Errorf("wait for an answer: %w", err)
	}
	remote, theirs, err := p.understood(session.InviteResponse.Body())
	if ack := session.Ack(ctx); err == nil {
		err = ack
	}
	if err != nil {
		_ = session.Bye(ctx)
		return fmt.Errorf("take the answer: %w", err)
	}
	p.begin(session.InviteRequest.CallID().Value(), &going{line: l, call: newCall(n, p.cfg.Bursts, ours, theirs, remote), bye: session.Bye})
	return nil
}

// called answers the server's calls at once.
func (p *Peer) called(req *sip.Request, tx sip.ServerTransaction) {
	session, err := p.in.ReadInvite(req, tx)
	if err != nil {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 400, "Bad Request", nil))
		return
	}
	if err := p.answer(req, session); err != nil {
		_ = session.Respond(488, "Not Acceptable Here", nil)
	}
}

func (p *Peer) answer(req *sip.Request, session *sipgo.DialogServerSession) error {
	n, l, err := p.seat()
	if err != nil {
		return err
	}
	remote, theirs, err := p.understood(req.Body())
	if err != nil {
		return err
	}
	ours, err := p.key()
	if err != nil {
		return err
	}
	if err := session.Respond(180, "Ringing", nil); err != nil {
		return err
	}
	id := req.CallID().Value()
	p.begin(id, &going{line: l, call: newCall(n, p.cfg.Bursts, ours, theirs, remote), bye: session.Bye})
	if err := session.RespondSDP(describe(l.local, ours)); err != nil {
		p.end(id)
	}
	return nil
}

func (p *Peer) ended(req *sip.Request, tx sip.ServerTransaction) {
	p.end(req.CallID().Value())
	if p.out.ReadBye(req, tx) != nil && p.in.ReadBye(req, tx) != nil {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 481, "No Such Call", nil))
	}
}

// seat gives a caller its number and a socket that has room.
func (p *Peer) seat() (int, *line, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pacer.mu.Lock()
	defer p.pacer.mu.Unlock()
	if p.count%perLine == 0 {
		l, err := newLine(p.cfg.Host)
		if err != nil {
			return 0, nil, err
		}
		p.pacer.lines = append(p.pacer.lines[:len(p.pacer.lines):len(p.pacer.lines)], l)
		p.tasks.Go(l.read)
	}
	p.count++
	return p.count, p.pacer.lines[len(p.pacer.lines)-1], nil
}

func (p *Peer) key() (*cipher, error) {
	if p.cfg.TLS == nil {
		return nil, nil
	}
	return newKey()
}

func (p *Peer) understood(body []byte) (netip.AddrPort, *cipher, error) {
	remote, theirs, err := understand(body)
	if err == nil && (theirs == nil) != (p.cfg.TLS == nil) {
		err = errors.New("audio must be encrypted when signalling is, and only then")
	}
	return remote, theirs, err
}

func (p *Peer) begin(id string, g *going) {
	g.line.add(g.call)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[id] = g
}

func (p *Peer) end(id string) {
	p.mu.Lock()
	g := p.calls[id]
	delete(p.calls, id)
	p.mu.Unlock()
	if g != nil {
		g.line.remove(g.call)
	}
}

// Calls tells how many stand.
func (p *Peer) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

// Measure counts for a span of time.
func (p *Peer) Measure(span time.Duration) Report {
	lines := p.pacer.all()
	for _, l := range lines {
		l.begin()
	}
	late, start := p.pacer.late.Load(), time.Now()
	select {
	case <-time.After(span):
	case <-p.over:
	}
	r, all := Report{Seconds: time.Since(start).Seconds(), LateSends: p.pacer.late.Load() - late}, new(gaps)
	now := time.Now().UnixNano()
	for _, l := range lines {
		l.report(&r, all, now)
	}
	r.Gap = all.read()
	return r
}

// HangUp ends all calls; those of which the server hears nothing are over all the same.
func (p *Peer) HangUp() {
	p.mu.Lock()
	calls := p.calls
	p.calls = map[string]*going{}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.ctx, byePatience)
	defer cancel()
	var wait sync.WaitGroup
	for _, g := range calls {
		wait.Go(func() {
			_ = g.bye(ctx)
			g.line.remove(g.call)
		})
	}
	wait.Wait()
}

// Close hangs up and ends all that the peer does.
func (p *Peer) Close() {
	p.HangUp()
	p.stop()
	close(p.over)
	for _, l := range p.pacer.all() {
		_ = l.conn.Close()
	}
	_ = p.closer.Close()
	_ = p.ua.Close()
	p.tasks.Wait()
}
