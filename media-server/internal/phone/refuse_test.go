package phone

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"guichet/mediaserver/internal/protocol"
)

func TestStrangersHearNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeerAt(t, net.IPv4(127, 0, 0, 2), "udp", h.s, nil)
	friend := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(friend))
	h.echo()
	d, id := h.incoming(friend)
	talk := friend.talks(h.leg(id))
	talk.hears(5)
	sound := make(chan struct{})
	go func() {
		defer close(sound)
		talk.hears(40)
	}()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for range 1000 {
		<-pace.C
		p.call("+33170000000").send("INVITE", p.sdp(1))
	}
	<-sound
	count := 0
	for count < 900 { // the kernel may drop some
		e := h.wait(protocol.Refused, "")
		if e.Cause != "unknown_source" || e.Trunk != "" {
			t.Errorf("refused %+v", e)
		}
		count += e.Count
	}
	p.never("100 INVITE", 50*time.Millisecond)
	h.none(protocol.Offered)
	d.send("INVITE", friend.sdp(2, "a=sendonly"))
	friend.expect("200 INVITE")
	d.send("ACK", "")
	h.wait(protocol.Held, id)
}

func TestTrunkDecidesByNetworkOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	for name, allow := range map[string][]string{"empty": nil, "other": {"192.0.2.0/24"}} {
		h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.Allow = allow }))
		d := p.call("+33170000000")
		d.send("INVITE", p.sdp(1)) // it comes from the trunk's peer, whose answers we hear: still no call
		d.send("OPTIONS", "")
		if e := h.wait(protocol.Refused, ""); e.Cause != "unknown_source" {
			t.Errorf("%s list: %+v", name, e)
		}
		p.never("100 INVITE", 50*time.Millisecond)
	}
	h.none(protocol.Offered)
	err := h.s.SetTrunks(protocol.Trunks{Rev: 9, Trunks: []protocol.Trunk{trunkTo(p, func(doc *protocol.Trunk) { doc.Allow = []string{"127.0.0.1/99"} })}})
	refusal(t, err, "bad_field", "trunks[0].allow[0]")
	refusal(t, h.s.SetTrunks(protocol.Trunks{Rev: 1}), "old_rev", "rev")
	tls := trunkTo(p, func(doc *protocol.Trunk) { doc.Transport = "tls" })
	refusal(t, h.s.SetTrunks(protocol.Trunks{Rev: 9, Trunks: []protocol.Trunk{tls}}), "bad_field", "trunks[0].transport")
}

// credentials answers our challenge as a telephone does.
func credentials(t *testing.T, asked message, uri, user, password string, count int) string {
	t.Helper()
	challenge, err := digest.ParseChallenge(header(asked, "WWW-Authenticate"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := digest.Digest(challenge, digest.Options{Method: "INVITE", URI: uri, Username: user, Password: password, Count: count})
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: " + answer.String()
}

func TestIncomingDigest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.InUsername, doc.InPassword = "pbx", "secret" }))
	d := p.call("+33170000000")
	ask := func(headers ...string) message {
		d.send("INVITE", p.sdp(1), headers...)
		res := p.expect("401 INVITE", "180 INVITE", "200 INVITE", "100 INVITE")
		for kind(res.Message) == "100 INVITE" {
			res = p.expect("401 INVITE", "180 INVITE", "200 INVITE", "100 INVITE")
		}
		d.refused(res)
		return res
	}
	asked := ask()
	ask(credentials(t, asked, d.target, "pbx", "wrong", 1))
	if e := h.wait(protocol.Refused, ""); e.Cause != "digest" || e.Trunk != "carrier" || e.Count != 1 {
		t.Errorf("refused %+v", e)
	}
	good := credentials(t, asked, d.target, "pbx", "secret", 1)
	d.send("INVITE", p.sdp(1), good)
	id := h.wait(protocol.Offered, "").Endpoint
	h.do(h.s.Reject(id, protocol.Ending{Code: 486}))
	d.refused(p.expect("486 INVITE"))
	if e := h.wait(protocol.Left, id); e.Who != "us" || e.Code != 486 {
		t.Errorf("left %+v", e)
	}
	ask(good) // the same credentials again
	if e := h.wait(protocol.Refused, ""); e.Cause != "replay" {
		t.Errorf("refused %+v", e)
	}
	old := message{sip.NewResponse(401, ""), nil} // of before a restart: signed by another secret
	old.AppendHeader(sip.NewHeader("WWW-Authenticate", newChallenger().challenge("127.0.0.1", false, time.Now())))
	if stale := ask(credentials(t, old, d.target, "pbx", "secret", 1)); !strings.Contains(header(stale, "WWW-Authenticate"), "stale=true") {
		t.Errorf("challenge %s", header(stale, "WWW-Authenticate"))
	}
}

func TestNonceExpires(t *testing.T) {
	t.Parallel()
	c, now := newChallenger(), time.Now()
	challenge, err := digest.ParseChallenge(c.challenge("house", false, now))
	if err != nil {
		t.Fatal(err)
	}
	if !c.use(challenge.Nonce, 1, "b1", now) || c.use(challenge.Nonce, 1, "b2", now) || !c.use(challenge.Nonce, 2, "b2", now) {
		t.Error("each count counts once")
	}
	p := &peer{t: t, transport: "udp", addr: "127.0.0.1:1", server: "127.0.0.1:2"}
	req := parsed(t, p.call("1").text("INVITE", 1, "", "Authorization: "+signed(t, challenge)))
	trunk := protocol.Trunk{InUsername: "pbx", InPassword: "secret"}
	if ok, _, _ := c.verify(req, trunk, "house", now.Add(time.Second)); !ok {
		t.Error("a fresh nonce is refused")
	}
	if ok, stale, cause := c.verify(req, trunk, "house", now.Add(2*nonceLife)); ok || !stale || cause != "" {
		t.Errorf("an old nonce: %v %v %q", ok, stale, cause)
	}
}

func signed(t *testing.T, challenge *digest.Challenge) string {
	t.Helper()
	answer, err := digest.Digest(challenge, digest.Options{Method: "INVITE", URI: "sip:1@127.0.0.1:2", Username: "pbx", Password: "secret", Count: 9})
	if err != nil {
		t.Fatal(err)
	}
	return answer.String()
}

func TestAScannerInAWideNetworkIsNotAskedForEver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.InUsername, doc.InPassword = "pbx", "secret" }))
	for range 200 {
		p.call("+33170000000").send("INVITE", p.sdp(1))
	}
	h.wait(protocol.Refused, "")
	asked := map[string]bool{}
	for end := time.After(300 * time.Millisecond); ; {
		select {
		case msg := <-p.inbox:
			asked[branch(msg)] = true
			continue
		case <-end:
		}
		break
	}
	if len(asked) == 0 || len(asked) > 2*challengesPerSecond {
		t.Errorf("%d of 200 were asked", len(asked))
	}
	wide := newPace()
	now := time.Now()
	for i := range maxPaced {
		wide.allow(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now)
	}
	passed := 0
	for i := range 1000 {
		if wide.allow(netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), now) {
			passed++
		}
	}
	if passed != challengesPerSecond {
		t.Errorf("%d of 1,000 further addresses are asked", passed)
	}
}

func TestOutgoingDigest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.Username, doc.Password = "guichet", "secret" }))
	ask := `%s: Digest realm="carrier", nonce="n%d", algorithm=%s, qop="auth,auth-int"`
	dial := protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}
	h.do(h.s.Dial("leg-1", dial))
	invite := p.expect("INVITE")
	p.reply(invite, 407, "x", "", fmt.Sprintf(ask, "Proxy-Authenticate", 1, "MD5"), fmt.Sprintf(ask, "Proxy-Authenticate", 2, "SHA-256"))
	p.expect("ACK")
	invite = p.expect("INVITE")
	given, err := digest.ParseCredentials(header(invite, "Proxy-Authorization"))
	if err != nil || given.Algorithm != "SHA-256" || given.Username != "guichet" || invite.CSeq().SeqNo != 3 {
		t.Errorf("credentials %+v, %v, CSeq %d", given, err, invite.CSeq().SeqNo)
	}
	p.reply(invite, 200, "a", p.sdp(1))
	if ack := p.expect("ACK"); header(ack, "Proxy-Authorization") == "" || ack.CSeq().SeqNo != invite.CSeq().SeqNo {
		t.Errorf("the ACK has no credentials:\n%s", ack)
	}
	h.wait(protocol.Answered, "leg-1")
	h.do(h.s.HangUp("leg-1", protocol.Ending{}))
	bye := p.expect("BYE")
	p.reply(bye, 401, "", "", fmt.Sprintf(ask, "WWW-Authenticate", 3, "MD5"))
	if again := p.expect("BYE"); header(again, "Authorization") == "" || again.CSeq().SeqNo != bye.CSeq().SeqNo+1 {
		t.Errorf("second BYE:\n%s", again)
	}

	h.do(h.s.Dial("leg-2", dial))
	for range 2 {
		invite = p.expect("INVITE")
		p.reply(invite, 401, "x", "", fmt.Sprintf(ask, "WWW-Authenticate", 4, "MD5"))
		p.expect("ACK")
	}
	if e := h.wait(protocol.Left, "leg-2"); e.Cause != "credentials" || e.Code != 401 || e.Who != "them" {
		t.Errorf("left %+v", e)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLimits(protocol.Trunk{
		MaxCalls: 2, MaxPerSecond: 100, Countries: []string{"+33", "+3491", "2"}, SpendPerDay: 1,
		PricePerMin: map[string]float64{"+33": 0.5, "+336": 2, "2": 0},
	}, now)
	for number, field := range map[string]string{
		"+33170000000": "", "0033170000000": "", "33170000000": "countries", "201": "", "+201": "",
		"+447000000": "countries", "0170000000": "countries", "+34911": "price_per_min", "112": "", "15": "", "911": "", "1": "countries",
	} {
		refused := l.allowed(number, now)
		if got := fieldOf(refused); got != field {
			t.Errorf("%s is refused by %q, wanted %q", number, got, field)
		}
	}
	if refused := l.admitOut("+33612345678", now); refused != nil {
		t.Fatal(refused)
	}
	l.answered("a", "+33612345678", now)
	if refused := l.admitOut("+33170000000", now.Add(15*time.Second)); refused != nil { // 0.50 spent
		t.Error(refused)
	}
	if refused := l.admitOut("+33170000000", now.Add(16*time.Second)); fieldOf(refused) != "max_calls" {
		t.Errorf("third call: %v", refused)
	}
	if cause := l.admitIn(now); cause != "max_calls" {
		t.Errorf("third call, incoming: %q", cause)
	}
	if refused := l.admitOut("112", now.Add(17*time.Second)); refused != nil {
		t.Errorf("an emergency call: %v", refused)
	}
	l.done("a", now.Add(20*time.Second))
	l.done("b", now.Add(20*time.Second))
	sum, changed := l.owed(now.Add(40 * time.Second))
	if !changed || sum.Amount < 0.66 || sum.Amount > 0.67 {
		t.Errorf("20 s at 2.00 a minute cost %v", sum.Amount)
	}
	l.spend.Amount = 1
	if refused := l.allowed("+33170000000", now.Add(41*time.Second)); fieldOf(refused) != "spend_per_day" {
		t.Errorf("all is spent: %v", refused)
	}
	if refused := l.allowed("17", now.Add(41*time.Second)); refused != nil {
		t.Errorf("an emergency call: %v", refused)
	}
	if refused := l.allowed("+33170000000", now.Add(25*time.Hour)); refused != nil {
		t.Errorf("the next day: %v", refused)
	}
	silent := newLimits(protocol.Trunk{}, now)
	if fieldOf(silent.allowed("112", now)) != "countries" || fieldOf(silent.allowed("+33170000000", now)) != "countries" {
		t.Error("a trunk without countries dials")
	}
}

func fieldOf(r *protocol.Refusal) string {
	if r == nil {
		return ""
	}
	return r.Body.Field
}

func TestLimitsAnswerCallers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.MaxCalls = 1 }))
	d, first := h.offered(p)
	second := p.call("+33170000000")
	second.send("INVITE", p.sdp(1))
	res := p.expect("503 INVITE")
	if header(res, "Retry-After") == "" {
		t.Error("503 does not say when to come back")
	}
	second.refused(res)
	if e := h.wait(protocol.Refused, ""); e.Cause != "max_calls" || e.Trunk != "carrier" {
		t.Errorf("refused %+v", e)
	}
	dial := protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}
	refusal(t, h.s.Dial("leg", dial), "limit", "max_calls")
	d.send("CANCEL", "")
	p.expect("200 CANCEL")
	d.refused(p.expect("487 INVITE"))
	if e := h.wait(protocol.Left, first); e.Who != "them" || e.Cause != "cancelled" || e.Code != 487 {
		t.Errorf("left %+v", e)
	}
	dial.Number = "+447000000000"
	refusal(t, h.s.Dial("leg", dial), "limit", "countries")
	dial.Trunk = "nobody"
	refusal(t, h.s.Dial("leg", dial), "unknown_trunk", "")
}

func TestBrokenOffersAreRefused(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	cases := []struct {
		name, body, code string
		headers          []string
	}{
		{"no common codec", strings.Replace(p.sdp(1), "RTP/AVP 8 0 101", "RTP/AVP 3 18", 1), "488 INVITE", nil},
		{"no SDP at all", "hello", "400 INVITE", nil},
		{"SRTP on a plain trunk", strings.Replace(p.sdp(1), "RTP/AVP", "RTP/SAVP", 1), "488 INVITE", nil},
		{"another type", "x", "415 INVITE", []string{"Content-Type: text/plain"}},
		{"an extension we have not", p.sdp(1), "420 INVITE", []string{"Require: 100rel, precondition"}},
		{"too short a session", p.sdp(1), "422 INVITE", []string{"Session-Expires: 30", "Supported: timer"}},
	}
	for _, c := range cases {
		d := p.call("+33170000000")
		d.send("INVITE", c.body, c.headers...)
		d.refused(p.expect(c.code))
	}
	h.none(protocol.Offered)
	if n := h.s.trunk("carrier").limits.running(); n != 0 {
		t.Errorf("%d calls are still counted", n)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.Username = "account" }))
	for _, c := range []struct{ from, target, to, wantFrom, wantTo string }{
		{"<tel:+33-1-44(0)5;phone-context=x>;tag=1", "sip:+33170000000@" + p.server, "<sip:other@x>", "+33144" + "05", "+33170000000"},
		{`"Anonymous" <sip:anonymous@anonymous.invalid>;tag=2`, "sip:0170000000;npdi@" + p.server, "<sip:x@y>", "anonymous", "0170000000"},
		{"<sip:201@10.0.0.1>;tag=3", "sip:account@" + p.server, "<tel:+33188>", "201", "+33188"},
		{"<sip:10.9.8.7>;tag=4", "sip:" + p.server, "<sip:+33199@z>", "10.9.8.7", "+33199"},
	} {
		d := p.call("x")
		d.from, d.target, d.to = c.from, c.target, c.to
		d.send("INVITE", p.sdp(1))
		if e := h.wait(protocol.Offered, ""); e.From != c.wantFrom || e.To != c.wantTo {
			t.Errorf("%s to %s: offered from %q to %q", c.from, c.target, e.From, e.To)
		}
	}
}

func TestListenersOpenByTransport(t *testing.T) {
	t.Parallel()
	if (&sources{byTransport: map[string][]netip.Prefix{"tls": {netip.MustParsePrefix("127.0.0.0/8")}}}).admit("udp", netip.MustParseAddr("127.0.0.1")) {
		t.Error("a TLS trunk is open over UDP")
	}
}
