package phone

import (
	"fmt"
	"testing"
	"time"

	"guichet/mediaserver/internal/protocol"
)

// tell says how the call goes that our REFER made.
func (d *side) tell(status, state string, headers ...string) {
	d.p.t.Helper()
	headers = append(headers, "Subscription-State: "+state, "Content-Type: message/sipfrag")
	d.send("NOTIFY", "SIP/2.0 "+status+"\r\n", headers...)
	d.p.expect("200 NOTIFY")
}

// TestAReferCosts: the carrier calls on our account, and nobody tells us for how long.
func TestAReferCosts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p, func(doc *protocol.Trunk) {
		doc.SpendPerDay, doc.PricePerMin = 3, map[string]float64{"+33": 0.25, "+33188": 0}
	}))
	d, id := h.incoming(p)
	spent := func() float64 {
		sum, _ := h.s.trunk("carrier").limits.owed(time.Now())
		return sum.Amount
	}
	refer := func(act, number string) message {
		t.Helper()
		h.do(h.s.Refer(id, protocol.Refer{Act: act, Number: number}))
		return p.expect("REFER")
	}
	outcome := func(act string, code int, cost float64) {
		t.Helper()
		if e := h.wait(protocol.Referred, id); e.Act != act || e.Code != code || spent() != cost {
			t.Errorf("referred %+v, %v is spent, wanted %s %d %v", e, spent(), act, code, cost)
		}
	}
	first := refer("t1", "+33170000001")
	if spent() != 2.5 {
		t.Errorf("%v is spent for ten minutes at 0.25", spent())
	}
	h.do(h.s.Refer(id, protocol.Refer{Act: "t1", Number: "+33170000001"})) // the same wish again
	p.reply(first, 202, "", "")
	d.tell("486 Busy Here", "terminated;reason=noresource", "Event: refer")
	outcome("t1", 486, 0)
	p.reply(refer("t2", "+33170000001"), 603, "", "")
	outcome("t2", 603, 0)
	p.reply(refer("t3", "+33170000001"), 202, "", "")
	d.tell("200 OK", "terminated;reason=noresource", "Event: refer")
	outcome("t3", 200, 2.5)
	p.reply(refer("t4", "+33188"), 202, "", "")
	d.tell("200 OK", "terminated;reason=noresource", "Event: refer")
	outcome("t4", 200, 2.5)
	fifth := refer("t5", "+33170000001")
	if spent() != 5 {
		t.Errorf("%v is spent", spent())
	}
	dial := protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}
	refusal(t, h.s.Dial("more", dial), "limit", "spend_per_day") // though its outcome is not known yet
	h.s.due(time.Now().Add(time.Second))
	h.restart()
	if spent() != 5 {
		t.Errorf("%v is spent after the crash", spent())
	}
	p.reply(fifth, 202, "", "")
	d.tell("404 Not Found", "terminated;reason=noresource", "Event: refer")
	outcome("t5", 404, 2.5)
	p.reply(refer("t6", "+33170000001"), 202, "", "")
	c, err := h.s.call(id)
	h.do(err)
	d.send("BYE", "") // and never a word
	p.expect("200 BYE")
	h.wait(protocol.Left, id)
	h.none(protocol.Referred)
	if spent() != 5 {
		t.Errorf("%v is spent for a transfer of which nothing was told", spent())
	}
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.PricePerMin = map[string]float64{"+33": 0.25} })) // no limit
	if begins, err := c.beginRefer(protocol.Refer{Act: "t7", Number: "+33170000001"}); begins || err == nil || spent() != 5 {
		t.Errorf("a call that is over transfers: %v %v, %v is spent", begins, err, spent())
	}
}

// TestARefusedReferOfYesterdayGivesNothingBackToday: what it cost is no part of today's sum.
func TestARefusedReferOfYesterdayGivesNothingBackToday(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 23, 59, 50, 0, time.UTC)
	l := newLimits(protocol.Trunk{Countries: []string{"+33"}, SpendPerDay: 10, PricePerMin: map[string]float64{"+33": 0.5}}, now)
	yesterday, refused := l.refer("+33170000000", now)
	if refused != nil || yesterday.Cost != 5 {
		t.Fatalf("booked %+v, %v", yesterday, refused)
	}
	today, _ := l.refer("+33170000000", now.Add(time.Minute))
	l.unbook(yesterday)
	if sum, _ := l.owed(now.Add(time.Minute)); sum.Amount != 5 {
		t.Errorf("%v is spent today", sum.Amount)
	}
	l.unbook(today)
	if sum, _ := l.owed(now.Add(time.Minute)); sum.Amount != 0 {
		t.Errorf("%v is spent today, with nothing left of it", sum.Amount)
	}
}

// TestAReferThatNobodyTellsOfIsGivenUp: the next one could not be sent else.
func TestAReferThatNobodyTellsOfIsGivenUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	quick(h, 5*time.Millisecond) // 60 s are 0.3
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	d, id := h.incoming(p)
	h.do(h.s.Refer(id, protocol.Refer{Act: "silent", Number: "+33188"}))
	p.reply(p.expect("REFER"), 202, "", "")
	if e := h.wait(protocol.Referred, id); e.Act != "silent" || e.Code != 0 {
		t.Errorf("referred %+v", e)
	}

	began := time.Now()
	h.do(h.s.Refer(id, protocol.Refer{Act: "ringing", Number: "+33188"}))
	refer := p.expect("REFER")
	p.reply(refer, 202, "", "")
	second := fmt.Sprintf("Event: refer;id=%d", refer.CSeq().SeqNo)
	d.tell("200 OK", "terminated;reason=noresource", "Event: refer;id=1") // of the one that was given up
	d.tell("180 Ringing", "active;expires=200", second)
	if e := h.wait(protocol.Referred, id); e.Act != "ringing" || e.Code != 0 {
		t.Errorf("referred %+v", e)
	}
	if after := time.Since(began); after < time.Second {
		t.Errorf("given up after %v, though it was told to ring for 200 s", after)
	}

	h.do(h.s.Refer(id, protocol.Refer{Act: "ended", Number: "+33188"}))
	p.reply(p.expect("REFER"), 202, "", "")
	d.tell("100 Trying", "terminated;reason=timeout", "Event: refer") // it does not know either
	if e := h.wait(protocol.Referred, id); e.Act != "ended" || e.Code != 0 {
		t.Errorf("referred %+v", e)
	}
	h.none(protocol.Left)
}
