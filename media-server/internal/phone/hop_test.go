package phone

import "testing"

// TestAHiddenContactIsNotCalled: a far side behind NAT tells an address that only its own network knows.
func TestAHiddenContactIsNotCalled(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const public, lab = "203.0.113.5:5070", "192.168.7.5:5070"
	for _, c := range []struct{ contact, source, want string }{
		{"10.0.0.9:5062", public, public},
		{"100.64.0.9:5062", public, public}, // a carrier's NAT
		{"192.0.0.2:5062", public, public},
		{"198.18.0.9:5062", public, public},
		{"169.254.0.9:5062", public, public},
		{"[fd12::9]:5062", public, public},
		{"[fe80::9]:5062", public, public},
		{"[::ffff:10.0.0.9]:5062", public, public},
		{"[::ffff:203.0.113.9]:5062", public, "203.0.113.9:5062"},
		{"203.0.113.9", public, "203.0.113.9:5060"},
		{"[2001:db8::9]:5062", "[2001:db8::5]:5060", "[2001:db8::9]:5062"},
		{"10.0.0.9:5062", lab, "10.0.0.9:5062"}, // a house without NAT
		{"pbx.example", public, public},         // names are not looked up
	} {
		d := &dialog{Transport: "udp", Target: "sip:peer@" + c.contact, Source: c.source}
		if got := h.s.nextHop(d); got != c.want {
			t.Errorf("to %s, which speaks from %s, it goes to %s, not to %s", c.contact, c.source, got, c.want)
		}
	}
}
