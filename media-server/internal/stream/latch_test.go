package stream

import (
	"net/netip"
	"testing"
	"time"
)

var (
	signalled = netip.MustParseAddrPort("192.168.1.7:4000")
	public    = netip.MustParseAddrPort("203.0.113.5:7000")
	carrier   = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	stranger  = netip.MustParseAddrPort("198.51.100.9:9999")
)

// feed sends packets in a row, 20 ms apart, and tells which was the first to be admitted (0: none).
func feed(l *latch, from netip.AddrPort, ssrc uint32, sequence uint16, packets int, now *time.Duration) int {
	for i := range packets {
		*now += 20 * time.Millisecond
		if ok, _ := l.admit(from, header{ssrc: ssrc, sequence: sequence + uint16(i)}, *now, false); ok {
			return i + 1
		}
	}
	return 0
}

func TestLatch(t *testing.T) {
	moved := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(public.Addr(), port) }
	for name, c := range map[string]struct {
		first     netip.AddrPort // where packets come from first, 20 of them; not valid: nowhere
		quiet     time.Duration
		from      netip.AddrPort
		ssrc      uint32
		sequence  uint16
		want      int
		strangers uint64
	}{
		"the address of SDP at once":                       {from: signalled, ssrc: 1, want: 1},
		"behind NAT, a known network: three":               {from: public, ssrc: 1, want: 3},
		"an unknown network: ten":                          {from: stranger, ssrc: 1, want: 10},
		"a stranger afterwards: never":                     {first: public, quiet: time.Minute, from: stranger, ssrc: 1, sequence: 20, strangers: 30},
		"a stranger of the known network: never":           {first: public, quiet: time.Minute, from: netip.MustParseAddrPort("203.0.113.6:7000"), ssrc: 1, sequence: 20, strangers: 30},
		"the address of SDP, even afterwards":              {first: public, from: signalled, ssrc: 9, want: 1},
		"another port, the stream goes on, the old quiet":  {first: public, quiet: 300 * time.Millisecond, from: moved(7002), ssrc: 1, sequence: 20, want: 3, strangers: 2},
		"another port, another stream: a second":           {first: public, quiet: 1100 * time.Millisecond, from: moved(7002), ssrc: 2, sequence: 5000, want: 3, strangers: 2},
		"another port, another stream, not quiet enough":   {first: public, from: moved(7002), ssrc: 2, sequence: 5000, want: 0, strangers: 30},
		"another port, numbers far off, not quiet enough":  {first: public, from: moved(7002), ssrc: 1, sequence: 40000, want: 0, strangers: 30},
		"another port in turn with the old one: only when": {first: public, from: moved(7002), ssrc: 1, sequence: 20, want: 13, strangers: 12},
	} {
		var l latch
		now := time.Hour
		l.signal(signalled, carrier)
		if c.first.IsValid() {
			if feed(&l, c.first, 1, 0, 3, &now); l.source != c.first {
				t.Fatalf("%s: %v was not learnt", name, c.first)
			}
			for i := range uint16(17) {
				l.admit(c.first, header{ssrc: 1, sequence: 3 + i}, now, false)
			}
		}
		now += c.quiet
		if got := feed(&l, c.from, c.ssrc, c.sequence, 30, &now); got != c.want || l.strangers != c.strangers {
			t.Errorf("%s: admitted at packet %d (%d is right), %d strangers (%d)", name, got, c.want, l.strangers, c.strangers)
		}
	}
}

func TestLatchWantsPacketsInARow(t *testing.T) {
	var l latch
	now := time.Hour
	l.signal(signalled, carrier)
	for i := range uint16(50) { // a scanner with a new SSRC, or any number, in each packet
		l.admit(public, header{ssrc: uint32(i), sequence: i}, now, false)
		l.admit(stranger, header{ssrc: 1, sequence: i * 1000}, now, false)
	}
	if l.source.IsValid() {
		t.Errorf("%v was learnt", l.source)
	}
}

func TestLatchLearnsAgainAfterAnotherAddress(t *testing.T) {
	var l latch
	now := time.Hour
	l.signal(signalled, carrier)
	feed(&l, public, 1, 0, 3, &now)
	l.signal(signalled, carrier) // a session refresh
	if l.learning {
		t.Fatal("it learns again although nothing has changed")
	}
	l.signal(netip.MustParseAddrPort("0.0.0.0:4000"), carrier) // hold, the old way
	if l.learning {
		t.Fatal("it learns again for an address that is none")
	}
	l.signal(netip.MustParseAddrPort("192.168.1.8:4002"), carrier)
	if feed(&l, public, 1, 3, 1, &now) != 1 {
		t.Error("the old source is not heard any more")
	}
	l.learning = true
	if got := feed(&l, netip.MustParseAddrPort("203.0.113.77:1234"), 5, 0, 5, &now); got != 3 {
		t.Errorf("the new source is heard from packet %d on", got)
	}
	if l.learning || l.strangers != 0 {
		t.Errorf("%+v", l)
	}
}

func TestLatchProven(t *testing.T) {
	var l latch
	l.signal(signalled, nil)
	if ok, _ := l.admit(stranger, header{}, time.Second, true); !ok {
		t.Error("a packet that SRTP proves is refused")
	}
	if ok, _ := l.admit(public, header{}, time.Second+100*time.Millisecond, true); ok {
		t.Error("the source moves although the old one is not quiet: a copied packet could do that")
	}
	if ok, moved := l.admit(public, header{}, time.Second+300*time.Millisecond, true); !ok || !moved {
		t.Error("the source does not move")
	}
}

// TestLatchBelievesFromAnywhereOnlyBehindNAT: who shows an address of the internet sends from it, or from the trunk's
// networks.
func TestLatchBelievesFromAnywhereOnlyBehindNAT(t *testing.T) {
	for address, want := range map[string]int{
		"10.0.0.7": 10, "172.31.0.7": 10, "192.168.1.7": 10, "100.64.0.7": 10, "100.127.255.7": 10, "127.0.0.1": 10,
		"169.254.0.7": 10, "fd00::7": 10, "fe80::7": 10, "::ffff:10.0.0.7": 10, "::ffff:192.0.2.7": 0,
		"192.0.2.7": 0, "100.128.0.7": 0, "172.32.0.7": 0, "2001:db8::7": 0,
	} {
		var l latch
		now := time.Hour
		l.signal(netip.AddrPortFrom(netip.MustParseAddr(address), 4000), carrier)
		if got := feed(&l, stranger, 1, 0, 30, &now); got != want {
			t.Errorf("%s: a stranger is admitted at packet %d (%d is right)", address, got, want)
		}
		if want == 0 && l.strangers != 30 {
			t.Errorf("%s: %d of 30 packets are counted", address, l.strangers)
		}
		l = latch{}
		l.signal(netip.AddrPortFrom(netip.MustParseAddr(address), 4000), carrier)
		if got := feed(&l, public, 1, 0, 30, &now); got != 3 {
			t.Errorf("%s: the carrier's network is admitted at packet %d", address, got)
		}
	}
	var held latch // no address was told yet
	now := time.Hour
	held.signal(netip.MustParseAddrPort("0.0.0.0:4000"), carrier)
	if feed(&held, stranger, 1, 0, 30, &now) != 0 {
		t.Error("a stranger is admitted though no address is known")
	}
}
