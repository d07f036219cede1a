package phone

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"guichet/mediaserver/internal/protocol"
)

func (h *house) restart() int {
	h.t.Helper()
	h.crash()
	n, err := h.s.Restore()
	if err != nil {
		h.t.Fatal(err)
	}
	h.run()
	return n
}

func TestCallsGoOnAfterACrash(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.Username, doc.Password = "account", "secret" }))
	in, inID := h.incoming(p)
	out := h.outgoing(p, "out")
	in.send("INVITE", p.sdp(2, "a=sendonly"))
	p.expect("200 INVITE")
	in.send("ACK", "")
	h.wait(protocol.Held, inID)
	h.do(h.s.Digits(inID, protocol.Digits{Act: "once", Digits: "1", Via: "info"}))
	p.reply(p.expect("INFO"), 200, "", "")
	if n := h.restart(); n != 2 {
		t.Fatalf("%d calls go on", n)
	}
	if n := h.s.trunk("carrier").limits.running(); n != 2 {
		t.Errorf("%d calls are counted", n)
	}
	for _, e := range h.s.Endpoints() {
		if e.ID == inID && (e.State != "held" || e.From != "+33612345678" || !e.Incoming) {
			t.Errorf("endpoint %+v", e)
		}
	}
	in.send("INVITE", p.sdp(3))
	p.expect("200 INVITE")
	in.send("ACK", "")
	h.wait(protocol.Resumed, inID)
	h.do(h.s.Digits(inID, protocol.Digits{Act: "once", Digits: "1", Via: "info"}))
	p.never("INFO", 50*time.Millisecond)
	out.send("INFO", "Signal=7\r\n", "Content-Type: application/dtmf-relay")
	p.expect("200 INFO")
	if e := h.wait(protocol.Digit, "out"); e.Digit != "7" {
		t.Errorf("digit %+v", e)
	}
	h.do(h.s.HangUp("out", protocol.Ending{}))
	bye := p.expect("BYE")
	p.reply(bye, 401, "", "", `WWW-Authenticate: Digest realm="x", nonce="n"`)
	bye = p.expect("BYE")
	if bye.CallID().Value() != out.callID || header(bye, "Authorization") == "" {
		t.Errorf("BYE:\n%s", bye)
	}
	p.reply(bye, 200, "", "")
	in.send("BYE", "")
	p.expect("200 BYE")
	h.wait(protocol.Left, inID)
	if n := h.restart(); n != 0 {
		t.Errorf("%d calls go on after their end", n)
	}
}

func TestUnansweredCallsEndAfterACrash(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	_, in := h.offered(p)
	h.do(h.s.Ring(in))
	ringing := p.expect("180 INVITE")
	h.do(h.s.Dial("out", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 20_000}))
	invite := p.expect("INVITE")
	p.reply(invite, 180, "a", "")
	h.wait(protocol.Ringing, "out")
	if n := h.restart(); n != 0 {
		t.Fatalf("%d calls go on", n)
	}
	for _, id := range []string{in, "out"} {
		if e := h.wait(protocol.Left, id); e.Who != "network" || e.Cause != "restart" {
			t.Errorf("left %+v", e)
		}
	}
	refused, cancelled := false, false
	for !refused || !cancelled {
		switch msg := p.expect("503 INVITE", "CANCEL"); kind(msg.Message) {
		case "503 INVITE":
			refused = true
			if msg.To().Value() != ringing.To().Value() {
				t.Errorf("503 of another dialog: %s", msg.To())
			}
		case "CANCEL":
			cancelled = true
			if branch(msg) != branch(invite) {
				t.Errorf("CANCEL of another INVITE:\n%s", msg)
			}
			p.reply(msg, 200, "", "")
		}
	}
	p.reply(invite, 200, "a", p.sdp(1)) // it crossed with our CANCEL
	p.expect("ACK")
	if bye := p.expect("BYE"); !strings.Contains(bye.To().Value(), "tag=a") {
		t.Errorf("BYE to %s", bye.To())
	} else {
		p.reply(bye, 200, "", "")
	}
}

func TestAnswerLostInTheCrashIsSaidAgain(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	d, id := h.offered(p)
	h.do(h.s.Answer(id))
	ok := p.expect("200 INVITE")
	h.wait(protocol.Answered, id)
	if n := h.restart(); n != 1 {
		t.Fatalf("%d calls go on", n)
	}
	d.seq--
	d.send("INVITE", p.sdp(1)) // the caller repeats it: it has seen no answer
	again := p.expect("200 INVITE")
	if again.To().Value() != ok.To().Value() || string(again.Body()) != string(ok.Body()) {
		t.Errorf("another 200:\n%s", again)
	}
	d.taken(again)
	d.send("ACK", "")
	d.send("BYE", "")
	p.expect("200 BYE")
}

// TestAnAckLostInTheCrashIsSaidAgain: without it the far side would hang up.
func TestAnAckLostInTheCrashIsSaidAgain(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	h.do(h.s.Dial("out", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	p.reply(invite, 200, "a", p.sdp(1))
	p.expect("ACK")
	h.wait(protocol.Answered, "out")
	acknowledged := func() {
		t.Helper()
		p.reply(invite, 200, "a", p.sdp(1))
		ack := p.expect("ACK")
		if !strings.Contains(ack.To().Value(), "tag=a") || ack.CSeq().SeqNo != invite.CSeq().SeqNo {
			t.Errorf("ACK:\n%s", ack)
		}
	}
	if n := h.restart(); n != 1 {
		t.Fatalf("%d calls go on", n)
	}
	acknowledged()
	h.none(protocol.Left)

	h.crash() // once more, as if it had come when the 200 was saved and nothing else
	var rec record
	h.do(h.keeper.Each("call", func(_ string, doc json.RawMessage) error { return json.Unmarshal(doc, &rec) }))
	rec.State = ringing
	h.do(h.keeper.Keep("call", rec.ID, rec))
	if n, err := h.s.Restore(); n != 0 || err != nil {
		t.Fatalf("%d calls go on, %v", n, err)
	}
	h.run()
	bye := p.expect("BYE")
	acknowledged()
	p.reply(bye, 200, "", "")
	if e := h.wait(protocol.Left, "out"); e.Cause != "restart" {
		t.Errorf("left %+v", e)
	}
}

// TestAnotherForkIsHungUpAfterACrash: a telephone that answers too, while the call goes on with the first.
func TestAnotherForkIsHungUpAfterACrash(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	h.do(h.s.Dial("out", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	p.reply(invite, 180, "b", "")
	p.reply(invite, 200, "a", p.sdp(1))
	p.expect("ACK")
	h.wait(protocol.Answered, "out")
	if n := h.restart(); n != 1 {
		t.Fatalf("%d calls go on", n)
	}
	p.reply(invite, 200, "b", p.sdp(1))
	if ack := p.expect("ACK"); !strings.Contains(ack.To().Value(), "tag=b") || ack.CSeq().SeqNo != invite.CSeq().SeqNo {
		t.Errorf("ACK:\n%s", ack)
	}
	bye := p.expect("BYE")
	if !strings.Contains(bye.To().Value(), "tag=b") {
		t.Errorf("BYE to %s", bye.To())
	}
	p.reply(bye, 200, "", "")
	p.reply(invite, 200, "b", p.sdp(1)) // our ACK was lost
	p.expect("ACK")
	p.never("BYE", 100*time.Millisecond)
	h.none(protocol.Left)
	d := p.called(invite, "a")
	d.send("INFO", "Signal=7\r\n", "Content-Type: application/dtmf-relay")
	p.expect("200 INFO")
	h.wait(protocol.Digit, "out")
}

func TestSpendOutlivesACrash(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) {
		doc.SpendPerDay, doc.PricePerMin = 1, map[string]float64{"+33": 30} // 0.50 a second
	}))
	h.outgoing(p, "out")
	spent := func() float64 {
		sum, _ := h.s.trunk("carrier").limits.owed(time.Now())
		return sum.Amount
	}
	h.until(func() bool { return spent() >= 0.25 })
	h.s.due(time.Now()) // saved with the next tick at the latest
	h.s.due(time.Now().Add(time.Millisecond))
	h.restart()
	if after := spent(); after < 0.25 || after > 3 {
		t.Errorf("%.2f is spent after the crash", after)
	}
	h.until(func() bool { return spent() >= 1 }) // the call goes on, and is charged
	refusal(t, h.s.Dial("more", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}), "limit", "spend_per_day")
}
