package phone

import (
	"testing"
	"time"

	"github.com/icholy/digest"

	"guichet/mediaserver/internal/protocol"
)

// TestNumbersInDisguise: carriers skip what only separates, so limits must not be walked around with it.
func TestNumbersInDisguise(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLimits(protocol.Trunk{Countries: []string{"+33", "0"}, SpendPerDay: 10,
		PricePerMin: map[string]float64{"+33": 0.01, "+33899": 3, "0": 0.01}}, now)
	for number, want := range map[string]float64{
		"+33170000000": 0.01, "+33899000000": 3, "+33-899-000000": 3, "+33.8.99.000000": 3, "0033_899000000": 3, "0170000000": 0.01,
	} {
		if price, ok := l.price(number); !ok || price != want {
			t.Errorf("%s costs %v", number, price)
		}
	}
	for _, number := range []string{"00447000000", "+0044700000", "00044700000", "0-0-447000000", "+-0044700000", "-+447000000"} {
		if fieldOf(l.allowed(number, now)) != "countries" {
			t.Errorf("%s may be dialled by the prefix 0 of national numbers", number)
		}
	}
}

// TestCredentialsOfOneCallOpenNoOther: who has seen an INVITE has its branch too.
func TestCredentialsOfOneCallOpenNoOther(t *testing.T) {
	t.Parallel()
	c, now := newChallenger(), time.Now()
	challenge, err := digest.ParseChallenge(c.challenge("house", false, now))
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, transport: "udp", addr: "127.0.0.1:1", server: "127.0.0.1:2"}
	trunk := protocol.Trunk{InUsername: "pbx", InPassword: "secret"}
	credentials := "Authorization: " + signed(t, challenge)
	first := parsed(t, p.call("1").text("INVITE", 1, "", credentials))
	other := parsed(t, p.call("2").text("INVITE", 1, "", credentials))
	other.Via().Params.Add("branch", branch(first))
	for _, want := range []string{"", ""} { // it is repeated
		if ok, _, cause := c.verify(first, trunk, "house", now); !ok || cause != want {
			t.Fatalf("its own call: %v %q", ok, cause)
		}
	}
	if ok, _, cause := c.verify(other, trunk, "house", now); ok || cause != "replay" {
		t.Errorf("another call with the same branch: %v %q", ok, cause)
	}
}

// TestNobodyIsSentToAnEmergencyNumber by a far side that redirects.
func TestNobodyIsSentToAnEmergencyNumber(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	h.do(h.s.Dial("leg", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	p.reply(invite, 302, "a", "", "Contact: <sip:112@192.0.2.1>")
	p.expect("ACK")
	if e := h.wait(protocol.Left, "leg"); e.Cause != "redirected" {
		t.Errorf("left %+v", e)
	}
}

// TestATrunkThatComesBackHasSpentWhatItHad: taking it out of the document and putting it again buys nothing.
func TestATrunkThatComesBackHasSpentWhatItHad(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	doc := trunkTo(p, func(doc *protocol.Trunk) { doc.SpendPerDay, doc.PricePerMin = 1, map[string]float64{"+33": 60} })
	h.put(doc)
	d := h.outgoing(p, "out")
	h.until(func() bool { sum, _ := h.s.trunk("carrier").limits.owed(time.Now()); return sum.Amount >= 1 })
	h.put()
	h.put(doc)
	refusal(t, h.s.Dial("more", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}), "limit", "spend_per_day")
	if n := h.s.trunk("carrier").limits.running(); n != 1 {
		t.Errorf("%d calls are counted", n)
	}
	d.send("BYE", "")
	p.expect("200 BYE")
}
