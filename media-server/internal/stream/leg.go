package stream

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/media"
)

// Session is what offer and answer agreed on. It may change at any time by Configure.
type Session struct {
	Format Format `json:"format"`
	// Remote is where the far side's SDP wants RTP; not valid: not told yet. It is where we send until
	// the far side's own packets tell better.
	Remote netip.AddrPort `json:"remote"`
	// RemoteRTCP is a=rtcp; not valid: the port after Remote's. Mux: RTCP comes and goes on the RTP port.
	RemoteRTCP netip.AddrPort `json:"remote_rtcp"`
	Mux        bool           `json:"mux,omitempty"`
	// Known are networks from which this trunk's media may come when it does not come from Remote (a far
	// side behind NAT): the signalling's source, the trunk's CIDRs. See latch.
	Known []netip.Prefix `json:"known,omitempty"`
	// Send and Receive are the direction as seen from us.
	Send    bool `json:"send"`
	Receive bool `json:"receive"`
	// Local is the key we encrypt with, Theirs the far side's. Both or none.
	Local  *Crypto `json:"local,omitempty"`
	Theirs *Crypto `json:"theirs,omitempty"`
}

// Leg is the audio of one phone call: a media.Port with UDP sockets of its own.
type Leg struct {
	id       string
	port     int
	notices  Notices
	rtcp     *net.UDPConn
	receiver *Receiver
	sender   *Sender
	out      *outlet
	closed   chan struct{}
	done     sync.WaitGroup
	once     sync.Once

	mu      sync.Mutex
	session Session
	ready   bool // Configure was called
	latch   latch
	in      pair
	outRTCP pair // only its RTCP context; the other one is the outlet's
	resume  resume
	plain   []byte
	scratch rtp.Header
	bad     uint64
	reports reports
}

var _ media.Port = (*Leg)(nil)

// Open binds a free pair of ports. Nothing is received or sent before Configure.
func Open(ports *Ports, id string, notices Notices) (*Leg, error) {
	audioConn, reportConn, port, err := ports.open()
	if err != nil {
		return nil, err
	}
	l, err := newLeg(id, notices, audioConn, reportConn, port)
	if err != nil {
		return nil, err
	}
	l.start()
	return l, nil
}

func newLeg(id string, notices Notices, rtp, rtcp *net.UDPConn, port int) (*Leg, error) {
	l := &Leg{
		id: id, port: port, notices: notices, rtcp: rtcp, out: &outlet{conn: rtp}, closed: make(chan struct{}),
		plain: make([]byte, 0, maxRTPPacket),
	}
	first := Format{Codec: "PCMA", PT: 8} // until Configure
	receiver, err := NewReceiver(first, notices)
	if err == nil {
		l.receiver = receiver
		l.sender, err = NewSender(first, l.out)
	}
	if err == nil {
		l.reports, err = newReports()
	}
	if err != nil {
		return nil, errors.Join(err, rtp.Close(), rtcp.Close())
	}
	l.receiver.setReceiving(false)
	l.sender.SetSending(false)
	return l, nil
}

// start starts the read loops, which Close ends.
func (l *Leg) start() {
	l.done.Go(l.readRTP)
	l.done.Go(l.readRTCP)
}

// Configure applies what an offer and answer agreed on: first, and again at each re-INVITE. Another Remote
// than before makes the leg learn its source again. On an error nothing has changed.
func (l *Leg) Configure(s Session) error {
	if _, err := audio.New(s.Format.Codec); err != nil {
		return err
	}
	if _, err := s.Format.packetMillis(); err != nil {
		return err
	}
	if (s.Local == nil) != (s.Theirs == nil) {
		return ErrBadCrypto
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	local, theirs := !s.Local.equal(l.session.Local), !s.Theirs.equal(l.session.Theirs)
	out, err := s.Local.contexts()
	if err != nil {
		return err
	}
	in, err := s.Theirs.contexts()
	if err != nil {
		return err
	}
	if local {
		l.outRTCP = out
		l.sender.rewind()
		l.out.encrypt(out.rtp, l.sender.ssrc, 0)
	}
	if theirs {
		l.in, l.resume = in, resume{}
	}
	l.apply(s)
	return nil
}

// apply takes over a session whose keys are in place already.
func (l *Leg) apply(s Session) {
	s.Known = slices.Clone(s.Known)
	l.session, l.ready = s, true
	l.latch.signal(s.Remote, s.Known)
	l.redirect()
	// Both were checked: they cannot fail.
	_ = l.receiver.SetFormat(s.Format)
	_ = l.sender.SetFormat(s.Format)
	l.receiver.setReceiving(s.Receive)
	l.sender.SetSending(s.Send)
}

// SetReceiving changes only whether the far side is heard, as Session.Receive does.
func (l *Leg) SetReceiving(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.session.Receive = on
	l.receiver.setReceiving(on)
}

// redirect sends our packets to the learnt source, or to where SDP says.
func (l *Leg) redirect() {
	if l.latch.source.IsValid() && !l.latch.learning {
		l.out.direct(l.latch.source)
	} else {
		l.out.direct(l.latch.signalled)
	}
}

// readRTP is the read loop of the RTP socket.
func (l *Leg) readRTP() {
	buffer := make([]byte, maxRTPPacket)
	for {
		n, from, err := l.out.conn.ReadFromUDPAddrPort(buffer)
		switch {
		case err == nil:
			l.take(buffer[:n], from)
		case l.over(err):
			return
		}
	}
}

// over tells whether a read error means that the leg is closed.
func (l *Leg) over(err error) bool {
	select {
	case <-l.closed:
		return true
	default:
		return errors.Is(err, net.ErrClosed)
	}
}

// take takes one packet from the network.
func (l *Leg) take(packet []byte, from netip.AddrPort) {
	if isRTCP(packet) {
		l.takeRTCP(packet, from, true)
		return
	}
	h, payload, ok := parse(packet)
	now := l.receiver.now()
	l.mu.Lock()
	if !l.ready {
		l.mu.Unlock()
		return
	}
	if ok && l.in.rtp != nil {
		plain, err := l.resume.decrypt(l.in.rtp, l.plain[:0], packet, h, &l.scratch)
		if err == nil {
			h, payload, ok = parse(plain)
		} else {
			ok = false
		}
	}
	var moved bool
	switch {
	case !ok && unmap(from) != l.latch.source:
		l.latch.strangers++
	case !ok, !l.receiver.expects(h.payloadType):
		l.bad++
		ok = false
	default:
		if ok, moved = l.latch.admit(from, h, now, l.in.rtp != nil); moved {
			l.redirect()
		}
	}
	l.mu.Unlock()
	if !ok {
		return
	}
	if changed := l.receiver.take(h, payload); (moved || changed) && l.notices.Changed != nil {
		l.notices.Changed()
	}
}

// ID names the endpoint.
func (l *Leg) ID() string { return l.id }

// Port is the local RTP port, for SDP.
func (l *Leg) Port() int { return l.port }

// Say implements media.Port.
func (l *Leg) Say(f *media.Frame) bool { return l.receiver.Say(f) }

// Hear implements media.Port.
func (l *Leg) Hear(f *media.Frame) { l.sender.Hear(f) }

// Skip implements media.Skipper.
func (l *Leg) Skip(ticks uint64) { l.sender.Skip(ticks) }

// SendDigits is Sender.SendDigits.
func (l *Leg) SendDigits(digits string) error { return l.sender.SendDigits(digits) }

// Stats tells the figures of both directions.
func (l *Leg) Stats() Stats {
	stats := l.receiver.Stats()
	stats.Sent, _ = l.sender.counts()
	l.mu.Lock()
	defer l.mu.Unlock()
	stats.Bad += l.bad
	stats.Strangers = l.latch.strangers
	stats.RoundTripMillis = float64(l.reports.roundTrip) / float64(time.Millisecond)
	stats.RemoteLossPercent = l.reports.remoteLoss
	return stats
}

// Close frees the ports and ends the leg. It does not wait for a notice that is under way.
func (l *Leg) Close() error {
	var err error
	l.once.Do(func() {
		close(l.closed)
		err = errors.Join(l.out.conn.Close(), l.rtcp.Close())
	})
	return err
}
