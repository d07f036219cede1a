package phone

import (
	"strings"
	"testing"
	"time"

	"guichet/mediaserver/internal/protocol"
)

// said is the direction of a description.
func said(t *testing.T, m message) string {
	t.Helper()
	for _, line := range strings.Split(string(m.Body()), "\r\n") {
		switch line {
		case "a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive":
			return strings.TrimPrefix(line, "a=")
		}
	}
	t.Errorf("no direction in\n%s", m.Body())
	return ""
}

// asks waits for a re-INVITE of ours, which must say so.
func (p *peer) asks(direction string) message {
	p.t.Helper()
	invite := p.expect("INVITE")
	if got := said(p.t, invite); got != direction {
		p.t.Errorf("our re-INVITE says %s, not %s", got, direction)
	}
	return invite
}

// grants answers it.
func (p *peer) grants(direction, answer string, version int) {
	p.t.Helper()
	p.reply(p.asks(direction), 200, "", p.sdp(version, "a="+answer))
	p.expect("ACK")
}

// asked sends a re-INVITE of the peer and tells what our answer says.
func (d *side) asked(version int, direction string) string {
	d.p.t.Helper()
	d.send("INVITE", d.p.sdp(version, "a="+direction))
	answer := said(d.p.t, d.p.expect("200 INVITE"))
	d.send("ACK", "")
	return answer
}

// holding waits for the outcome of a hold.
func (h *house) holding(id string, on bool, code int) {
	h.t.Helper()
	if e := h.wait(protocol.Holding, id); e.On != on || e.Code != code {
		h.t.Errorf("told %+v, wanted on %v, code %d", e, on, code)
	}
	if all := h.s.Endpoints(); len(all) != 1 || all[0].Holding != on {
		h.t.Errorf("the state tells %+v", all)
	}
}

// unheard fails when something of what the peer says comes back.
func (k *talker) unheard() {
	k.p.t.Helper()
	n := 0
	for range 10 { // what was said before may come late on a busy machine
		if n = k.heard(200 * time.Millisecond); n == 0 {
			return
		}
	}
	k.p.t.Errorf("%d packets of somebody on hold were heard", n)
}

func TestWeHoldAndTheyHoldToo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.echo()
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	d, id := h.incoming(p)
	talk := p.talks(h.leg(id))
	talk.hears(5)

	h.do(h.s.Hold(id, true))
	invite := p.asks("sendonly")
	talk.unheard() // from the act on, whenever the far side agrees
	p.reply(invite, 200, "", p.sdp(2, "a=recvonly"))
	p.expect("ACK")
	h.holding(id, true, 0)
	talk.unheard()
	h.do(h.s.Hold(id, true)) // twice is once
	p.never("INVITE", 100*time.Millisecond)
	h.none(protocol.Held)

	if answer := d.asked(3, "sendonly"); answer != "inactive" {
		t.Errorf("both hold, and we answered %s", answer)
	}
	h.wait(protocol.Held, id)
	if answer := d.asked(4, "sendrecv"); answer != "sendonly" {
		t.Errorf("they came back, we still hold, and we answered %s", answer)
	}
	h.wait(protocol.Resumed, id)
	talk.unheard()
	if answer := d.asked(5, "recvonly"); answer != "sendonly" {
		t.Errorf("they refresh what stands, and we answered %s", answer)
	}

	h.do(h.s.Hold(id, false))
	p.grants("sendrecv", "sendrecv", 6)
	h.holding(id, false, 0)
	talk.hears(5)

	h.do(h.s.Hold(id, true))
	p.grants("sendonly", "inactive", 7) // they hold at the same time
	h.wait(protocol.Held, id)
	h.holding(id, true, 0)
	h.do(h.s.Hold(id, false))
	p.grants("sendrecv", "sendonly", 8) // and still do
	h.holding(id, false, 0)
	h.none(protocol.Resumed)
	if answer := d.asked(9, "sendrecv"); answer != "sendrecv" {
		t.Errorf("nobody holds any more, and we answered %s", answer)
	}
	h.wait(protocol.Resumed, id)
	talk.hears(5)
}

func TestAHoldThatIsRefusedLeavesTheCallAsItWas(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.echo()
	quick(h, time.Millisecond)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	refusal(t, h.s.Hold("nobody", true), "unknown_endpoint", "")
	_, id := h.incoming(p)
	talk := p.talks(h.leg(id))
	h.do(h.s.Hold(id, true))
	p.reply(p.asks("sendonly"), 488, "", "")
	p.expect("ACK")
	h.holding(id, false, 488)
	talk.hears(5)

	h.do(h.s.Hold(id, true)) // it may be asked for again; both sides ask at once
	p.reply(p.asks("sendonly"), 491, "", "")
	p.reply(p.asks("sendonly"), 500, "", "", "Retry-After: 1")
	p.grants("sendonly", "recvonly", 2)
	h.holding(id, true, 0)

	h.do(h.s.Hold(id, false)) // a far side that never lets us
	for range holdTries {
		p.reply(p.asks("sendrecv"), 491, "", "")
	}
	h.holding(id, true, 491)
	talk.unheard()

	h.do(h.s.Hold(id, false))
	invite := p.asks("sendrecv")
	h.do(h.s.Hold(id, true)) // wished otherwise before the answer
	p.reply(invite, 200, "", p.sdp(3))
	p.expect("ACK")
	h.holding(id, false, 0)
	p.grants("sendonly", "recvonly", 4)
	h.holding(id, true, 0)

	h.do(h.s.Hold(id, false))
	p.reply(p.asks("sendrecv"), 481, "", "")
	h.wait(protocol.Left, id)
}

func TestHoldSurvivesACrash(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.echo()
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	d := h.outgoing(p, "out")
	h.do(h.s.Hold("out", true))
	lost := p.asks("sendonly") // and the server dies before the answer
	crash := func() {
		t.Helper()
		h.crash()
		if n, err := h.s.Restore(); n != 1 || err != nil {
			t.Fatalf("%d calls go on: %v", n, err)
		}
		h.run()
	}
	crash()
	p.reply(lost, 200, "", p.sdp(2, "a=recvonly"))
	if ack := p.expect("ACK"); ack.CSeq().SeqNo != lost.CSeq().SeqNo {
		t.Errorf("ACK of %d, for the INVITE %d", ack.CSeq().SeqNo, lost.CSeq().SeqNo)
	}
	p.grants("sendonly", "recvonly", 2)
	h.holding("out", true, 0)
	crash()
	talk := p.talks(h.leg("out"))
	talk.unheard()
	if all := h.s.Endpoints(); len(all) != 1 || !all[0].Holding {
		t.Errorf("the state tells %+v", all)
	}
	if answer := d.asked(3, "sendrecv"); answer != "sendonly" {
		t.Errorf("after the crash we answered %s", answer)
	}
	h.do(h.s.Hold("out", false))
	p.grants("sendrecv", "sendrecv", 4)
	h.holding("out", false, 0)
	talk.hears(5)
}
