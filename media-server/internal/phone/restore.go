package phone

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/stream"
)

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
	c.rec, c.saying = rec, rec.Holding
	c.key = dialogKey(rec.Dialog.CallID, rec.Dialog.LocalTag)
	if rec.Incoming {
		c.origin = dialogKey(rec.Dialog.CallID, rec.Dialog.RemoteTag)
	}
	c.referEnds = time.Now().Add(referSeconds * s.timing.second)
	if rec.Timer.Renewed > 0 {
		c.renewed = time.Now().Add(-time.Since(time.UnixMilli(rec.Timer.Renewed)))
	}
	t.limits.resumed()
	s.add(c)
	switch rec.State {
	case answered, held:
		leg, err := stream.Restore(s.ports, c.id, c.notices(), rec.Media)
		if err != nil {
			s.log.Error("a call cannot go on", "endpoint", c.id, "error", err)
			s.afterRestart(func() { c.quit("network", "restart", 0) })
			return false
		}
		c.leg = leg
		if !rec.Incoming {
			t.limits.answered(c.id, rec.Number, time.Now())
		}
		c.attach()
		return true
	case ending:
		s.forget(c)
		c.over = true
		t.limits.done(c.id, time.Now())
		c.referLost()
		s.deps.Emit(protocol.Event{Kind: protocol.Left, Endpoint: c.id, Who: rec.Who, Cause: rec.Ending.Cause, Code: rec.Ending.Code})
		s.afterRestart(func() { c.wipe(rec) })
	default:
		c.leave("network", "restart", 0, true)
		s.afterRestart(func() { c.wipe(rec) })
	}
	return false
}

// wipe ends at the far side what was under way when the process before us died.
func (c *Call) wipe(rec record) {
	switch {
	case rec.Invite == "":
		c.bye()
		return
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
	parsed, err := sip.ParseMessage([]byte(rec.Invite))
	invite, ok := parsed.(*sip.Request)
	if err != nil || !ok || rec.Dialog.Transport != "udp" {
		return
	}
	to, err := netip.ParseAddrPort(rec.Dialog.Source)
	if err != nil {
		return
	}
	invite.SetTransport("UDP")
	invite.SetSource(rec.Dialog.Source)
	res := sip.NewResponseFromRequest(invite, 503, reasons[503], nil)
	conn, err := c.s.ua.TransportLayer().GetConnection("udp", c.s.networks["udp"].local.String())
	if err != nil {
		c.s.log.Debug("a call of before the restart could not be refused", "endpoint", c.id, "error", err)
		return
	}
	defer func() { _, _ = conn.TryClose() }()
	res.SetDestination(to.String())
	for range 3 { // there is no transaction that would repeat it
		_ = conn.WriteMsg(res)
		wait(c.s.ctx, sip.T1)
	}
}

// afterRestart runs f once Run serves.
func (s *Server) afterRestart(f func()) { s.later = append(s.later, f) }
