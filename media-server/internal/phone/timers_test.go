package phone

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
)

// quick makes a second of trunks and sessions last a few milliseconds.
func quick(h *house, second time.Duration) {
	h.close()
	h.build()
	h.s.timing.second = second
	h.run()
}

func TestWeRefreshTheSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	quick(h, 10*time.Millisecond)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.SessionSeconds = 100 }))
	h.do(h.s.Dial("leg", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	if header(invite, "Session-Expires") != "100" || header(invite, "Min-SE") != "90" {
		t.Errorf("INVITE:\n%s", invite)
	}
	p.reply(invite, 422, "x", "", "Min-SE: 120")
	p.expect("ACK")
	invite = p.expect("INVITE")
	if header(invite, "Session-Expires") != "120" {
		t.Errorf("second INVITE asks for %s", header(invite, "Session-Expires"))
	}
	p.reply(invite, 200, "a", p.sdp(1), "Session-Expires: 120;refresher=uac", "Require: timer", "Allow: INVITE, UPDATE")
	p.expect("ACK")
	h.wait(protocol.Answered, "leg")
	update := p.expect("UPDATE")
	if header(update, "Session-Expires") != "120;refresher=uac" || len(update.Body()) > 0 {
		t.Errorf("UPDATE:\n%s", update)
	}
	p.reply(update, 405, "", "")
	again := p.expect("INVITE")
	if header(again, "Session-Expires") != "120;refresher=uac" || len(again.Body()) == 0 {
		t.Errorf("re-INVITE:\n%s", again)
	}
	d := p.called(invite, "a")
	d.send("INVITE", p.sdp(2)) // both ask at once
	d.refused(p.expect("491 INVITE"))
	p.reply(again, 491, "", "")
	p.expect("ACK")
	update = p.expect("UPDATE", "INVITE")
	p.reply(update, 481, "", "")
	if e := h.wait(protocol.Left, "leg"); e.Who != "network" || e.Cause != "session_expired" || e.Code != 481 {
		t.Errorf("left %+v", e)
	}
}

// TestWeRefreshThoughTheFarSideKnowsNoTimers: else a call whose BYE was lost would stand for ever.
func TestWeRefreshThoughTheFarSideKnowsNoTimers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	quick(h, 10*time.Millisecond)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.SessionSeconds = 100 }))
	h.outgoing(p, "leg") // its 200 says nothing of a session
	for range 2 {
		again := p.expect("INVITE")
		if header(again, "Session-Expires") != "100;refresher=uac" {
			t.Errorf("re-INVITE:\n%s", again)
		}
		p.reply(again, 200, "", p.sdp(1))
		p.expect("ACK")
	}
	p.reply(p.expect("INVITE"), 481, "", "")
	if e := h.wait(protocol.Left, "leg"); e.Cause != "session_expired" {
		t.Errorf("left %+v", e)
	}
	for asked, want := range map[sessionTimer]sessionTimer{
		{}:              {Us: true},                // no timer
		{Interval: 100}: {Interval: 100, Us: true}, // it refreshed, and does not any more
	} {
		if got := asked.agreed(sip.NewResponse(200, "OK")); got != want {
			t.Errorf("%+v becomes %+v", asked, got)
		}
	}
}

func TestTheFarSideRefreshesOrTheCallEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	quick(h, 50*time.Millisecond) // it ends 3 s after the last refresh, which a busy machine may delay
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	d := p.call("+33170000000")
	d.send("INVITE", p.sdp(1), "Session-Expires: 90", "Supported: timer")
	id := h.wait(protocol.Offered, "").Endpoint
	h.do(h.s.Answer(id))
	ok := p.expect("200 INVITE")
	if header(ok, "Session-Expires") != "90;refresher=uac" || !lists(ok, "Require", "timer") {
		t.Errorf("200:\n%s", ok)
	}
	d.taken(ok)
	d.send("ACK", "")
	began := time.Now()
	for range 2 {
		p.never("BYE", 400*time.Millisecond)
		d.send("UPDATE", "", "Session-Expires: 90;refresher=uac", "Supported: timer")
		if res := p.expect("200 UPDATE"); header(res, "Session-Expires") != "90;refresher=uac" {
			t.Errorf("UPDATE is answered by\n%s", res)
		}
	}
	p.reply(p.expect("BYE"), 200, "", "")
	if lasted := time.Since(began); lasted < 3700*time.Millisecond {
		t.Errorf("the call ended after %v, the refreshes did not count", lasted)
	}
	if e := h.wait(protocol.Left, id); e.Cause != "session_expired" {
		t.Errorf("left %+v", e)
	}
}

func TestTimerRoles(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	for _, c := range []struct {
		name    string
		headers []string
		trunk   int
		want    sessionTimer
		ok      bool
	}{
		{"nobody asks", nil, 0, sessionTimer{Us: true}, true},
		{"we ask", nil, 600, sessionTimer{Interval: 600, Us: true}, true},
		{"they ask", []string{"Session-Expires: 1800", "Supported: timer"}, 0, sessionTimer{Interval: 1800}, true},
		{"they ask us to", []string{"x: 1800;refresher=uas", "k: timer"}, 0, sessionTimer{Interval: 1800, Us: true}, true},
		{"we want it shorter", []string{"Session-Expires: 1800", "Supported: timer"}, 600, sessionTimer{Interval: 600}, true},
		{"not that short", []string{"Session-Expires: 1800", "Supported: timer", "Min-SE: 900"}, 600, sessionTimer{Interval: 900}, true},
		{"a proxy asks", []string{"Session-Expires: 60"}, 0, sessionTimer{Interval: 90, Us: true}, true},
		{"too short", []string{"Session-Expires: 60", "Supported: timer"}, 0, sessionTimer{}, false},
	} {
		req := parsed(t, p.call("1").text("INVITE", 1, "", c.headers...))
		got, ok := h.s.timerOffered(req, &trunk{Trunk: protocol.Trunk{SessionSeconds: c.trunk}})
		if got != c.want || ok != c.ok {
			t.Errorf("%s: %+v %v", c.name, got, ok)
		}
	}
}

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	quick(h, 10*time.Millisecond)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.OptionsSeconds = 5 }))
	p.reply(p.expect("OPTIONS"), 404, "x", "")
	if e := h.wait(protocol.TrunkUp, ""); e.Trunk != "carrier" {
		t.Errorf("up %+v", e)
	}
	if e := h.wait(protocol.TrunkDown, ""); e.Cause != "no_answer" {
		t.Errorf("down %+v", e)
	}
	for up := false; !up; { // some that come are of tries that are given up
		p.reply(p.expect("OPTIONS"), 200, "x", "")
		up = h.told(protocol.TrunkUp)
	}
	h.wait(protocol.TrunkUp, "")
	h.s.trunksMu.Lock()
	doc := h.s.trunksDoc
	h.s.trunksMu.Unlock()
	h.do(h.s.SetTrunks(doc)) // Guichet was restarted, and hears again what it knew
	if !h.told(protocol.TrunkUp) && !h.told(protocol.TrunkDown) {
		t.Fatal("nothing is told")
	}
	d := p.call("x")
	d.send("OPTIONS", "")
	for {
		if res := p.expect("200 OPTIONS"); strings.HasPrefix(res.CallID().Value(), "peer-") {
			if !lists(res, "Allow", "INVITE") || !lists(res, "Allow", "UPDATE") {
				t.Errorf("OPTIONS is answered by\n%s", res)
			}
			break
		}
	}
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	quick(h, 10*time.Millisecond)
	p := newPeer(t, "udp", h.s, nil)
	doc := trunkTo(p, func(doc *protocol.Trunk) {
		doc.Register, doc.RegisterSeconds, doc.Username, doc.Password, doc.Domain = true, 30, "account", "secret", "carrier.example"
	})
	h.put(doc)
	first := p.expect("REGISTER")
	if to := first.To().Value(); to != "<sip:account@carrier.example>" || header(first, "Expires") != "30" {
		t.Errorf("REGISTER of %s for %s", to, header(first, "Expires"))
	}
	p.reply(first, 503, "x", "")
	if e := h.wait(protocol.TrunkDown, ""); e.Cause != "refused" || e.Trunk != "carrier" {
		t.Errorf("down %+v", e)
	}
	p.reply(p.expect("REGISTER"), 423, "x", "", "Min-Expires: 60")
	asked := p.expect("REGISTER")
	if header(asked, "Expires") != "60" {
		t.Errorf("after 423 it asks for %s", header(asked, "Expires"))
	}
	p.reply(asked, 401, "x", "", `WWW-Authenticate: Digest realm="carrier.example", nonce="n1", qop="auth"`)
	signed := p.expect("REGISTER")
	if header(signed, "Authorization") == "" || signed.CSeq().SeqNo != asked.CSeq().SeqNo+1 || signed.CallID().Value() != asked.CallID().Value() {
		t.Errorf("signed REGISTER:\n%s", signed)
	}
	p.reply(signed, 200, "x", "", "Contact: "+header(signed, "Contact")+";expires=40")
	h.wait(protocol.TrunkUp, "")
	granted := time.Now()
	refresh := p.expect("REGISTER")
	if after := time.Since(granted); after < 250*time.Millisecond || after > 2*time.Second {
		t.Errorf("refreshed after %v of 400 ms", after)
	}
	p.reply(refresh, 403, "x", "")
	if e := h.wait(protocol.TrunkDown, ""); e.Cause != "refused" {
		t.Errorf("down %+v", e)
	}
	p.reply(p.expect("REGISTER"), 401, "x", "", `WWW-Authenticate: Digest realm="carrier.example", nonce="n2", qop="auth"`)
	p.reply(p.expect("REGISTER"), 401, "x", "", `WWW-Authenticate: Digest realm="carrier.example", nonce="n2", qop="auth"`)
	h.put() // the trunk is taken away: so is the registration
	for range 10 {
		if last := p.expect("REGISTER"); header(last, "Expires") == "0" {
			p.reply(last, 200, "x", "")
			return
		} else {
			p.reply(last, 200, "x", "")
		}
	}
	t.Error("the registration is not taken back")
}

func TestTransferOut(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	d, id := h.incoming(p)
	refusal(t, h.s.Refer(id, protocol.Refer{Act: "t0", Number: "+447"}), "limit", "countries")
	h.do(h.s.Refer(id, protocol.Refer{Act: "t1", Number: "+33188"}))
	h.do(h.s.Refer(id, protocol.Refer{Act: "t1", Number: "+33188"}))
	refer := p.expect("REFER")
	if !strings.Contains(header(refer, "Refer-To"), "sip:+33188@127.0.0.1") {
		t.Errorf("Refer-To %s", header(refer, "Refer-To"))
	}
	refusal(t, h.s.Refer(id, protocol.Refer{Act: "t2", Number: "+33188"}), "refer_pending", "")
	p.reply(refer, 202, "", "")
	tell := func(status, state string) {
		d.send("NOTIFY", "SIP/2.0 "+status+"\r\n", "Event: refer", "Subscription-State: "+state, "Content-Type: message/sipfrag")
		p.expect("200 NOTIFY")
	}
	tell("100 Trying", "active")
	h.none(protocol.Referred)
	if all := h.s.Endpoints(); len(all) != 1 || all[0].Referring != "t1" {
		t.Errorf("the state does not show the transfer: %+v", all)
	}
	tell("486 Busy Here", "terminated;reason=noresource")
	if e := h.wait(protocol.Referred, id); e.Act != "t1" || e.Code != 486 {
		t.Errorf("referred %+v", e)
	}
	h.do(h.s.Refer(id, protocol.Refer{Act: "t3", Number: "+33188"}))
	p.reply(p.expect("REFER"), 603, "", "")
	if e := h.wait(protocol.Referred, id); e.Act != "t3" || e.Code != 603 {
		t.Errorf("referred %+v", e)
	}
	h.do(h.s.Refer(id, protocol.Refer{Act: "t4", Number: "+33188"}))
	p.reply(p.expect("REFER"), 202, "", "")
	d.send("BYE", "") // and never a word: it has gone where it was sent, or home
	p.expect("200 BYE")
	h.wait(protocol.Left, id)
	h.none(protocol.Referred)
}

func TestTransferIn(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	for cause, code := range map[string]string{"transferred": "200", "": "603"} {
		d, id := h.incoming(p)
		d.send("REFER", "", "Refer-To: <sip:+33199@elsewhere>")
		p.expect("202 REFER")
		if e := h.wait(protocol.TransferAsked, id); e.To != "+33199" {
			t.Errorf("asked %+v", e)
		}
		notify := p.expect("NOTIFY")
		if !strings.HasPrefix(string(notify.Body()), "SIP/2.0 100") || header(notify, "Event") != "refer" {
			t.Errorf("NOTIFY:\n%s", notify)
		}
		p.reply(notify, 200, "", "")
		h.do(h.s.HangUp(id, protocol.Ending{Cause: cause}))
		notify = p.expect("NOTIFY")
		if !strings.HasPrefix(string(notify.Body()), "SIP/2.0 "+code) {
			t.Errorf("%q: NOTIFY\n%s", cause, notify)
		}
		p.reply(notify, 200, "", "")
		p.reply(p.expect("BYE"), 200, "", "")
		h.wait(protocol.Left, id)
	}
}

func TestDigitsByInfo(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	d, id := h.incoming(p)
	for body, kind := range map[string]string{"Signal=5\r\nDuration=240\r\n": "application/dtmf-relay", "5": "application/dtmf"} {
		d.send("INFO", body, "Content-Type: "+kind)
		p.expect("200 INFO")
		if e := h.wait(protocol.Digit, id); e.Digit != "5" || e.Via != "info" || e.Millis < 160 {
			t.Errorf("digit %+v", e)
		}
	}
	d.send("INFO", "<x/>", "Content-Type: application/media_control+xml")
	p.expect("415 INFO")
	h.do(h.s.Digits(id, protocol.Digits{Act: "a", Digits: "1#", Via: "info"}))
	h.do(h.s.Digits(id, protocol.Digits{Act: "a", Digits: "1#", Via: "info"}))
	for _, want := range "1#" {
		info := p.expect("INFO")
		if !strings.HasPrefix(string(info.Body()), fmt.Sprintf("Signal=%c\r\n", want)) {
			t.Errorf("INFO:\n%s", info)
		}
		p.reply(info, 200, "", "")
	}
	p.never("INFO", 100*time.Millisecond)
	for _, bad := range []string{"", "Signal=\r\n", "Signal=55", "Signal=x"} {
		if _, _, ok := infoDigit("application/dtmf-relay", bad); ok {
			t.Errorf("%q is a digit", bad)
		}
	}
}

func TestRefreshIsSignedWhereTheTrunkAsks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	quick(h, 10*time.Millisecond)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.SessionSeconds, doc.Username, doc.Password = 90, "account", "secret" }))
	d := p.call("+33170000000")
	d.send("INVITE", p.sdp(1)) // the caller knows no timers: we refresh
	id := h.wait(protocol.Offered, "").Endpoint
	h.do(h.s.Answer(id))
	ok := p.expect("200 INVITE")
	if header(ok, "Session-Expires") != "90;refresher=uas" || lists(ok, "Require", "timer") {
		t.Errorf("200:\n%s", ok)
	}
	d.taken(ok)
	d.send("ACK", "")
	first := p.expect("INVITE")
	p.reply(first, 407, "", "", `Proxy-Authenticate: Digest realm="x", nonce="n", qop="auth"`)
	p.expect("ACK")
	signed := p.expect("INVITE")
	if header(signed, "Proxy-Authorization") == "" || signed.CSeq().SeqNo != first.CSeq().SeqNo+1 {
		t.Errorf("signed re-INVITE:\n%s", signed)
	}
	if string(signed.Body()) != string(ok.Body()) {
		t.Errorf("a refresh offers something else:\n%s\nthan\n%s", signed.Body(), ok.Body())
	}
	p.reply(signed, 200, "", p.sdp(1), "Session-Expires: 90;refresher=uac", "Require: timer")
	if ack := p.expect("ACK"); header(ack, "Proxy-Authorization") == "" || ack.CSeq().SeqNo != signed.CSeq().SeqNo {
		t.Errorf("ACK:\n%s", ack)
	}
	p.expect("INVITE") // and again, half an interval later
	h.none(protocol.Left)
	h.none(protocol.Held)
}
