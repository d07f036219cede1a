package phone

import (
	"fmt"
	"testing"
	"time"

	"guichet/mediaserver/internal/protocol"
)

// TestAByeIsSignedWhereTheTrunkAsks, of calls in both directions; else the call would be paid until the carrier tires.
func TestAByeIsSignedWhereTheTrunkAsks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.Username, doc.Password = "account", "secret" }))
	for _, c := range []struct {
		code        int
		ask, answer string
	}{{401, "WWW-Authenticate", "Authorization"}, {407, "Proxy-Authenticate", "Proxy-Authorization"}} {
		ask := fmt.Sprintf(`%s: Digest realm="carrier", nonce="n%d", algorithm=MD5, qop="auth"`, c.ask, c.code)
		_, in := h.incoming(p)
		out := fmt.Sprintf("out-%d", c.code)
		h.outgoing(p, out)
		for _, id := range []string{in, out} {
			h.do(h.s.HangUp(id, protocol.Ending{}))
			bye := p.expect("BYE")
			if header(bye, c.answer) != "" {
				t.Errorf("a BYE with credentials that nobody asked for:\n%s", bye)
			}
			p.reply(bye, c.code, "", "", ask)
			again := p.expect("BYE")
			if header(again, c.answer) == "" || again.CSeq().SeqNo != bye.CSeq().SeqNo+1 || branch(again) == branch(bye) ||
				again.CallID().Value() != bye.CallID().Value() || again.To().Value() != bye.To().Value() {
				t.Errorf("after %d:\n%s", c.code, again)
			}
			p.reply(again, c.code, "", "", ask) // it does not believe us: there is no third
			h.wait(protocol.Left, id)
		}
	}
	p.never("BYE", 100*time.Millisecond)
	h.quiet(p, 0)
}

// TestARegistrarThatFallsSilent is told, and asked until it is back: at the next refresh, or before, when it does not
// answer OPTIONS either.
func TestARegistrarThatFallsSilent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][2]int{"at the refresh": {30, 0}, "before": {80_000, 5}} {
		t.Run(name, func(t *testing.T) { fallsSilent(t, c[0], c[1]) })
	}
}

func fallsSilent(t *testing.T, expires, options int) {
	h, granted := newHouse(t), fmt.Sprintf("Expires: %d", expires)
	quick(h, 5*time.Millisecond)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) {
		doc.Register, doc.RegisterSeconds, doc.OptionsSeconds, doc.Username, doc.Password = true, expires, options, "account", "secret"
	}))
	p.reply(p.expect("REGISTER"), 200, "x", "", granted)
	h.wait(protocol.TrunkUp, "")
	if e := h.wait(protocol.TrunkDown, ""); e.Trunk != "carrier" || e.Cause != "no_answer" {
		t.Errorf("down %+v", e)
	}
	h.none(protocol.TrunkUp)
	for !h.told(protocol.TrunkUp) { // some that come are of tries that are given up
		switch msg := p.expect("REGISTER", "OPTIONS"); kind(msg.Message) {
		case "REGISTER":
			p.reply(msg, 200, "x", "", granted)
		default:
			p.reply(msg, 200, "x", "")
		}
	}
	if e := h.wait(protocol.TrunkUp, ""); e.Trunk != "carrier" || e.Cause != "" {
		t.Errorf("up %+v", e)
	}
}
