package phone

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/stream"
)

// methods that we take, and extensions that we speak.
const (
	allowed   = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY"
	supported = "100rel, timer"
)

// dialog is what RFC 3261 (12) wants remembered of a call, in a form that can be saved.
type dialog struct {
	CallID    string   `json:"call_id"`
	LocalTag  string   `json:"local_tag"`
	RemoteTag string   `json:"remote_tag"`
	Local     string   `json:"local"`  // our address as From or To shows it, without tag
	Remote    string   `json:"remote"` // theirs
	LocalSeq  uint32   `json:"local_seq"`
	RemoteSeq uint32   `json:"remote_seq"`
	Target    string   `json:"target"` // where requests are addressed: their Contact
	Routes    []string `json:"routes,omitempty"`
	Transport string   `json:"transport"`
	// Source is host:port from which they spoke last; connections are used again, NATs are traversed by it.
	Source string `json:"source"`
	// Peer is the trunk's: a new TLS connection goes there, since no certificate shows the address of a Contact.
	Peer string `json:"peer"`
	// User is the user part of our Contact.
	User string `json:"user"`
}

func dialogKey(callID, localTag string) string { return callID + "\x00" + localTag }

// bare is an address header's value without its tag and other parameters.
func bare(display string, uri *sip.Uri) string {
	value := "<" + uri.String() + ">"
	if display != "" {
		value = `"` + strings.ReplaceAll(display, `"`, "") + `" ` + value
	}
	return value
}

// build makes a request of the dialog; seq is its CSeq number.
func (s *Server) build(d *dialog, method sip.RequestMethod, seq uint32) (*sip.Request, error) {
	var target sip.Uri
	if err := sip.ParseUri(d.Target, &target); err != nil {
		return nil, fmt.Errorf("read the far side's Contact: %w", err)
	}
	routes := slices.Clone(d.Routes)
	if len(routes) > 0 && !strings.Contains(routes[0], ";lr") { // a strict router of RFC 2543 takes the first place
		var first sip.Uri
		if err := sip.ParseUri(strings.Trim(routes[0], "<>"), &first); err != nil {
			return nil, fmt.Errorf("read the route: %w", err)
		}
		routes = append(routes[1:], "<"+d.Target+">")
		target = first
	}
	req := sip.NewRequest(method, target)
	req.AppendHeader(s.via(d.Transport))
	for _, route := range routes {
		req.AppendHeader(sip.NewHeader("Route", route))
	}
	hops := sip.MaxForwardsHeader(70)
	req.AppendHeader(&hops)
	remote := d.Remote
	if d.RemoteTag != "" {
		remote += ";tag=" + d.RemoteTag
	}
	req.AppendHeader(sip.NewHeader("From", d.Local+";tag="+d.LocalTag))
	req.AppendHeader(sip.NewHeader("To", remote))
	req.AppendHeader(sip.NewHeader("Call-ID", d.CallID))
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	req.AppendHeader(sip.NewHeader("Contact", s.contact(d.Transport, d.User)))
	req.AppendHeader(sip.NewHeader("User-Agent", "Guichet"))
	if method == sip.INVITE || method == sip.UPDATE {
		req.AppendHeader(sip.NewHeader("Allow", allowed))
		req.AppendHeader(sip.NewHeader("Supported", supported))
	}
	s.address(req, d.Transport, s.nextHop(d))
	return req, nil
}

func (s *Server) via(transport string) *sip.ViaHeader {
	via := &sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: strings.ToUpper(transport),
		Host: s.cfg.PublicHost, Port: s.Port(transport),
	}
	via.Params.Add("branch", sip.RFC3261BranchMagicCookie+random(12))
	via.Params.Add("rport", "")
	return via
}

// address tells the transport layer how a request leaves: UDP from our SIP port, TCP and TLS from its address.
func (s *Server) address(req *sip.Request, transport, destination string) {
	req.SetTransport(strings.ToUpper(transport))
	req.SetDestination(destination)
	n := s.networks[transport]
	switch {
	case n == nil:
	case transport == "udp":
		req.Laddr = n.local
	case !n.local.IP.IsUnspecified():
		req.Laddr = sip.Addr{IP: n.local.IP}
	}
}

func (s *Server) contact(transport, user string) string {
	host := s.cfg.PublicHost
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if user != "" {
		user += "@"
	}
	return fmt.Sprintf("<sip:%s%s:%d;transport=%s>", user, host, s.Port(transport), transport)
}

// nextHop is where the dialog's next request goes: over the connection that stands, else along the route or
// to the Contact. Names are not looked up (the far side could make us), and a private address behind a NAT
// is of no use: then it goes where their last message came from.
func (s *Server) nextHop(d *dialog) string {
	if d.Transport != "udp" && s.connected(d.Transport, d.Source) {
		return d.Source
	}
	if d.Transport == "tls" {
		return d.Peer
	}
	next := d.Target
	if len(d.Routes) > 0 {
		next = strings.Trim(d.Routes[0], "<>")
	}
	var uri sip.Uri
	if err := sip.ParseUri(next, &uri); err != nil {
		return d.Source
	}
	addr, err := netip.ParseAddr(strings.Trim(uri.Host, "[]"))
	if err != nil {
		return d.Source
	}
	addr = addr.Unmap()
	source, err := netip.ParseAddrPort(d.Source)
	if err == nil && len(d.Routes) == 0 && addr != source.Addr() && stream.Hidden(addr) && !stream.Hidden(source.Addr()) {
		return d.Source
	}
	port := uri.Port
	if port <= 0 || port > 65535 {
		port = sip.DefaultPort(d.Transport)
	}
	return netip.AddrPortFrom(addr, uint16(port)).String()
}

func (s *Server) connected(transport, addr string) bool {
	conn, err := s.ua.TransportLayer().GetConnection(transport, addr)
	if err != nil {
		return false
	}
	_, _ = conn.TryClose() // only our look at it ends
	return true
}

func asBuilt(*sipgo.Client, *sip.Request) error { return nil }

// Why a request had no answer. The stack's own errors quote the request, numbers and all: they go no further.
var (
	errNoAnswer    = errors.New("no answer")
	errUnreachable = errors.New("the far side cannot be reached")
)

// How long a connection may take that a request needs, and a far side to take what we write.
const (
	connectWithin = 5 * time.Second
	writeWithin   = 5 * time.Second
)

// begins starts a transaction; none at the server's end, since the stack would bind our port for it again.
func (s *Server) begins(ctx context.Context, req *sip.Request) (sip.ClientTransaction, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("send %s: %w", req.Method, err)
	}
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	tx, err := s.client.TransactionRequest(ctx, req, asBuilt)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", req.Method, errUnreachable)
	}
	return tx, nil
}

// ended is why a transaction ended without a final answer.
func ended(req *sip.Request, tx sip.ClientTransaction) error {
	if errors.Is(tx.Err(), sip.ErrTransactionTransport) {
		return fmt.Errorf("send %s: %w", req.Method, errUnreachable)
	}
	return fmt.Errorf("send %s: %w", req.Method, errNoAnswer)
}

// send runs a transaction that is no INVITE to its final answer.
func (s *Server) send(ctx context.Context, req *sip.Request) (*sip.Response, error) {
	tx, err := s.begins(ctx, req)
	if err != nil {
		return nil, err
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			return nil, ended(req, tx)
		case <-ctx.Done():
			return nil, fmt.Errorf("send %s: %w", req.Method, ctx.Err())
		}
	}
}

// again makes the same request anew for another try: next number, fresh branch.
func again(req *sip.Request, seq uint32) {
	req.CSeq().SeqNo = seq
	req.Via().Params.Add("branch", sip.RFC3261BranchMagicCookie+random(12))
}

// reply answers a request within what RFC 3261 wants in each answer of ours.
func (s *Server) reply(req *sip.Request, tx sip.ServerTransaction, code int, headers ...sip.Header) {
	res := sip.NewResponseFromRequest(req, code, reasons[code], nil)
	for _, h := range headers {
		res.AppendHeader(h)
	}
	if err := tx.Respond(res); err != nil {
		s.log.Debug("an answer could not be sent", "method", req.Method, "code", code, "error", err)
	}
}

// reasons are the phrases of the answers we give.
var reasons = map[int]string{
	100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 400: "Bad Request",
	401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
	410: "Gone", 415: "Unsupported Media Type", 420: "Bad Extension", 422: "Session Interval Too Small",
	480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
	486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event",
	491: "Request Pending", 500: "Server Internal Error", 503: "Service Unavailable", 600: "Busy Everywhere",
	603: "Decline",
}
