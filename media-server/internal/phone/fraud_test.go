package phone

import (
	"encoding/json"
	"maps"
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

// TestTheSpendLimitIsTold once, when running calls reach it: they go on, and no others begin.
func TestTheSpendLimitIsTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	limit := func(amount float64) {
		t.Helper()
		h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.SpendPerDay, doc.PricePerMin = amount, map[string]float64{"+33": 60} }))
	}
	dial := protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}
	limit(0.3)
	d := h.outgoing(p, "out")
	if e := h.wait(protocol.SpendReached, ""); e.Trunk != "carrier" {
		t.Errorf("told %+v", e)
	}
	refusal(t, h.s.Dial("more", dial), "limit", "spend_per_day")
	h.restart()
	refusal(t, h.s.Dial("more", dial), "limit", "spend_per_day")
	h.none(protocol.SpendReached)
	limit(1000) // raised
	h.do(h.s.Dial("another", dial))
	p.reply(p.expect("INVITE"), 486, "x", "")
	h.wait(protocol.Left, "another")
	h.none(protocol.SpendReached)
	limit(1)
	h.wait(protocol.SpendReached, "")
	h.none(protocol.Left)
	d.send("BYE", "")
	p.expect("200 BYE")
}

func TestTheSpendLimitIsToldOnceADay(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	l := newLimits(protocol.Trunk{Countries: []string{"+33"}, SpendPerDay: 1, PricePerMin: map[string]float64{"+33": 1}}, now)
	l.answered("a", "+33170000000", now)
	told := map[string]int{}
	const step = 20 * time.Second // the one over midnight is of the new day
	for at := time.Duration(0); at < 36*time.Hour; at += step {
		if l.reached(now.Add(at)) {
			told[now.Add(at).Format(time.DateTime)]++
		}
	}
	if want := map[string]int{"2026-05-04 12:01:00": 1, "2026-05-05 00:00:40": 1}; !maps.Equal(told, want) {
		t.Errorf("told %v, wanted %v", told, want)
	}
	free := newLimits(protocol.Trunk{Countries: []string{"+33"}, PricePerMin: map[string]float64{"+33": 1}}, now)
	free.answered("a", "+33170000000", now)
	if free.reached(now.Add(time.Hour)) {
		t.Error("a trunk without limit has reached it")
	}
}

// TestATrunkThatIsGoneGoesOnSpending until its last call ends, over a crash too.
func TestATrunkThatIsGoneGoesOnSpending(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	doc := trunkTo(p, func(doc *protocol.Trunk) { doc.SpendPerDay, doc.PricePerMin = 0.5, map[string]float64{"+33": 60} })
	h.put(doc)
	h.outgoing(p, "out")
	h.put()
	saved := func() (sum spend) {
		h.do(h.keeper.Each("spend", func(_ string, doc json.RawMessage) error { return json.Unmarshal(doc, &sum) }))
		return sum
	}
	h.until(func() bool { return saved().Amount >= 0.5 })
	h.restart()
	h.put(doc)
	refusal(t, h.s.Dial("more", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}), "limit", "spend_per_day")
}
