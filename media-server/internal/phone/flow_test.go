package phone

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
)

func parsed(t *testing.T, text string) *sip.Request {
	t.Helper()
	msg, err := sip.ParseMessage([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return msg.(*sip.Request)
}

func TestRefusalsAreToldApart(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	for code, cause := range map[int]string{486: "busy", 480: "not_reachable", 603: "declined", 404: "unknown_number", 500: "failed", 302: "redirected"} {
		id := "leg-" + cause
		h.do(h.s.Dial(id, protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
		p.reply(p.expect("INVITE"), code, "x", "")
		p.expect("ACK")
		if e := h.wait(protocol.Left, id); e.Who != "them" || e.Cause != cause || e.Code != code {
			t.Errorf("%d: left %+v", code, e)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	dial := protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 1000}
	h.do(h.s.Dial("rings", dial))
	invite := p.expect("INVITE")
	p.reply(invite, 180, "a", "")
	if e := h.wait(protocol.Left, "rings"); e.Cause != "no_answer" || e.Code != 408 {
		t.Errorf("left %+v", e)
	}
	cancel := p.expect("CANCEL")
	if branch(cancel) != branch(invite) || cancel.CSeq().SeqNo != invite.CSeq().SeqNo {
		t.Errorf("the CANCEL is of another INVITE:\n%s", cancel)
	}
	p.reply(cancel, 200, "", "")
	p.reply(invite, 487, "a", "")
	p.expect("ACK")

	dial.TimeoutMillis = 20_000
	h.do(h.s.Dial("dead", dial)) // no answer at all: the transaction gives up
	if e := h.wait(protocol.Left, "dead"); e.Who != "network" || e.Cause != "no_answer" {
		t.Errorf("left %+v", e)
	}
}

func TestCancelWaitsAndLosesTheRace(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	h.do(h.s.Dial("leg", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	h.do(h.s.HangUp("leg", protocol.Ending{}))
	if e := h.wait(protocol.Left, "leg"); e.Who != "us" || e.Cause != "hangup" {
		t.Errorf("left %+v", e)
	}
	p.never("CANCEL", 100*time.Millisecond) // nothing to cancel before a first answer
	p.reply(invite, 180, "a", "")
	cancel := p.expect("CANCEL")
	p.reply(invite, 200, "a", p.sdp(1)) // they crossed
	p.expect("ACK")
	bye := p.expect("BYE")
	if !strings.Contains(bye.To().Value(), "tag=a") {
		t.Errorf("BYE to %s", bye.To())
	}
	p.reply(bye, 200, "", "")
	p.reply(cancel, 200, "", "")
	h.none(protocol.Answered)
}

func TestSecondForkIsHungUp(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	h.do(h.s.Dial("leg", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000, EarlyMedia: true}))
	invite := p.expect("INVITE")
	p.reply(invite, 180, "a", "")
	h.wait(protocol.Ringing, "leg")
	p.reply(invite, 183, "b", p.sdp(1))
	h.wait(protocol.Early, "leg")
	p.reply(invite, 200, "a", p.sdp(1))
	p.expect("ACK")
	h.wait(protocol.Answered, "leg")
	p.reply(invite, 200, "b", p.sdp(1))
	if ack := p.expect("ACK"); !strings.Contains(ack.To().Value(), "tag=b") {
		t.Errorf("ACK to %s", ack.To())
	}
	if bye := p.expect("BYE"); !strings.Contains(bye.To().Value(), "tag=b") {
		t.Errorf("BYE to %s", bye.To())
	} else {
		p.reply(bye, 200, "", "")
	}
	h.none(protocol.Left)
}

func TestNoAckEndsTheCall(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	_, id := h.offered(p)
	h.do(h.s.Answer(id))
	for range 3 {
		p.again("200 INVITE")
	}
	if e := h.wait(protocol.Left, id); e.Who != "network" || e.Cause != "no_ack" {
		t.Errorf("left %+v", e)
	}
	p.reply(p.expect("BYE"), 200, "", "")
}

func TestReliableProvisionals(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	d := p.call("+33170000000")
	d.send("INVITE", p.sdp(1), "Require: 100rel")
	id := h.wait(protocol.Offered, "").Endpoint
	h.do(h.s.Early(id))
	h.do(h.s.Answer(id))
	first := p.expect("183 INVITE")
	again := p.again("183 INVITE")
	if header(first, "RSeq") == "" || header(first, "RSeq") != header(again, "RSeq") || len(first.Body()) == 0 {
		t.Errorf("183:\n%s", first)
	}
	p.never("200 INVITE", 100*time.Millisecond)
	d.taken(first)
	d.seq++
	p.write(d.text("PRACK", d.seq, "", "RAck: "+header(first, "RSeq")+" 1 INVITE"), d.conn)
	p.expect("200 PRACK")
	p.expect("200 INVITE")
	d.send("ACK", "")
	h.wait(protocol.Answered, id)

	h.do(h.s.Dial("leg", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	if !lists(invite, "Supported", "100rel") {
		t.Error("we do not offer 100rel")
	}
	for range 2 { // a repetition is not acknowledged twice
		p.reply(invite, 183, "a", p.sdp(1), "Require: 100rel", "RSeq: 7")
	}
	prack := p.expect("PRACK")
	if header(prack, "RAck") != "7 2 INVITE" || prack.CSeq().SeqNo != 3 {
		t.Errorf("PRACK:\n%s", prack)
	}
	p.reply(prack, 200, "", "")
	p.never("PRACK", 100*time.Millisecond)
	p.reply(invite, 200, "a", "") // its SDP was in the 183
	p.expect("ACK")
	h.wait(protocol.Answered, "leg")
}

func TestHoldAndChanges(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	d, id := h.incoming(p)
	change := func(body string) message {
		t.Helper()
		d.send("INVITE", body)
		res := p.expect("200 INVITE")
		d.send("ACK", "")
		return res
	}
	for i, hold := range []struct{ offer, answer string }{{"sendonly", "recvonly"}, {"inactive", "inactive"}} {
		res := change(p.sdp(2+2*i, "a="+hold.offer))
		if !strings.Contains(string(res.Body()), "a="+hold.answer) {
			t.Errorf("%s is answered by\n%s", hold.offer, res.Body())
		}
		h.wait(protocol.Held, id)
		if state := h.s.Endpoints()[0].State; state != "held" {
			t.Errorf("state %s", state)
		}
		change(p.sdp(3 + 2*i))
		h.wait(protocol.Resumed, id)
	}
	before := change(p.sdp(6))
	after := change(p.sdp(6))
	if string(before.Body()) != string(after.Body()) {
		t.Error("a refresh has another answer")
	}
	other := change(strings.Replace(p.sdp(7), "RTP/AVP 8 0", "RTP/AVP 0", 1))
	if !strings.Contains(string(other.Body()), "PCMU") || h.s.Endpoints()[0].Codec != "PCMU" {
		t.Errorf("another codec is answered by\n%s", other.Body())
	}
	d.send("INVITE", strings.Replace(p.sdp(8), "RTP/AVP 8 0 101", "RTP/AVP 3", 1))
	d.refused(p.expect("488 INVITE"))
	d.send("UPDATE", p.sdp(9, "a=sendonly"))
	if res := p.expect("200 UPDATE"); !strings.Contains(string(res.Body()), "a=recvonly") {
		t.Errorf("UPDATE is answered by\n%s", res.Body())
	}
	h.wait(protocol.Held, id)
	d.send("INVITE", "") // late offer
	res := p.expect("200 INVITE")
	if !strings.Contains(string(res.Body()), "m=audio") {
		t.Errorf("no offer in\n%s", res)
	}
	d.send("ACK", p.sdp(10))
	h.wait(protocol.Resumed, id)
	d.send("BYE", "")
	p.expect("200 BYE")
}

func TestLateOffer(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	d := p.call("+33170000000")
	d.send("INVITE", "")
	id := h.wait(protocol.Offered, "").Endpoint
	refusal(t, h.s.Early(id), "no_offer", "")
	h.do(h.s.Answer(id))
	d.taken(p.expect("200 INVITE"))
	d.send("ACK", strings.Replace(p.sdp(1), "RTP/AVP 8 0", "RTP/AVP 0", 1))
	h.wait(protocol.Answered, id)
	d.send("BYE", "")
	p.expect("200 BYE")
	if e := h.wait(protocol.Left, id); e.Cause != "hangup" {
		t.Errorf("left %+v", e)
	}

	d = p.call("+33170000000")
	d.send("INVITE", "")
	id = h.wait(protocol.Offered, "").Endpoint
	h.do(h.s.Answer(id))
	d.taken(p.expect("200 INVITE"))
	d.send("ACK", "") // no answer to our offer
	p.reply(p.expect("BYE"), 200, "", "")
	if e := h.wait(protocol.Left, id); e.Cause != "no_codec" || e.Who != "us" {
		t.Errorf("left %+v", e)
	}
}

func TestSDPBesideOtherParts(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	body := "--b\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b\r\nContent-Type: application/sdp\r\n\r\n" + p.sdp(1) + "--b--\r\n"
	d := p.call("+33170000000")
	d.send("INVITE", body, `Content-Type: multipart/mixed;boundary="b"`)
	id := h.wait(protocol.Offered, "").Endpoint
	h.do(h.s.Answer(id))
	if answer := p.expect("200 INVITE"); !strings.Contains(string(answer.Body()), "m=audio") {
		t.Errorf("answer:\n%s", answer)
	}
	d = p.call("+33170000000")
	d.send("INVITE", "--b--\r\n", `Content-Type: multipart/mixed;boundary="b"`)
	d.refused(p.expect("415 INVITE"))
}

func TestRoutesAreFollowed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	proxy := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	d := p.call("+33170000000")
	d.send("INVITE", p.sdp(1), "Record-Route: <sip:"+proxy.addr+";lr>", "Record-Route: <sip:10.9.9.9;lr>")
	id := h.wait(protocol.Offered, "").Endpoint
	h.do(h.s.Answer(id))
	ok := p.expect("200 INVITE")
	if routes := ok.GetHeaders("Record-Route"); len(routes) != 2 {
		t.Errorf("Record-Route %v", routes)
	}
	d.taken(ok)
	d.send("ACK", "")
	h.wait(protocol.Answered, id)
	h.do(h.s.HangUp(id, protocol.Ending{}))
	bye := proxy.expect("BYE")
	routes := bye.GetHeaders("Route")
	if len(routes) != 2 || !strings.Contains(routes[0].Value(), proxy.addr) || !strings.Contains(routes[1].Value(), "10.9.9.9") {
		t.Errorf("Route %v", routes)
	}
	if target := bye.Message.(*sip.Request).Recipient; target.Port != sip.DefaultUdpPort && !strings.Contains(p.addr, target.Host) {
		t.Errorf("BYE to %s", target.String())
	}
	proxy.reply(bye, 200, "", "")

	h.do(h.s.Dial("leg", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	p.reply(invite, 200, "a", p.sdp(1), "Record-Route: <sip:10.9.9.9;lr>", "Record-Route: <sip:"+proxy.addr+";lr>")
	if ack := proxy.expect("ACK"); !strings.Contains(ack.GetHeaders("Route")[1].Value(), "10.9.9.9") {
		t.Errorf("Route %v", ack.GetHeaders("Route"))
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	dial := protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}
	h.do(h.s.Dial("leg", dial))
	p.reply(p.expect("INVITE"), 302, "x", "", "Contact: <sip:+4470000@evil.example>, <sip:+33199@evil.example:5099>")
	p.expect("ACK")
	invite := p.expect("INVITE")
	if target := invite.Message.(*sip.Request).Recipient; target.User != "+33199" || target.Host != "127.0.0.1" {
		t.Errorf("redirected to %s", target.String())
	}
	p.reply(invite, 200, "a", p.sdp(1))
	p.expect("ACK")
	h.wait(protocol.Answered, "leg")

	h.do(h.s.Dial("loop", dial))
	for i := range 4 {
		p.reply(p.expect("INVITE"), 302, "x", "", "Contact: <sip:+331990"+string(rune('0'+i))+"@x>")
		p.expect("ACK")
	}
	if e := h.wait(protocol.Left, "loop"); e.Code != 302 || e.Cause != "redirected" {
		t.Errorf("left %+v", e)
	}
}
