package phone

import (
	"strings"
	"testing"
	"time"

	"guichet/mediaserver/internal/protocol"
)

func TestIncomingCall(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			h := newHouse(t)
			p := newPeer(t, transport, h.s, nil)
			h.put(trunkTo(p))
			d := p.call("+33170000000")
			d.send("INVITE", p.sdp(1))
			p.expect("100 INVITE")
			told := h.wait(protocol.Offered, "")
			if told.From != "+33612345678" || told.To != "+33170000000" || told.Trunk != "carrier" || !strings.HasPrefix(told.Endpoint, "in-") {
				t.Errorf("offered %+v", told)
			}
			h.do(h.s.Ring(told.Endpoint))
			ringing := p.expect("180 INVITE")
			h.do(h.s.Answer(told.Endpoint))
			h.do(h.s.Answer(told.Endpoint))
			ok := p.expect("200 INVITE")
			if ringing.To().Value() != ok.To().Value() {
				t.Errorf("180 and 200 have different tags: %s, %s", ringing.To(), ok.To())
			}
			d.taken(ok)
			p.again("200 INVITE") // repeated as long as no ACK comes, over TCP too
			d.send("ACK", "")
			if e := h.wait(protocol.Answered, told.Endpoint); e.Codec != "PCMA" {
				t.Errorf("answered %+v", e)
			}
			if h.port(told.Endpoint) == nil {
				t.Error("the mixer has no leg")
			}
			d.send("BYE", "")
			p.expect("200 BYE")
			if e := h.wait(protocol.Left, told.Endpoint); e.Who != "them" || e.Cause != "hangup" {
				t.Errorf("left %+v", e)
			}
			if h.port(told.Endpoint) != nil || len(h.s.Endpoints()) != 0 {
				t.Error("the call is still there")
			}
			p.never("200 INVITE", 300*time.Millisecond)
		})
	}
}

func TestOutgoingCall(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			h := newHouse(t)
			p := newPeer(t, transport, h.s, nil)
			h.put(trunkTo(p))
			dial := protocol.Dial{Trunk: "carrier", Number: "+33612345678", CallerID: "+33170000000", TimeoutMillis: 5000}
			h.do(h.s.Dial("leg-1", dial))
			h.do(h.s.Dial("leg-1", dial)) // the same wish again
			invite := p.expect("INVITE")
			if !strings.Contains(invite.From().Value(), "+33170000000@127.0.0.1") {
				t.Errorf("From is %s", invite.From())
			}
			p.reply(invite, 100, "", "")
			p.reply(invite, 180, "a", "")
			h.wait(protocol.Ringing, "leg-1")
			p.reply(invite, 200, "a", p.sdp(1))
			p.expect("ACK")
			if e := h.wait(protocol.Answered, "leg-1"); e.Codec != "PCMA" {
				t.Errorf("answered %+v", e)
			}
			if transport == "udp" {
				p.reply(invite, 200, "a", p.sdp(1)) // our ACK was lost
				p.again("ACK")
			}
			h.do(h.s.HangUp("leg-1", protocol.Ending{}))
			p.reply(p.expect("BYE"), 200, "", "")
			if e := h.wait(protocol.Left, "leg-1"); e.Who != "us" || e.Cause != "hangup" {
				t.Errorf("left %+v", e)
			}
			refusal(t, h.s.Dial("leg-1", dial), "endpoint_used", "")
		})
	}
}

func TestCallsOutliveTheirTrunk(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	d, id := h.incoming(p)
	out := h.outgoing(p, "out")
	h.put()
	p.call("+33170000000").send("INVITE", p.sdp(1)) // the trunk itself is gone
	h.wait(protocol.Refused, "")
	d.send("BYE", "")
	p.expect("200 BYE")
	h.wait(protocol.Left, id)
	h.restart()
	out.send("BYE", "")
	p.expect("200 BYE")
	h.wait(protocol.Left, "out")
}
