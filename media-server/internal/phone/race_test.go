package phone

import (
	"fmt"
	"testing"
	"time"

	"guichet/mediaserver/internal/protocol"
)

// quiet waits until no dialog is left, while the peer answers whatever comes; it counts the events "left".
func (h *house) quiet(p *peer, calls int) {
	h.t.Helper()
	left := 0
	for deadline := time.After(2 * patience); ; {
		if !h.dialogs() {
			break
		}
		select {
		case msg := <-p.inbox:
			switch kind(msg.Message) {
			case "BYE", "CANCEL":
				p.reply(msg, 200, "", "")
			}
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			h.t.Fatal("dialogs are left for ever")
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Kind == protocol.Left {
			left++
		}
	}
	if left != calls {
		h.t.Errorf("%d of %d calls are told to have left", left, calls)
	}
	if n := h.s.trunk("carrier").limits.running(); n != 0 || len(h.attached) != 0 {
		h.t.Errorf("%d calls are counted, %d legs attached", n, len(h.attached))
	}
}

func TestHangUpAndAnswerCross(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	const calls = 20
	for i := range calls {
		id := fmt.Sprintf("out-%d", i)
		h.do(h.s.Dial(id, protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 20_000}))
		invite := p.expect("INVITE")
		p.reply(invite, 180, "a", "")
		ended := make(chan error, 1)
		go func() {
			time.Sleep(time.Duration(i) * 50 * time.Microsecond) // another moment each time
			ended <- h.s.HangUp(id, protocol.Ending{})
		}()
		p.reply(invite, 200, "a", p.sdp(1))
		if err := <-ended; err != nil {
			t.Errorf("HangUp: %v", err)
		}
	}
	h.quiet(p, calls)
}

func TestHangUpAndAnswerOfACallerCross(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	const calls = 20
	for i := range calls {
		d, id := h.offered(p)
		h.do(h.s.Answer(id))
		time.Sleep(time.Duration(i) * 20 * time.Microsecond) // another moment each time
		if i%2 == 0 {
			h.do(h.s.HangUp(id, protocol.Ending{}))
		} else {
			d.send("CANCEL", "")
			_ = h.s.HangUp(id, protocol.Ending{}) // it may be over
		}
		res := p.expect("200 INVITE", "487 INVITE", "603 INVITE")
		if kind(res.Message) == "200 INVITE" {
			d.taken(res)
			d.send("ACK", "")
		} else {
			d.refused(res)
		}
	}
	h.quiet(p, calls)
}

func TestHangUpBeforeTheAck(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	for range 10 {
		d, id := h.offered(p)
		h.do(h.s.Answer(id))
		d.taken(p.expect("200 INVITE"))
		d.send("BYE", "") // the ACK was lost, and the caller hangs up
		p.expect("200 BYE")
		if e := h.wait(protocol.Left, id); e.Who != "them" || e.Cause != "hangup" {
			t.Errorf("left %+v", e)
		}
	}
	p.never("BYE", 100*time.Millisecond)
}
