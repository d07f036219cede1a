package phone

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
)

const (
	resolveEvery = time.Minute
	trunksDoc    = "all"
)

// trunk is one carrier as its document stands. A changed document makes a new one; the limits go over to it.
type trunk struct {
	protocol.Trunk
	prefixes []netip.Prefix
	host     string
	port     int
	addr     atomic.Pointer[netip.Addr] // of host, as it was last looked up
	limits   *limits
	stop     context.CancelFunc
	ended    chan struct{} // closed when its registration and keep-alive have ended; nil: they never began
	doubt    chan struct{} // its registration may not stand any more

	mu    sync.Mutex
	up    *bool // not known before the first answer
	cause string
}

func newTrunk(doc protocol.Trunk, l *limits) (*trunk, error) {
	host, port, err := net.SplitHostPort(doc.Peer)
	if err != nil {
		return nil, fmt.Errorf("read the peer of trunk %s: %w", doc.ID, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("read the peer of trunk %s: %w", doc.ID, err)
	}
	t := &trunk{Trunk: doc, host: host, port: number, limits: l, doubt: make(chan struct{}, 1)}
	for _, cidr := range doc.Allow {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			return nil, fmt.Errorf("read the networks of trunk %s: %w", doc.ID, err)
		}
		t.prefixes = append(t.prefixes, prefix.Masked())
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		t.addr.Store(&addr)
	}
	return t, nil
}

// carries tells whether the trunk takes requests of a transport: its own, and TCP beside UDP, as a peer
// must change over for a message that fits in no packet (RFC 3261, 18.1.1).
func (t *trunk) carries(transport string) bool {
	return t.Transport == transport || t.Transport == "udp" && transport == "tcp"
}

// lets tells whether a call may come from an address: an empty list lets nothing in.
func (t *trunk) lets(addr netip.Addr) bool {
	return slices.ContainsFunc(t.prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// realm is the name under which we ask this trunk for its credentials.
func (t *trunk) realm(publicHost string) string {
	if t.Domain != "" {
		return t.Domain
	}
	return publicHost
}

// destination is host:port to which our requests go. TLS keeps the name, which the certificate must show.
func (t *trunk) destination(ctx context.Context) (string, error) {
	if t.Transport == "tls" {
		return t.Peer, nil
	}
	addr := t.addr.Load()
	if addr == nil {
		if err := t.resolve(ctx); err != nil {
			return "", err
		}
		addr = t.addr.Load()
	}
	return netip.AddrPortFrom(*addr, uint16(t.port)).String(), nil
}

func (t *trunk) resolve(ctx context.Context) error {
	if _, err := netip.ParseAddr(t.host); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.host)
	if err != nil {
		return fmt.Errorf("look up the peer of trunk %s: %w", t.ID, err)
	}
	slices.SortStableFunc(found, func(a, b netip.Addr) int { // IPv4 first
		return a.Unmap().BitLen() - b.Unmap().BitLen()
	})
	if len(found) == 0 {
		return fmt.Errorf("look up the peer of trunk %s: no address", t.ID)
	}
	addr := found[0].Unmap()
	if before := t.addr.Load(); before == nil || !slices.ContainsFunc(found, func(a netip.Addr) bool { return a.Unmap() == *before }) {
		t.addr.Store(&addr)
	}
	return nil
}

// SetTrunks takes all trunks there are over. Calls that run on a trunk that is gone, go on.
func (s *Server) SetTrunks(doc protocol.Trunks) error {
	if err := doc.Check(); err != nil {
		return err
	}
	for i, each := range doc.Trunks {
		if s.networks[each.Transport] == nil {
			return protocol.BadField(fmt.Sprintf("trunks[%d].transport", i),
				"this server listens on no "+each.Transport+" port: set sip_"+each.Transport+" in its configuration")
		}
	}
	s.trunksMu.Lock()
	defer s.trunksMu.Unlock()
	if doc.Rev < s.trunksDoc.Rev || doc.Rev == s.trunksDoc.Rev && !reflect.DeepEqual(doc, s.trunksDoc) {
		return protocol.OldRev("rev", s.trunksDoc.Rev)
	}
	if doc.Rev == s.trunksDoc.Rev { // Guichet was restarted: it does not know how the trunks are
		for _, t := range *s.trunks.Load() {
			s.tellAgain(t)
		}
		return nil
	}
	if err := s.takeTrunks(doc); err != nil {
		return err
	}
	if err := s.deps.Keep.Keep("trunks", trunksDoc, doc); err != nil {
		s.log.Error("trunks are not saved: after a restart they must be put again", "error", err)
	}
	return nil
}

func (s *Server) takeTrunks(doc protocol.Trunks) error {
	now := time.Now()
	next := make(map[string]*trunk, len(doc.Trunks))
	old := s.trunks.Load()
	for _, each := range doc.Trunks {
		before := (*old)[each.ID]
		if before != nil && reflect.DeepEqual(before.Trunk, each) {
			next[each.ID] = before
			continue
		}
		l := newLimits(each, now)
		if before != nil {
			l = before.limits
			l.set(each)
		} else if gone := s.gone[each.ID]; gone != nil { // it was taken away meanwhile: what it spent is spent
			l = gone
			l.set(each)
		} else {
			l.spend = s.spends[each.ID]
		}
		fresh, err := newTrunk(each, l)
		if err != nil {
			return err
		}
		next[each.ID] = fresh
	}
	s.trunksDoc = doc
	s.trunks.Store(&next)
	s.renewSources()
	for id, before := range *old {
		if next[id] == nil {
			s.gone[id] = before.limits
		}
		if next[id] != before && before.stop != nil {
			before.stop()
		}
	}
	for id, fresh := range next {
		if (*old)[id] != fresh {
			s.maintain(fresh, (*old)[id])
		}
	}
	return nil
}

// renewSources tells the listeners whom they may hear: the trunks, and the far sides of calls whose trunk was
// taken away or changed since.
func (s *Server) renewSources() {
	s.sourcesMu.Lock()
	defer s.sourcesMu.Unlock()
	next := &sources{byTransport: map[string][]netip.Prefix{}, peers: map[netip.Addr]bool{}}
	for _, t := range *s.trunks.Load() {
		for _, transport := range []string{"udp", "tcp", "tls"} {
			if t.carries(transport) {
				next.byTransport[transport] = append(next.byTransport[transport], t.prefixes...)
			}
		}
		if addr := t.addr.Load(); addr != nil {
			next.peers[*addr] = true
		}
	}
	for _, c := range s.all() {
		c.mu.Lock()
		transport := c.rec.Dialog.Transport
		if s.trunk(c.rec.Trunk) != c.trunk {
			next.byTransport[transport] = append(next.byTransport[transport], c.trunk.prefixes...)
			if source, err := netip.ParseAddrPort(c.rec.Dialog.Source); err == nil {
				next.peers[source.Addr()] = true
			}
		}
		c.mu.Unlock()
	}
	s.sources.Store(next)
}

func (s *Server) trunk(id string) *trunk { return (*s.trunks.Load())[id] }

// trunksOf are the trunks whose networks a request comes from; none: silence.
func (s *Server) trunksOf(req *sip.Request) []*trunk {
	from, ok := sourceOf(req)
	if !ok {
		return nil
	}
	transport := sip.NetworkToLower(req.Transport())
	var matching []*trunk
	for _, t := range *s.trunks.Load() {
		if t.carries(transport) && t.lets(from.Addr()) {
			matching = append(matching, t)
		}
	}
	return matching
}

// points tell how much of a request speaks for the trunk.
func (t *trunk) points(req *sip.Request) int {
	points := 0
	if t.InUsername != "" && strings.Contains(header(req, "Authorization"), `"`+t.InUsername+`"`) {
		points += 8
	}
	from, _ := sourceOf(req)
	if addr := t.addr.Load(); addr != nil && netip.AddrPortFrom(*addr, uint16(t.port)) == from {
		points += 4
	}
	if t.Username != "" && req.Recipient.User == t.Username {
		points += 2
	}
	if t.Domain != "" && strings.EqualFold(req.Recipient.Host, t.Domain) {
		points++
	}
	return points
}

// told says once per change that a trunk works or does not.
func (s *Server) told(t *trunk, up bool, cause string) {
	if up {
		cause = ""
	}
	t.mu.Lock()
	changed := t.up == nil || *t.up != up
	t.up, t.cause = &up, cause
	t.mu.Unlock()
	if changed {
		s.tellAgain(t)
	}
}

// tellAgain says how a trunk is, if that is known.
func (s *Server) tellAgain(t *trunk) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.up == nil {
		return
	}
	kind := protocol.TrunkDown
	if *t.up {
		kind = protocol.TrunkUp
	}
	s.deps.Emit(protocol.Event{Kind: kind, Trunk: t.ID, Cause: t.cause})
}
