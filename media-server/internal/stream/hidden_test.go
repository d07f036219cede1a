package stream

import (
	"net/netip"
	"testing"
)

func TestHidden(t *testing.T) {
	for text, want := range map[string]bool{
		"10.0.0.7": true, "172.16.0.1": true, "172.31.255.7": true, "192.168.1.7": true, // RFC 1918
		"100.64.0.0": true, "100.127.255.255": true, // RFC 6598
		"192.0.0.1": true, "192.0.0.255": true, // RFC 6890
		"198.18.0.1": true, "198.19.255.255": true, // RFC 2544
		"169.254.1.1": true, "127.0.0.1": true, "0.0.0.0": true,
		"fe80::1": true, "fe80::1%eth0": true, "fd12::1": true, "fc00::1": true, "::1": true, "::": true,
		"::ffff:10.0.0.7": true, "::ffff:100.64.0.1": true, "::ffff:198.18.0.1": true, "::ffff:127.0.0.1": true,

		"100.63.255.255": false, "100.128.0.0": false, "192.0.1.0": false, "192.0.2.9": false, "198.17.255.255": false,
		"198.20.0.0": false, "172.32.0.1": false, "203.0.113.5": false, "2001:db8::1": false, "fec0::1": false,
		"::ffff:203.0.113.5": false,
	} {
		if got := Hidden(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: hidden %v", text, got)
		}
	}
	if Hidden(netip.Addr{}) {
		t.Error("no address is hidden")
	}
}
