package phone

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"guichet/mediaserver/internal/protocol"
)

// maxConnections of TCP and TLS are open at once; a trunk needs one.
const maxConnections = 1024

// sources is who may speak to us at all, by transport. It is replaced as a whole and read for each packet,
// before anything of it is parsed.
type sources struct {
	byTransport map[string][]netip.Prefix
	peers       map[netip.Addr]bool // where our own requests go: their answers come in too
}

func (s *sources) admit(transport string, addr netip.Addr) bool {
	if s == nil {
		return false
	}
	for _, prefix := range s.byTransport[transport] {
		if prefix.Contains(addr) {
			return true
		}
	}
	return s.peers[addr]
}

// refusals counts who was turned away; due tells it once a second, whatever is thrown at us.
type refusals struct {
	mu    sync.Mutex
	told  time.Time
	count map[[2]string]int // by trunk and cause
	emit  protocol.Emit
}

func (r *refusals) add(trunk, cause string) {
	r.mu.Lock()
	r.count[[2]string{trunk, cause}]++
	r.mu.Unlock()
}

func (r *refusals) due(now time.Time, every time.Duration) {
	r.mu.Lock()
	if len(r.count) == 0 || now.Sub(r.told) < every {
		r.mu.Unlock()
		return
	}
	count := r.count
	r.told = now
	r.count = map[[2]string]int{}
	r.mu.Unlock()
	for key, n := range count {
		r.emit(protocol.Event{Kind: protocol.Refused, Trunk: key[0], Cause: key[1], Count: n})
	}
}

// Challenges that one address gets, and how many addresses are told apart; all others share one measure.
const (
	challengesPerSecond = 20
	maxPaced            = 4096
)

// pace bounds how often an address is asked for its credentials: each question that nobody answers is kept and
// repeated for half a minute, which is what a scanner in a wide network would make us do.
type pace struct {
	mu     sync.Mutex
	byAddr map[netip.Addr]*rate.Limiter
	rest   *rate.Limiter
	swept  time.Time
}

func newPace() *pace {
	return &pace{byAddr: map[netip.Addr]*rate.Limiter{}, rest: rate.NewLimiter(challengesPerSecond, challengesPerSecond)}
}

func (p *pace) allow(addr netip.Addr, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.swept) > time.Minute { // who was quiet so long begins anew
		clear(p.byAddr)
		p.swept = now
	}
	limiter := p.byAddr[addr]
	switch {
	case limiter != nil:
	case len(p.byAddr) < maxPaced:
		limiter = rate.NewLimiter(challengesPerSecond, challengesPerSecond)
		p.byAddr[addr] = limiter
	default:
		limiter = p.rest
	}
	return limiter.AllowN(now, 1)
}

// packets drops what strangers send before the SIP stack sees it: no parsing, no transaction, no answer.
type packets struct {
	*net.UDPConn
	allowed  *atomic.Pointer[sources]
	refusals *refusals
}

// ReadFrom gives the next packet of somebody we know. Only the end of the socket ends it.
func (p *packets) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := p.ReadFromUDPAddrPort(b)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return 0, nil, err
			}
			time.Sleep(time.Millisecond) // an ICMP error of some peer, no memory: the listener goes on
			continue
		}
		addr := from.Addr().Unmap()
		if !p.allowed.Load().admit("udp", addr) {
			p.refusals.add("", "unknown_source")
			continue
		}
		return n, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, from.Port())), nil
	}
}

// streams closes the connections of strangers before a byte of them is read, and bounds those of the others.
type streams struct {
	net.Listener
	transport string
	allowed   *atomic.Pointer[sources]
	refusals  *refusals
	open      *atomic.Int64
}

// Accept gives the next connection of somebody we know. Only the end of the listener ends it.
func (l *streams) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			time.Sleep(10 * time.Millisecond) // no file descriptor is free: the listener goes on
			continue
		}
		from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		cause := ""
		switch {
		case err != nil || !l.allowed.Load().admit(l.transport, from.Addr().Unmap()):
			cause = "unknown_source"
		case l.open.Load() >= maxConnections:
			cause = "max_connections"
		}
		if cause != "" {
			l.refusals.add("", cause)
			_ = conn.Close()
			continue
		}
		l.open.Add(1)
		return &counted{Conn: conn, open: l.open}, nil
	}
}

type counted struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

// Close closes the connection and gives its place free.
func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
