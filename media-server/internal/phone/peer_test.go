package phone

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// patience is how long what must come may take: a busy machine stands still for ten seconds and more.
const patience = time.Minute

func TestMain(m *testing.M) {
	sip.SetTimers(40*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond) // a lost answer costs 2.5 s, not 32
	os.Exit(m.Run())
}

// peer is a carrier: it reads and writes SIP as text, so that it can do what no well-behaved one does.
type peer struct {
	t         *testing.T
	transport string
	addr      string // its own
	host      net.IP // of its audio
	server    string // where the server listens
	inbox     chan message
	udp       *net.UDPConn
	tls       *tls.Config
	mu        sync.Mutex
	conns     []net.Conn
	media     *net.UDPConn
	crypto    string // a=crypto of its SDP
	seen      map[string]bool
	codecs    string // payload types and rtpmap lines of its SDP
}

// message is what came, and the connection it came by.
type message struct {
	sip.Message
	conn net.Conn
}

func newPeer(t *testing.T, transport string, s *Server, certs *certificates) *peer {
	t.Helper()
	return newPeerAt(t, net.IPv4(127, 0, 0, 1), transport, s, certs)
}

func newPeerAt(t *testing.T, ip net.IP, transport string, s *Server, certs *certificates) *peer {
	t.Helper()
	p := &peer{t: t, transport: transport, inbox: make(chan message, 256), seen: map[string]bool{}, codecs: "8 0 101"}
	p.host = net.IPv4(127, 0, 0, 1)
	if ip.To4() == nil {
		p.host = ip
	}
	if s != nil {
		p.server = net.JoinHostPort(p.host.String(), strconv.Itoa(s.Port(transport)))
	}
	var err error
	if p.media, err = net.ListenUDP("udp", &net.UDPAddr{IP: p.host}); err != nil {
		t.Fatal(err)
	}
	var listener net.Listener
	if transport == "udp" {
		if p.udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: ip}); err != nil {
			t.Fatal(err)
		}
		p.addr = p.udp.LocalAddr().String()
		go p.readPackets()
	} else {
		if listener, err = net.Listen("tcp", net.JoinHostPort(ip.String(), "0")); err != nil {
			t.Fatal(err)
		}
		p.addr = listener.Addr().String()
		if transport == "tls" {
			p.tls = certs.config
			listener = tls.NewListener(listener, certs.config)
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				p.take(conn)
			}
		}()
	}
	t.Cleanup(func() {
		_ = p.media.Close()
		if p.udp != nil {
			_ = p.udp.Close()
		} else {
			_ = listener.Close()
		}
		p.hangUpConnections()
	})
	return p
}

func (p *peer) hangUpConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
}

func (p *peer) take(conn net.Conn) {
	p.mu.Lock()
	p.conns = append(p.conns, conn)
	p.mu.Unlock()
	go func() {
		parser := sip.NewParser().NewSIPStream()
		buf := make([]byte, 32<<10)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			_ = parser.ParseSIPStream(buf[:n], func(msg sip.Message) { p.inbox <- message{msg, conn} })
		}
	}()
}

func (p *peer) readPackets() {
	buf := make([]byte, 32<<10)
	for {
		n, from, err := p.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		msg, err := sip.ParseMessage(bytes.Clone(buf[:n]))
		if err != nil {
			p.t.Errorf("the server sent what is no SIP: %v", err)
			continue
		}
		msg.SetSource(from.String())
		p.inbox <- message{msg, nil}
	}
}

// write sends text to the server, over the connection given or one of its own.
func (p *peer) write(text string, conn net.Conn) {
	p.t.Helper()
	if p.transport == "udp" {
		to, _ := net.ResolveUDPAddr("udp", p.server)
		if _, err := p.udp.WriteTo([]byte(text), to); err != nil {
			p.t.Fatal(err)
		}
		return
	}
	if conn == nil {
		conn = p.connect()
	}
	if _, err := conn.Write([]byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) connect() net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.conns) > 0 {
		return p.conns[len(p.conns)-1]
	}
	conn, err := net.Dial("tcp", p.server)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.transport == "tls" {
		conn = tls.Client(conn, p.tls)
	}
	p.mu.Unlock()
	p.take(conn)
	p.mu.Lock()
	return conn
}

// kind names a message: "INVITE" or "200 INVITE".
func kind(msg sip.Message) string {
	switch m := msg.(type) {
	case *sip.Request:
		return string(m.Method)
	case *sip.Response:
		return fmt.Sprintf("%d %s", m.StatusCode, m.CSeq().MethodName)
	}
	return "?"
}

// expect waits for a message of one of these kinds and drops others, repetitions of what it gave before too.
func (p *peer) expect(kinds ...string) message {
	p.t.Helper()
	return p.next(false, kinds)
}

// again is expect, but a repetition is as good.
func (p *peer) again(kinds ...string) message {
	p.t.Helper()
	return p.next(true, kinds)
}

func (p *peer) next(repeated bool, kinds []string) message {
	p.t.Helper()
	deadline := time.After(patience)
	var seen []string
	for {
		select {
		case msg := <-p.inbox:
			name := kind(msg.Message)
			key := name + branch(msg) + msg.To().Value()
			if slices.Contains(kinds, name) && (repeated || !p.seen[key]) {
				p.seen[key] = true
				return msg
			}
			seen = append(seen, kind(msg.Message))
		case <-deadline:
			p.t.Fatalf("no %v came; these did: %v", kinds, seen)
		}
	}
}

// never fails when a message of this kind comes within the pause.
func (p *peer) never(unwanted string, pause time.Duration) {
	p.t.Helper()
	deadline := time.After(pause)
	for {
		select {
		case msg := <-p.inbox:
			if kind(msg.Message) == unwanted {
				p.t.Fatalf("%s came", unwanted)
			}
		case <-deadline:
			return
		}
	}
}

// forget drops what has come.
func (p *peer) forget() {
	for {
		select {
		case <-p.inbox:
		default:
			return
		}
	}
}

func (p *peer) mediaPort() int { return p.media.LocalAddr().(*net.UDPAddr).Port }

// sdp is the peer's description; more are lines for its audio stream.
func (p *peer) sdp(version int, more ...string) string {
	profile := "RTP/AVP"
	if p.crypto != "" {
		profile = "RTP/SAVP"
		more = append(more, "a=crypto:"+p.crypto)
	}
	network := "IN IP4 " + p.host.String()
	if p.host.To4() == nil {
		network = "IN IP6 " + p.host.String()
	}
	lines := []string{"v=0", fmt.Sprintf("o=- 1 %d %s", version, network), "s=-", "c=" + network, "t=0 0",
		fmt.Sprintf("m=audio %d %s %s", p.mediaPort(), profile, p.codecs), "a=rtpmap:101 telephone-event/8000"}
	return strings.Join(append(lines, more...), "\r\n") + "\r\n"
}

// side is the peer's view of a dialog.
type side struct {
	p                 *peer
	callID, from, to  string // from and to with their tags
	target, inviteVia string
	seq, inviteSeq    int
	conn              net.Conn
	routes            []string
}

// text writes a request of the side; headers are whole lines.
func (d *side) text(method string, seq int, body string, headers ...string) string {
	via := fmt.Sprintf("SIP/2.0/%s %s;branch=z9hG4bK%s;rport", strings.ToUpper(d.p.transport), d.p.addr, random(8))
	if method == "INVITE" {
		d.inviteVia = via
	}
	if method == "CANCEL" {
		via = d.inviteVia
	}
	lines := []string{
		method + " " + d.target + " SIP/2.0", "Via: " + via, "Max-Forwards: 70", "From: " + d.from, "To: " + d.to,
		"Call-ID: " + d.callID, fmt.Sprintf("CSeq: %d %s", seq, method),
		fmt.Sprintf("Contact: <sip:peer@%s;transport=%s>", d.p.addr, d.p.transport),
	}
	for _, route := range d.routes {
		lines = append(lines, "Route: "+route)
	}
	lines = append(lines, headers...)
	if body != "" && !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Content-Type") }) {
		lines = append(lines, "Content-Type: application/sdp")
	}
	lines = append(lines, "Content-Length: "+strconv.Itoa(len(body)))
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// send writes a request with the next number.
func (d *side) send(method, body string, headers ...string) {
	d.p.t.Helper()
	d.seq++
	seq := d.seq
	switch method {
	case "INVITE":
		d.inviteSeq = seq
	case "ACK", "CANCEL":
		d.seq--
		seq = d.inviteSeq
	}
	d.p.write(d.text(method, seq, body, headers...), d.conn)
}

// call begins a call of the peer to a number.
func (p *peer) call(number string) *side {
	return &side{
		p: p, callID: "peer-" + random(6), from: fmt.Sprintf("\"Caller\" <sip:+33612345678@%s>;tag=%s", p.addr, random(4)),
		to: fmt.Sprintf("<sip:%s@%s>", number, p.server), target: fmt.Sprintf("sip:%s@%s", number, p.server),
	}
}

// refused acknowledges a final answer that is no 200: that ACK belongs to the INVITE's transaction.
func (d *side) refused(res message) {
	d.p.t.Helper()
	to := d.to
	d.to = res.To().Value()
	text := d.text("ACK", d.inviteSeq, "")
	d.to = to
	via := regexp.MustCompile(`(?m)^Via: .*\r$`)
	d.p.write(via.ReplaceAllLiteralString(text, "Via: "+d.inviteVia+"\r"), res.conn)
}

// taken fills the dialog from an answer to the peer's INVITE.
func (d *side) taken(res message) {
	d.conn = res.conn
	d.to = res.To().Value()
	if contact := res.GetHeaders("Contact"); len(contact) > 0 {
		d.target = strings.Trim(contact[0].Value(), "<>")
	}
}

// reply answers a request of the server; headers are whole lines, totag is added to To.
func (p *peer) reply(req message, code int, totag, body string, headers ...string) {
	p.t.Helper()
	lines := []string{fmt.Sprintf("SIP/2.0 %d %s", code, "Reason")}
	for _, h := range req.GetHeaders("Via") {
		lines = append(lines, "Via: "+h.Value())
	}
	to := req.To().Value()
	if totag != "" && !strings.Contains(to, ";tag=") {
		to += ";tag=" + totag
	}
	lines = append(lines, "From: "+req.From().Value(), "To: "+to, "Call-ID: "+req.CallID().Value(), "CSeq: "+req.CSeq().Value(),
		fmt.Sprintf("Contact: <sip:peer@%s;transport=%s>", p.addr, p.transport))
	if body != "" && !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Content-Type") }) {
		lines = append(lines, "Content-Type: application/sdp")
	}
	lines = append(append(lines, headers...), "Content-Length: "+strconv.Itoa(len(body)))
	p.write(strings.Join(lines, "\r\n")+"\r\n\r\n"+body, req.conn)
}

// called is the peer's view of a call that the server dialled.
func (p *peer) called(invite message, totag string) *side {
	return &side{
		p: p, callID: invite.CallID().Value(), from: invite.To().Value() + ";tag=" + totag, to: invite.From().Value(),
		target: strings.Trim(header(invite, "Contact"), "<>"), conn: invite.conn, seq: 100,
	}
}
