package stream

import (
	"net/netip"
	"slices"
)

// nowhere are the networks, beside those that net/netip tells, whose addresses no packet of the internet comes from:
// of carriers' NATs (RFC 6598), of protocols such as DS-Lite (RFC 6890), of laboratories (RFC 2544).
var nowhere = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
}

// Hidden tells whether an address has a meaning behind its own NAT only, or on its own link: RFC 1918, the networks
// above, loopback, link-local, and of IPv6 unique local ones.
func Hidden(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() ||
		slices.ContainsFunc(nowhere, func(p netip.Prefix) bool { return p.Contains(a) })
}
