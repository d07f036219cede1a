package phone

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/stream"
)

// restarted is the cause of a call's end that was not answered when the process before us died.
const restarted = "restart"

// Restore takes up the calls that the process before us left, on the same ports, and tells how many go on.
// It comes before Run. What cannot go on is told as "left".
func (s *Server) Restore() (int, error) {
	err := s.deps.Keep.Each("spend", func(id string, doc json.RawMessage) error {
		var sum spend
		if err := json.Unmarshal(doc, &sum); err != nil {
			return fmt.Errorf("read the spend of a trunk: %w", err)
		}
		sum.kept = sum.Amount
		s.spends[id] = sum
		return nil
	})
	if err != nil {
		return 0, err
	}
	err = s.deps.Keep.Each("trunks", func(_ string, doc json.RawMessage) error {
		var trunks protocol.Trunks
		if err := json.Unmarshal(doc, &trunks); err != nil {
			return fmt.Errorf("read the trunks: %w", err)
		}
		s.trunksMu.Lock()
		defer s.trunksMu.Unlock()
		return s.takeTrunks(trunks)
	})
	if err != nil {
		return 0, err
	}
	var records []record
	err = s.deps.Keep.Each("call", func(_ string, doc json.RawMessage) error {
		var rec record
		if err := json.Unmarshal(doc, &rec); err != nil {
			s.log.Error("a saved call cannot be read", "error", err)
			return nil
		}
		records = append(records, rec)
		return nil
	})
	if err != nil {
		return 0, err
	}
	going := 0
	for _, rec := range records {
		if s.restore(rec) {
			going++
		}
	}
	s.renewSources()
	return going, nil
}

// restore takes up one call; false when it ends here.
func (s *Server) restore(rec record) bool {
	t := s.trunk(rec.Trunk)
	if t == nil { // the trunk was taken away while the call ran: it ends as it would have, with what is known
		t = &trunk{Trunk: protocol.Trunk{ID: rec.Trunk}, limits: newLimits(protocol.Trunk{}, time.Now())}
	}
	c := s.newCall(rec.ID, t)
	c.rec, c.saying, c.repeats = rec, rec.Holding, true
	c.key = dialogKey(rec.Dialog.CallID, rec.Dialog.LocalTag)
	if rec.Incoming {
		c.origin = dialogKey(rec.Dialog.CallID, rec.Dialog.RemoteTag)
	}
	c.referEnds = time.Now().Add(referSeconds * s.timing.second)
	if rec.Timer.Renewed > 0 {
		c.renewed = time.Now().Add(-c.sinceRenewed(rec.Timer))
	}
	t.limits.resumed()
	s.add(c)
	switch rec.State {
	case answered, held:
		leg, err := stream.Restore(s.ports, c.id, c.notices(), rec.Media)
		if err != nil {
			s.log.Error("a call cannot go on", "endpoint", c.id, "error", err)
			s.afterRestart(func() { c.quit("network", restarted, 0) })
			return false
		}
		c.leg = leg
		if !rec.Incoming {
			t.limits.answered(c.id, rec.Number, time.Now())
		}
		c.attach()
		if rec.Unacked {
			s.answerAgain(c)
		}
		return true
	case ending:
		s.forget(c)
		c.over = true
		t.limits.done(c.id, time.Now())
		s.deps.Emit(protocol.Event{Kind: protocol.Left, Endpoint: c.id, Who: rec.Who, Cause: rec.Ending.Cause, Code: rec.Ending.Code})
		if rec.Unacked { // before our BYE
			s.answerAgain(c)
		}
		s.afterRestart(func() { c.wipe(rec) })
	default:
		c.leave("network", restarted, 0, true)
		s.afterRestart(func() { c.wipe(rec) })
	}
	return false
}

// wipe ends at the far side what was under way when the process before us died.
func (c *Call) wipe(rec record) {
	switch {
	case rec.Unacked || rec.Invite == "" && rec.Dialog.RemoteTag != "":
		c.bye()
		return
	case rec.Invite == "": // it was never sent
	case rec.Incoming:
		c.refuseLate(rec)
	default:
		c.cancelLate(rec)
		wait(c.s.ctx, sip.Timer_B) // a 200 that crossed is hung up meanwhile, by onStray
	}
	if c.s.ctx.Err() == nil {
		c.s.drop(c)
	}
}

// answerAgain says the 200 again whose ACK the process before us had not seen: perhaps it was saved and not sent. Over TCP
// and TLS the way back is gone, and with it the caller's wait; there we ask whether the call stands.
func (s *Server) answerAgain(c *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seq, late := c.rec.Seq, c.rec.Codec == ""
	if c.rec.Dialog.Transport != "udp" {
		if !c.over {
			c.offering = true
			s.afterRestart(c.ask)
		}
		return
	}
	wait := c.expectAckLocked(seq)
	s.afterRestart(func() {
		invite, write := c.lateInvite()
		if invite == nil {
			c.acked(seq, nil)
			return
		}
		res := c.okay(invite, []byte(c.body()))
		to := answering{say: func() { write(res) }}
		to.say()
		c.confirmed(c.untilAck(to, seq, wait), late)
	})
}

// ask ends a call that does not stand at the far side any more.
func (c *Call) ask() {
	c.mu.Lock()
	timer := c.rec.Timer
	c.mu.Unlock()
	res, err := c.reinvite(timer)
	if c.s.ctx.Err() != nil {
		return
	}
	if code := outcome(res, err); code != 200 {
		c.quit("network", "no_ack", code)
		return
	}
	c.mu.Lock()
	c.offering = false
	c.rec.Unacked, c.rec.Invite = false, ""
	c.mu.Unlock()
	c.renew(timer.agreed(res))
}

// cancelLate cancels an INVITE whose transaction died with the process before us.
func (c *Call) cancelLate(rec record) {
	parsed, err := sip.ParseMessage([]byte(rec.Invite))
	if invite, ok := parsed.(*sip.Request); ok && err == nil {
		invite.SetDestination(rec.Dialog.Source)
		c.cancel(invite)
	}
}

// refuseLate answers an incoming INVITE whose transaction died with the process before us, so that the caller
// does not hear it ring for ever. Over TCP and TLS the connection's end has told already.
func (c *Call) refuseLate(rec record) {
	if rec.Dialog.Transport != "udp" {
		return
	}
	invite, write := c.lateInvite()
	if invite == nil {
		return
	}
	res := sip.NewResponseFromRequest(invite, 503, reasons[503], nil)
	for range 3 { // there is no transaction that would repeat it
		write(res)
		wait(c.s.ctx, sip.T1)
	}
}

// lateInvite is the INVITE of a call that came in over UDP to the process before us, and the way of answers to it; nil
// when it cannot be read.
func (c *Call) lateInvite() (*sip.Request, func(*sip.Response)) {
	c.mu.Lock()
	text, source := c.rec.Invite, c.rec.Dialog.Source
	c.mu.Unlock()
	parsed, err := sip.ParseMessage([]byte(text))
	invite, ok := parsed.(*sip.Request)
	n := c.s.networks["udp"]
	if err != nil || !ok || n == nil {
		return nil, nil
	}
	invite.SetTransport("UDP")
	invite.SetSource(source)
	return invite, func(res *sip.Response) {
		res.SetDestination(source)
		conn, err := c.s.ua.TransportLayer().GetConnection("udp", n.local.String())
		if err == nil {
			err = conn.WriteMsg(res)
			_, _ = conn.TryClose()
		}
		if err != nil {
			c.s.log.Debug("an INVITE of before the restart could not be answered", "endpoint", c.id, "error", err)
		}
	}
}

// afterRestart runs f once Run serves.
func (s *Server) afterRestart(f func()) { s.later = append(s.later, f) }

// sinceRenewed is how old the session was when we came back, by a clock that may have jumped meanwhile: no younger
// than now, and old enough for our refresh, not for giving up the far side.
func (c *Call) sinceRenewed(t sessionTimer) time.Duration {
	half := time.Duration(t.Interval) * c.s.timing.second / 2
	return min(max(time.Since(time.UnixMilli(t.Renewed)), 0), half)
}
