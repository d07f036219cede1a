package phone

import (
	"testing"
	"time"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// TestAByeBeforeTheAnswerEndsTheInvite: some telephones give up with BYE instead of CANCEL.
func TestAByeBeforeTheAnswerEndsTheInvite(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	d, id := h.offered(p)
	h.do(h.s.Ring(id))
	d.taken(p.expect("180 INVITE"))
	d.send("BYE", "")
	p.expect("200 BYE")
	p.expect("487 INVITE")
	if e := h.wait(protocol.Left, id); e.Who != "them" || e.Cause != "hangup" {
		t.Errorf("left %+v", e)
	}
}

// TestARefreshThatIsNeverAnsweredEndsTheCall: a far side that says 100 and no more is not there.
func TestARefreshThatIsNeverAnsweredEndsTheCall(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	quick(h, 10*time.Millisecond)
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	h.do(h.s.Dial("leg", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	p.reply(invite, 200, "a", p.sdp(1), "Session-Expires: 100;refresher=uac", "Require: timer")
	p.expect("ACK")
	h.wait(protocol.Answered, "leg")
	p.reply(p.expect("INVITE"), 100, "", "")
	if e := h.wait(protocol.Left, "leg"); e.Who != "network" || e.Cause != "session_expired" {
		t.Errorf("left %+v", e)
	}
}

// TestACallThatEndsWhileItIsAttachedIsDetached: a dead leg would stay in the mixer for ever.
func TestACallThatEndsWhileItIsAttachedIsDetached(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	ending := make(chan struct{})
	h.s.deps.Attach = func(port media.Port) {
		c, err := h.s.call(port.ID())
		h.do(err)
		go func() {
			defer close(ending)
			c.leave("them", "hangup", 0, false)
		}()
		select {
		case <-ending: // it could end before the mixer had the leg
		case <-time.After(50 * time.Millisecond):
		}
		h.attach(port)
	}
	p.call("+33170000000").send("INVITE", p.sdp(1))
	id := h.wait(protocol.Offered, "").Endpoint
	h.do(h.s.Early(id))
	h.wait(protocol.Left, id)
	<-ending
	if h.port(id) != nil {
		t.Error("the leg of a call that is over is still attached")
	}
}
