package stream

import (
	"net/netip"
	"time"
)

// What a source must show before it is believed, when it is not the one that SDP named.
const (
	packetsKnown   = 3  // in a row, from a network that may send this trunk's media
	packetsUnknown = 10 // from elsewhere, of a far side behind NAT
	quietSame      = 200 * time.Millisecond
	quietOther     = time.Second
	candidates     = 4
	maxGap         = 5    // lost packets within "in a row"
	maxAhead       = 3000 // sequence numbers by which a moved source goes on
)

// latch learns where the far side's packets come from, and refuses those of strangers (symmetric RTP).
//
//   - The address that SDP named is believed at once, always: the signalling said so.
//   - Another address is believed before any other was, when it sends a consistent stream (one SSRC, sequence numbers
//     in a row): 3 packets from a known network; 10 from elsewhere, where SDP named an address that no packet comes from
//     (a private one: the far side is behind NAT); 1 where SRTP proves that it is the far side.
//   - Afterwards it may only move as a NAT or a carrier's media server moves it: the same host sends from another
//     port, the old one being quiet: for 200 ms where the SSRC and the numbers go on, for a second where they do not.
//     With SRTP any address may, after 200 ms.
//   - An offer or answer with another address makes it learn again; the old source is heard until there is a new one.
type latch struct {
	signalled netip.AddrPort
	known     []netip.Prefix
	source    netip.AddrPort // believed; not valid: none
	learning  bool           // the source may be left for any other
	ssrc      uint32
	sequence  uint16
	last      time.Duration
	strangers uint64

	trying [candidates]candidate
	turn   int
}

type candidate struct {
	from     netip.AddrPort
	ssrc     uint32
	sequence uint16
	packets  int
}

// signal takes in what SDP says; an address that is none (0.0.0.0 means hold) tells nothing.
func (l *latch) signal(remote netip.AddrPort, known []netip.Prefix) {
	remote = unmap(remote)
	if remote.IsValid() && !remote.Addr().IsUnspecified() && remote.Port() != 0 && remote != l.signalled {
		l.learning = true
		l.signalled = remote
		l.trying = [candidates]candidate{}
	}
	l.known = known
}

// admit tells whether a packet is the far side's, and whether its source has changed with it. Proven: SRTP
// authenticated it.
func (l *latch) admit(from netip.AddrPort, h header, now time.Duration, proven bool) (ok, moved bool) {
	from = unmap(from)
	switch {
	case l.source.IsValid() && from == l.source:
	case from == l.signalled, l.believe(from, h, now, proven):
		l.source, l.learning, moved = from, false, true
		l.trying = [candidates]candidate{}
	default:
		if l.source.IsValid() && !l.learning || !l.near(from.Addr()) && !l.hidden() {
			l.strangers++
		}
		return false, false
	}
	l.ssrc, l.sequence, l.last = h.ssrc, h.sequence, now
	return true, moved
}

// believe tells whether a source has shown enough.
func (l *latch) believe(from netip.AddrPort, h header, now time.Duration, proven bool) bool {
	need := packetsUnknown
	free := l.learning || !l.source.IsValid()
	quiet := now - l.last
	switch {
	case proven && (free || quiet > quietSame):
		return true
	case free:
		switch {
		case l.near(from.Addr()):
			need = packetsKnown
		case !l.hidden():
			return false
		}
	case from.Addr() != l.source.Addr():
		return false
	case h.ssrc == l.ssrc && h.sequence-l.sequence < maxAhead && quiet > quietSame, quiet > quietOther:
		need = packetsKnown
	default:
		return false
	}
	return l.try(from, h) >= need
}

// near tells whether an address is one of which media of this trunk may be expected.
func (l *latch) near(address netip.Addr) bool {
	if address == l.signalled.Addr() {
		return true
	}
	for _, network := range l.known {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

// hidden tells whether SDP named an address that is known behind a NAT only.
func (l *latch) hidden() bool { return Hidden(l.signalled.Addr()) }

// try counts the packets in a row of a candidate.
func (l *latch) try(from netip.AddrPort, h header) int {
	for i := range l.trying {
		c := &l.trying[i]
		if c.from != from {
			continue
		}
		if ahead := h.sequence - c.sequence; c.ssrc != h.ssrc || ahead == 0 || ahead > maxGap {
			c.packets = 0
		}
		c.ssrc, c.sequence = h.ssrc, h.sequence
		c.packets++
		return c.packets
	}
	l.trying[l.turn] = candidate{from: from, ssrc: h.ssrc, sequence: h.sequence, packets: 1}
	l.turn = (l.turn + 1) % candidates
	return 1
}

// unmap makes one address of the two forms that an IPv4 address has on an IPv6 socket.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
