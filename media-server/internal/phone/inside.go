package phone

import "github.com/emiago/sipgo/sip"

// callOf finds the call a request belongs to: by Call-ID and both tags, and from whom it may come. Who
// guesses the tags still needs the address of the trunk or of the far side.
func (s *Server) callOf(req *sip.Request) *Call {
	if !whole(req) {
		return nil
	}
	s.mu.Lock()
	c := s.dialogs[dialogKey(req.CallID().Value(), tag(req.To().Params))]
	s.mu.Unlock()
	from, ok := sourceOf(req)
	if c == nil || !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	confirmed := c.rec.State == answered || c.rec.State == held || c.rec.State == ending || c.rec.Incoming
	if confirmed && c.rec.Dialog.RemoteTag != tag(req.From().Params) {
		return nil
	}
	addr := c.trunk.addr.Load()
	known := c.trunk.lets(from.Addr()) || addr != nil && *addr == from.Addr() || c.rec.Dialog.Source == from.String()
	if !known {
		return nil
	}
	return c
}

// within finds the call of a request inside a dialog and checks its number; nil when it was answered here,
// or is left without answer because it comes from a stranger.
func (s *Server) within(req *sip.Request, tx sip.ServerTransaction) *Call {
	c := s.callOf(req)
	if c == nil {
		if len(s.trunksOf(req)) == 0 {
			s.refusals.add("", "unknown_source")
		} else if !whole(req) {
			s.reply(req, tx, 400)
		} else {
			s.reply(req, tx, 481)
		}
		return nil
	}
	c.mu.Lock()
	d := &c.rec.Dialog
	fresh := req.CSeq().SeqNo > d.RemoteSeq || d.RemoteSeq == 0 || c.repeats && req.CSeq().SeqNo == d.RemoteSeq
	c.repeats = false
	if fresh {
		d.RemoteSeq = req.CSeq().SeqNo
		d.Source, d.Transport = req.Source(), sip.NetworkToLower(req.Transport())
		c.keepLocked()
	}
	c.mu.Unlock()
	if !fresh {
		s.reply(req, tx, 500, sip.NewHeader("Retry-After", "0"))
		return nil
	}
	return c
}

// onBye ends a call from the far side.
func (s *Server) onBye(req *sip.Request, tx sip.ServerTransaction) {
	c := s.within(req, tx)
	if c == nil {
		return
	}
	if c.out != nil && !c.inState(answered) && !c.inState(held) { // in an early dialog
		c.abandon("them", "hangup", 0)
	} else {
		c.leave("them", "hangup", 0, false)
	}
	s.reply(req, tx, 200)
	for _, wait := range c.awaited() { // an ACK that was lost does not come any more
		wait.end(nil)
	}
}

// onCancel answers a CANCEL whose INVITE is not known (any more); the stack takes the others.
func (s *Server) onCancel(req *sip.Request, tx sip.ServerTransaction) {
	if len(s.trunksOf(req)) == 0 {
		s.refusals.add("", "unknown_source")
		return
	}
	s.reply(req, tx, 481)
}

// onOptions answers a keep-alive, of a trunk or in a call.
func (s *Server) onOptions(req *sip.Request, tx sip.ServerTransaction) {
	if req.To() != nil && tag(req.To().Params) != "" {
		if s.within(req, tx) == nil {
			return
		}
	} else if len(s.trunksOf(req)) == 0 {
		s.refusals.add("", "unknown_source")
		return
	}
	s.reply(req, tx, 200, sip.NewHeader("Allow", allowed), sip.NewHeader("Accept", "application/sdp"),
		sip.NewHeader("Supported", supported))
}

// onOther refuses what we do not do: REGISTER, SUBSCRIBE, MESSAGE ...
func (s *Server) onOther(req *sip.Request, tx sip.ServerTransaction) {
	if len(s.trunksOf(req)) == 0 {
		s.refusals.add("", "unknown_source")
		return
	}
	s.reply(req, tx, 405, sip.NewHeader("Allow", allowed))
}

// onStray takes answers without transaction: a 200 to an INVITE of the process before us, or one that comes very late.
// It is acknowledged, also when our BYE is under way, and hung up when its call is gone or goes on with another
// telephone.
func (s *Server) onStray(res *sip.Response) {
	if !res.IsSuccess() || res.CSeq() == nil || res.CSeq().MethodName != sip.INVITE || res.CallID() == nil ||
		res.From() == nil || res.To() == nil {
		return
	}
	if !s.begin() {
		return
	}
	defer s.work.Done()
	s.mu.Lock()
	c := s.dialogs[dialogKey(res.CallID().Value(), tag(res.From().Params))]
	s.mu.Unlock()
	if c == nil {
		return
	}
	c.mu.Lock()
	d, seq := c.rec.Dialog, res.CSeq().SeqNo
	first := !c.rec.Incoming && c.rec.Seq == seq // to the INVITE that began the call
	up := c.rec.State == answered || c.rec.State == held || c.rec.State == ending
	same := d.RemoteTag == tag(res.To().Params)
	orphan := c.rec.State == ending && c.rec.Invite != ""
	c.mu.Unlock()
	invite := sip.NewRequest(sip.INVITE, sip.Uri{})
	invite.AppendHeader(res.CSeq())
	switch {
	case up && first && (orphan || !same):
		c.hangUpFork(res, invite)
	case up && same && seq <= d.LocalSeq: // without the ACK the far side would hang up
		c.s.ack(&d, invite)
	}
}
