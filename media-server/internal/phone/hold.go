package phone

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/sdp"
)

// holdTries is how often the far side may say "not now" before a hold counts as refused.
const holdTries = 5

// Hold puts the far side on hold, or takes it back: our description says sendonly. It goes on hearing what its
// endpoint hears, music for instance; it is heard by nobody from the act on. The outcome is the event "holding". What
// is wished is saved and worked off by due, so that neither a busy moment nor a restart loses it.
func (s *Server) Hold(id string, on bool) error {
	c, err := s.call(id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.over || c.rec.State != answered && c.rec.State != held {
		defer c.mu.Unlock()
		return protocol.WrongState("hold", c.rec.State)
	}
	if c.rec.Hold == on {
		c.mu.Unlock()
		return nil
	}
	c.rec.Hold, c.holdTries = on, 0
	c.leg.SetReceiving(c.hears())
	c.keepLocked()
	due := c.holdDue(time.Now())
	c.mu.Unlock()
	if due {
		s.spawn(c.rehold)
	}
	return nil
}

// hears tells whether the far side is heard. The caller holds c.mu.
func (c *Call) hears() bool {
	return !c.rec.Hold && !c.rec.Holding && c.rec.Theirs != sdp.RecvOnly && c.rec.Theirs != sdp.Inactive
}

// holdDue tells whether it is time to ask the far side for what is wished, which the caller then does by rehold. The
// caller holds c.mu.
func (c *Call) holdDue(now time.Time) bool {
	up := !c.over && (c.rec.State == answered || c.rec.State == held)
	due := up && c.rec.Hold != c.rec.Holding && !c.offering && len(c.acks) == 0 && now.After(c.holdAt)
	if due {
		c.offering, c.saying = true, c.rec.Hold
	}
	return due
}

// rehold asks the far side by a re-INVITE.
func (c *Call) rehold() {
	c.mu.Lock()
	timer := c.rec.Timer
	c.mu.Unlock()
	res, err := c.reinvite(timer)
	if c.s.ctx.Err() != nil {
		return
	}
	switch code := outcome(res, err); code {
	case 200:
		c.renew(timer.agreed(res))
		c.heldBack(0)
	case 481:
		c.quit("network", "session_expired", code)
	case 422:
		if !c.longer(res) {
			c.heldBack(code)
			return
		}
		c.holdLater(0)
	case 491, 500:
		c.mu.Lock()
		c.holdTries++
		more := c.holdTries < holdTries && (code == 491 || header(res, "Retry-After") != "")
		c.mu.Unlock()
		if !more {
			c.heldBack(code)
			return
		}
		c.holdLater(c.pause())
	default:
		c.heldBack(code)
	}
}

// outcome is the status of a re-INVITE of ours: 408 when there was no answer, 488 when it agreed to something that
// cannot be.
func outcome(res *sip.Response, err error) int {
	switch {
	case res == nil:
		return 408
	case !res.IsSuccess():
		return res.StatusCode
	case err != nil:
		return 488
	}
	return 200
}

// heldBack ends a re-INVITE: 0, and what it said stands; else the call is as it was before.
func (c *Call) heldBack(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offering, c.holdTries = false, 0
	asked := c.saying
	if code == 0 {
		c.rec.Holding = asked
	} else {
		c.saying = c.rec.Holding
		if c.rec.Hold == asked { // not wished otherwise meanwhile
			c.rec.Hold = c.rec.Holding
		}
	}
	if c.over {
		return
	}
	c.leg.SetReceiving(c.hears())
	c.keepLocked()
	c.s.deps.Emit(protocol.Event{Kind: protocol.Holding, Endpoint: c.id, On: c.rec.Holding, Code: code})
}

// holdLater leaves what is wished to due.
func (c *Call) holdLater(pause time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offering, c.saying = false, c.rec.Holding
	c.holdAt = time.Now().Add(pause)
}
