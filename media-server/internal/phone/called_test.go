package phone

import (
	"slices"
	"testing"

	"guichet/mediaserver/internal/protocol"
)

func named(id string, numbers ...string) func(*protocol.Trunk) {
	return func(doc *protocol.Trunk) { doc.ID, doc.Numbers = id, numbers }
}

// TestSharedNetworkFindsTheTrunk: two organisations have the same carrier; each hears its own callers.
func TestSharedNetworkFindsTheTrunk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, named("a", "+33170000001")), trunkTo(p, named("b", "+33170000002")))
	for number, want := range map[string]string{"+33170000001": "a", "+33170000002": "b", "0170000002": "b", "0033170000001": "a"} {
		p.call(number).send("INVITE", p.sdp(1))
		if e := h.wait(protocol.Offered, ""); e.Trunk != want || e.To != number {
			t.Errorf("%s is offered by %s as %s, wanted %s", number, e.Trunk, e.To, want)
		}
	}
	d := p.call("+33170000003")
	d.send("INVITE", p.sdp(1))
	d.refused(p.expect("404 INVITE"))
	if e := h.wait(protocol.Refused, ""); e.Cause != "unknown_number" || e.Trunk != "" {
		t.Errorf("refused %+v", e)
	}
	h.none(protocol.Offered)
	p.call("x").send("OPTIONS", "")
	p.expect("200 OPTIONS") // any of them may ask whether we live
}

// TestOneTrunkTakesAnyNumber: with nobody beside it, a trunk's calls are its own whatever they call.
func TestOneTrunkTakesAnyNumber(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	elsewhere := trunkTo(p, named("b", "+33170000002"))
	elsewhere.Allow = []string{"192.0.2.0/24"}
	h.put(trunkTo(p, named("a", "+33170000001")), elsewhere)
	for _, number := range []string{"201", "+33170000002"} {
		p.call(number).send("INVITE", p.sdp(1))
		if e := h.wait(protocol.Offered, ""); e.Trunk != "a" {
			t.Errorf("%s is offered by %s", number, e.Trunk)
		}
	}
}

// TestARegisteredTrunkIsCalledByItsContact: the number is in To then.
func TestARegisteredTrunkIsCalledByItsContact(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	a, b := trunkTo(p, named("a", "+33170000001")), trunkTo(p, named("b", "+33170000002"))
	a.Username, b.Username = "ab12", "cd34"
	h.put(a, b)
	d := p.call("x")
	d.target, d.to = "sip:cd34@"+p.server, "<sip:+33170000002@carrier.example>"
	d.send("INVITE", p.sdp(1))
	if e := h.wait(protocol.Offered, ""); e.Trunk != "b" || e.To != "+33170000002" {
		t.Errorf("offered %+v", e)
	}
}

func TestWhoseNumberItIs(t *testing.T) {
	t.Parallel()
	trunks := map[string][]string{
		"a": {"+33170000001", "+33170000009"},
		"b": {"+33170000002", "+32170000009", "+4930123456"},
		"c": {"+33170000001"},
	}
	for called, want := range map[string][]string{
		"+33170000001":      {"a", "c"},
		"+33170000002":      {"b"},
		"33170000002":       {"b"},
		"0033170000002":     {"b"},
		"+33-1.70(00)00_02": {"b"},
		"0170000002":        {"b"},
		"170000002":         {"b"},
		"70000002":          {"b"}, // 8 digits
		"0000002":           nil,   // too few to tell
		"+170000002":        nil,   // of another country
		"00170000002":       nil,
		"+32170000009":      {"b"},
		"0170000009":        nil, // of France or of Belgium: two trunks
		"030123456":         {"b"},
		"+33170000003":      nil,
		"x33170000002":      nil,
		"":                  nil,
	} {
		var matching []*trunk
		for _, id := range []string{"a", "b", "c"} {
			matching = append(matching, &trunk{Trunk: protocol.Trunk{ID: id, Numbers: trunks[id]}})
		}
		var got []string
		for _, each := range naming(matching, func(*trunk) string { return called }) {
			got = append(got, each.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q is of %v, wanted %v", called, got, want)
		}
	}
}
