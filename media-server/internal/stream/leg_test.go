package stream

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"guichet/mediaserver/internal/media"
)

func testPorts(t testing.TB) *Ports {
	t.Helper()
	ports, err := NewPorts("127.0.0.1", 33000, 33999)
	if err != nil {
		t.Fatal(err)
	}
	return ports
}

func openLeg(t testing.TB, ports *Ports, notices Notices) *Leg {
	t.Helper()
	l, err := Open(ports, "leg", notices)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { finish(t, l) })
	return l
}

// finish closes a leg and waits until its goroutines have ended.
func finish(t testing.TB, l *Leg) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	ended := make(chan struct{})
	go func() { l.done.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("a read loop did not end")
	}
}

func (l *Leg) address() netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(l.port))
}

func session(remote netip.AddrPort) Session {
	return Session{Format: phoneFormat, Remote: remote, Send: true, Receive: true}
}

func configure(t testing.TB, l *Leg, s Session) {
	t.Helper()
	if err := l.Configure(s); err != nil {
		t.Fatal(err)
	}
}

// pair connects two legs.
func connect(t testing.TB, a, b *Leg, change func(a, b *Session)) {
	t.Helper()
	sa, sb := session(b.address()), session(a.address())
	if change != nil {
		change(&sa, &sb)
	}
	configure(t, a, sa)
	configure(t, b, sb)
}

// until calls step every two milliseconds until it says that it is done.
func until(t testing.TB, what string, step func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if step() {
			return
		}
	}
	t.Fatalf("%s: it does not come", what)
}

// talk runs ticks of 20 ms in which each leg hears its tone, until each says the other one's.
func talk(t testing.TB, a, b *Leg) {
	t.Helper()
	tones := [2]func() media.Frame{hum(500), hum(1500)}
	heard := [2]float64{}
	until(t, "the tone", func() bool {
		for i, l := range []*Leg{a, b} {
			f := tones[i]()
			l.Hear(&f)
			if l.Say(&f) {
				heard[i] = strength(f[:], []float64{1500, 500}[i])
			}
		}
		time.Sleep(18 * time.Millisecond)
		return heard[0] > 6000 && heard[1] > 6000
	})
}

func hum(hertz float64) func() media.Frame {
	var at int
	return func() (f media.Frame) {
		for i := range f {
			f[i] = int16(8000 * sin(hertz*float64(at)/media.Rate))
			at++
		}
		return f
	}
}

func TestLegsTalk(t *testing.T) {
	ports := testPorts(t)
	for _, suite := range []string{"", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"} {
		for _, codec := range []Format{phoneFormat, {Codec: "G722", PT: 9}} {
			a, b := openLeg(t, ports, Notices{}), openLeg(t, ports, Notices{})
			connect(t, a, b, func(sa, sb *Session) {
				sa.Format, sb.Format = codec, codec
				if suite != "" {
					sa.Local, sb.Local = testKey(suite, 1), testKey(suite, 2)
					sa.Theirs, sb.Theirs = sb.Local, sa.Local
				}
			})
			talk(t, a, b)
			if s := a.Stats(); s.Bad != 0 || s.Strangers != 0 || s.Lost != 0 || s.Sent == 0 {
				t.Errorf("%s %s: %+v", suite, codec.Codec, s)
			}
		}
	}
}

func TestLegWithAnotherKeyHearsNothing(t *testing.T) {
	ports := testPorts(t)
	a, b := openLeg(t, ports, Notices{}), openLeg(t, ports, Notices{})
	const suite = "AES_CM_128_HMAC_SHA1_80"
	connect(t, a, b, func(sa, sb *Session) {
		sa.Local, sb.Local = testKey(suite, 1), testKey(suite, 2)
		sa.Theirs, sb.Theirs = sb.Local, testKey(suite, 3)
	})
	var f media.Frame
	until(t, "the refusal", func() bool {
		a.Hear(&f)
		if b.Say(&f) {
			t.Fatal("a packet with a wrong key was played")
		}
		return b.Stats().Strangers > 5
	})
}

func TestConfigureRefuses(t *testing.T) {
	l := openLeg(t, testPorts(t), Notices{})
	good := session(netip.MustParseAddrPort("127.0.0.1:9"))
	for name, spoil := range map[string]func(*Session){
		"a codec":       func(s *Session) { s.Format.Codec = "GSM" },
		"a length":      func(s *Session) { s.Format.PacketMillis = 25 },
		"one key":       func(s *Session) { s.Local = testKey("AES_CM_128_HMAC_SHA1_80", 1) },
		"a suite":       func(s *Session) { s.Local, s.Theirs = testKey("F8", 1), testKey("F8", 2) },
		"a short key":   func(s *Session) { s.Local = &Crypto{"AES_CM_128_HMAC_SHA1_80", "AAAA"}; s.Theirs = s.Local },
		"a key of junk": func(s *Session) { s.Local = &Crypto{"AES_CM_128_HMAC_SHA1_80", "%"}; s.Theirs = s.Local },
	} {
		s := good
		spoil(&s)
		if err := l.Configure(s); err == nil {
			t.Errorf("%s was taken", name)
		}
		if l.Snapshot().Session.Remote.IsValid() {
			t.Errorf("%s: something has changed all the same", name)
		}
	}
}

func TestPortsRunOutAndComeBack(t *testing.T) {
	ports, err := NewPorts("127.0.0.1", 34000, 34007)
	if err != nil {
		t.Fatal(err)
	}
	var legs []*Leg
	for {
		l, err := Open(ports, "x", Notices{})
		if err != nil {
			if !errors.Is(err, ErrPortsExhausted) {
				t.Fatal(err)
			}
			break
		}
		if l.Port()%2 != 0 || l.Port() < 34000 || l.Port() > 34006 {
			t.Errorf("port %d", l.Port())
		}
		legs = append(legs, l)
	}
	if len(legs) == 0 || len(legs) > 4 {
		t.Fatalf("%d legs", len(legs))
	}
	finish(t, legs[0])
	again := openLeg(t, ports, Notices{})
	if again.Port() != legs[0].Port() {
		t.Errorf("port %d came back as %d", legs[0].Port(), again.Port())
	}
	for _, l := range legs[1:] {
		finish(t, l)
	}
	for _, bad := range [][2]int{{0, 10}, {20000, 20000}, {70000, 70010}, {30000, 29000}} {
		if _, err := NewPorts("127.0.0.1", bad[0], bad[1]); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	if _, err := NewPorts("", 30000, 30010); err == nil {
		t.Error("no host was taken: it would be every one")
	}
}

// A far side behind NAT, whose SDP names a private address, is learnt and sent to; a stranger is not heard.
func TestLegLearnsItsSource(t *testing.T) {
	changed := make(chan struct{}, 100)
	l := openLeg(t, testPorts(t), Notices{Changed: func() { changed <- struct{}{} }})
	s := session(netip.MustParseAddrPort("10.255.255.1:4000"))
	s.Known = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	configure(t, l, s)
	far, evil := socket(t), socket(t)
	tone := speak(t, "PCMA", 500)
	for i := range uint16(3) {
		send(t, far, l, rtpPacket(8, false, i, uint32(i)*160, 1, tone()))
	}
	<-changed
	for i := range uint16(50) {
		send(t, evil, l, rtpPacket(8, false, 3+i, uint32(3+i)*160, 1, make([]byte, 160)))
	}
	until(t, "the stranger's packets", func() bool { return l.Stats().Strangers == 50 })
	if s := l.Stats(); s.Received > 3 {
		t.Errorf("a stranger was heard: %+v", s)
	}
	l.Hear(&media.Frame{})
	buffer := make([]byte, 500)
	if n, _, err := far.ReadFromUDPAddrPort(buffer); err != nil || n != 172 {
		t.Errorf("%d bytes come back: %v", n, err)
	}
	if got := l.Snapshot(); got.Source.Port() != uint16(far.LocalAddr().(*net.UDPAddr).Port) || got.RemoteSSRC != 1 {
		t.Errorf("%+v", got)
	}
}

func socket(t testing.TB) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	return conn
}

func send(t testing.TB, from *net.UDPConn, to *Leg, packet []byte) {
	t.Helper()
	if _, err := from.WriteToUDPAddrPort(packet, to.address()); err != nil {
		t.Fatal(err)
	}
}

func TestReports(t *testing.T) {
	ports := testPorts(t)
	for _, mux := range []bool{false, true} {
		for _, suite := range []string{"", "AES_CM_128_HMAC_SHA1_80"} {
			a, b := openLeg(t, ports, Notices{}), openLeg(t, ports, Notices{})
			connect(t, a, b, func(sa, sb *Session) {
				sa.Mux, sb.Mux = mux, mux
				if suite != "" {
					sa.Local, sb.Local = testKey(suite, 1), testKey(suite, 2)
					sa.Theirs, sb.Theirs = sb.Local, sa.Local
				}
			})
			talk(t, a, b)
			setIndex(a, a.sender.index+5) // as if five packets were lost
			talk(t, a, b)
			a.report()
			until(t, "a's report", func() bool {
				b.mu.Lock()
				defer b.mu.Unlock()
				return b.reports.lastSR != 0
			})
			b.report()
			until(t, "b's report", func() bool { return a.Stats().RoundTripMillis > 0 })
			s := a.Stats()
			if s.RoundTripMillis > 2000 || s.RemoteLossPercent < 1 || s.RemoteLossPercent > 80 || s.Bad != 0 || s.Strangers != 0 {
				t.Errorf("mux %v, SRTP %q: %+v", mux, suite, s)
			}
		}
	}
}

func TestReportsOfStrangersAndJunk(t *testing.T) {
	l := openLeg(t, testPorts(t), Notices{})
	configure(t, l, session(netip.MustParseAddrPort("10.255.255.1:4000")))
	report, err := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{SSRC: 1, NTPTime: 1 << 40}})
	if err != nil {
		t.Fatal(err)
	}
	l.takeRTCP(report, netip.MustParseAddrPort("198.51.100.1:1"), false)
	l.takeRTCP([]byte{0x81, 200, 0, 9, 1}, netip.MustParseAddrPort("10.255.255.1:1"), false)
	if s := l.Stats(); s.Strangers != 1 || s.Bad != 1 || l.reports.lastSR != 0 {
		t.Errorf("%+v", s)
	}
}

// The process dies and another one takes over: the far side hears the same stream go on, farther on, and what it
// sends is understood, on the same port and from the same source only.
func TestRestore(t *testing.T) {
	ports := testPorts(t)
	for _, suite := range []string{"", "AES_CM_128_HMAC_SHA1_80"} {
		a, far := openLeg(t, ports, Notices{}), openLeg(t, ports, Notices{})
		for _, l := range []*Leg{a, far} {
			l.sender.index = 0x7fc0 // soon 32768, then near the roll-over
		}
		connect(t, a, far, func(sa, sb *Session) {
			if suite != "" {
				sa.Local, sb.Local = testKey(suite, 1), testKey(suite, 2)
				sa.Theirs, sb.Theirs = sb.Local, sa.Local
			}
		})
		talk(t, a, far)
		for _, l := range []*Leg{a, far} {
			setIndex(l, 0xffd0)
		}
		talk(t, a, far)
		for range 100 { // both roll over
			a.Hear(nil)
			far.Hear(nil)
			time.Sleep(time.Millisecond)
		}
		until(t, "all packets", func() bool { return a.Stats().Received > 100 })
		document, err := json.Marshal(a.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		finish(t, a)
		for range 20 {
			far.Hear(nil) // into the void
		}
		var kept Snapshot
		if err := json.Unmarshal(document, &kept); err != nil {
			t.Fatal(err)
		}
		if kept.Index>>16 != 1 || suite != "" && kept.RemoteIndex>>16 != 1 {
			t.Fatalf("the test did not roll over: %+v", kept)
		}
		kept.AtMillis -= 60000 // a minute has passed
		before := far.Stats()
		setIndex(far, far.sender.index+3000)
		again, err := Restore(ports, "leg", Notices{}, kept)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { finish(t, again) })
		if again.Port() != a.Port() {
			t.Errorf("port %d became %d", a.Port(), again.Port())
		}
		ssrc, index, timestamp := again.sender.position()
		if ahead := index - kept.Index; ssrc != kept.SSRC || ahead < 3200 || ahead > 3400 ||
			timestamp-kept.Timestamp < 3000*160 || timestamp-kept.Timestamp > 3100*160 {
			t.Errorf("SSRC %d, %d packets and %d ticks ahead", ssrc, ahead, (timestamp-kept.Timestamp)/160)
		}
		talk(t, again, far)
		if s := far.Stats(); s.Bad != before.Bad || s.Strangers != before.Strangers {
			t.Errorf("the far side refuses: %+v", s)
		}
		if s := again.Stats(); s.Bad != 0 || s.Strangers != 0 {
			t.Errorf("SRTP %q: the far side is refused: %+v", suite, s)
		}
		send(t, socket(t), again, rtpPacket(8, false, 1, 1, 1, make([]byte, 160)))
		until(t, "a stranger refused", func() bool { return again.Stats().Strangers == 1 })
	}
}

func setIndex(l *Leg, index uint64) {
	l.sender.mu.Lock()
	defer l.sender.mu.Unlock()
	l.sender.index = index
}

func TestRestoreWhereThePortIsTaken(t *testing.T) {
	ports := testPorts(t)
	l := openLeg(t, ports, Notices{})
	configure(t, l, session(netip.MustParseAddrPort("127.0.0.1:9")))
	if _, err := Restore(ports, "x", Notices{}, l.Snapshot()); err == nil {
		t.Error("a port was taken twice")
	}
	if _, err := Restore(ports, "x", Notices{}, Snapshot{}); err == nil {
		t.Error("an empty snapshot was restored")
	}
}
