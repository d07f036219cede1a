package phone

import (
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/sdp"
)

// onReinvite takes a change of a running call: hold, another address or codec, a refresh.
func (s *Server) onReinvite(req *sip.Request, tx sip.ServerTransaction) {
	c := s.within(req, tx)
	if c == nil {
		return
	}
	c.settle()
	c.mu.Lock()
	ours, busy := c.offering, len(c.acks) > 0
	up := !c.over && (c.rec.State == answered || c.rec.State == held)
	seq, wait := req.CSeq().SeqNo, (*ackWait)(nil)
	if up && !ours && !busy {
		wait = c.expectAckLocked(seq)
	}
	c.mu.Unlock()
	switch {
	case !up:
		s.reply(req, tx, 481)
		return
	case ours: // both sides asked at once
		s.reply(req, tx, 491)
		return
	case busy:
		s.reply(req, tx, 500, sip.NewHeader("Retry-After", "1"))
		return
	}
	defer c.acked(seq, nil)
	res, held, late := c.changed(req, tx)
	if res == nil {
		return
	}
	if err := tx.Respond(res); err != nil {
		return
	}
	if !late {
		c.holding(held)
	}
	c.confirmed(c.untilAck(saying(tx, res), seq, wait), late)
}

// settle waits a moment for an ACK that came just before: the stack hands each message to its own goroutine.
func (c *Call) settle() {
	moment := time.NewTimer(sip.T1)
	defer moment.Stop()
	for _, wait := range c.awaited() {
		select {
		case <-wait.done:
		case <-moment.C:
			return
		}
	}
}

// changed applies a re-INVITE or UPDATE and makes its 200; nil when it was refused, which is answered here.
// late: the request had no offer, ours is in the 200.
func (c *Call) changed(req *sip.Request, tx sip.ServerTransaction) (res *sip.Response, held, late bool) {
	if unknown := unsupported(req); unknown != "" {
		c.s.reply(req, tx, 420, sip.NewHeader("Unsupported", unknown))
		return nil, false, false
	}
	timer, ok := c.s.timerOffered(req, c.trunk)
	if !ok {
		c.s.reply(req, tx, 422, sip.NewHeader("Min-SE", c.s.minSE()))
		return nil, false, false
	}
	body, isSDP := sdpOf(req)
	if !isSDP {
		c.s.reply(req, tx, 415, sip.NewHeader("Accept", "application/sdp"))
		return nil, false, false
	}
	var answer []byte
	switch {
	case len(body) > 0:
		var agreed sdp.Agreed
		var err error
		if answer, agreed, err = c.answer(body); err == nil {
			held, err = c.apply(agreed)
		}
		if err != nil { // the call goes on as it was
			c.s.reply(req, tx, refusalOf(err))
			return nil, false, false
		}
	case req.Method == sip.INVITE:
		answer, late = c.offer(), true
	}
	c.retarget(req)
	if timer.Interval == 0 && header(req, "Session-Expires") == "" {
		c.mu.Lock()
		timer = c.rec.Timer
		c.mu.Unlock()
	}
	c.renew(timer)
	return c.okay(req, answer), held, late
}

// retarget notes the far side's new Contact: from then on requests go there.
func (c *Call) retarget(msg sip.Message) {
	headers := msg.GetHeaders("Contact")
	if len(headers) == 0 {
		return
	}
	contact, ok := headers[0].(*sip.ContactHeader)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rec.Dialog.Target = contact.Address.String()
}

// onUpdate takes UPDATE: a refresh without SDP, or a change with it, before the answer too.
func (s *Server) onUpdate(req *sip.Request, tx sip.ServerTransaction) {
	c := s.within(req, tx)
	if c == nil {
		return
	}
	body, _ := sdpOf(req)
	s.renegotiate(c, req, tx, body)
}

// renegotiate answers an offer that is in no INVITE.
func (s *Server) renegotiate(c *Call, req *sip.Request, tx sip.ServerTransaction, body []byte) {
	c.settle()
	c.mu.Lock()
	ours, busy := c.offering && len(body) > 0, len(c.acks) > 0 && len(body) > 0
	unoffered := c.rec.Local.Body == "" && len(body) > 0 // no first offer and answer yet
	c.mu.Unlock()
	switch {
	case ours:
		s.reply(req, tx, 491)
		return
	case busy || unoffered:
		s.reply(req, tx, 500, sip.NewHeader("Retry-After", "1"))
		return
	}
	res, held, _ := c.changed(req, tx)
	if res == nil {
		return
	}
	if err := tx.Respond(res); err != nil {
		s.log.Debug("an answer could not be sent", "method", req.Method, "error", err)
	}
	if len(body) > 0 {
		c.holding(held)
	}
}

// reinvite sends our description as it stands once more, and takes the far side's answer.
func (c *Call) reinvite(timer sessionTimer) (*sip.Response, error) {
	body := c.offer()
	res, err := c.exchange(sip.INVITE, func(req *sip.Request) {
		timer.ask(req, true, c.s.minSE())
		req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
		req.SetBody(body)
	}, c.inviteOnce)
	if err != nil || !res.IsSuccess() {
		return res, err
	}
	return res, c.takeAnswer(res)
}

// takeAnswer applies the answer to a re-INVITE of ours.
func (c *Call) takeAnswer(res *sip.Response) error {
	body, ok := sdpOf(res)
	if !ok || len(body) == 0 {
		return nil // nothing was changed
	}
	heldNow, err := c.take(body)
	if err != nil {
		return fmt.Errorf("take the answer to our re-INVITE: %w", err)
	}
	c.holding(heldNow)
	return nil
}

// inviteOnce runs one INVITE transaction of a running call, its ACK included. A far side that says that it tries, and
// no more, is not there.
func (c *Call) inviteOnce(req *sip.Request) (*sip.Response, error) {
	tx, err := c.s.begins(c.s.ctx, req)
	if err != nil {
		return nil, err
	}
	giveUp := time.NewTimer(sip.Timer_B)
	defer giveUp.Stop()
	for {
		select {
		case <-giveUp.C:
			tx.Terminate()
			return nil, fmt.Errorf("send INVITE: %w", errNoAnswer)
		case res := <-tx.Responses():
			if res.IsProvisional() {
				continue
			}
			if !res.IsSuccess() {
				return res, nil // the stack sends this ACK
			}
			c.retarget(res)
			c.mu.Lock()
			d := c.rec.Dialog
			c.mu.Unlock()
			tx.OnRetransmission(func(*sip.Response) { c.s.ack(&d, req) })
			c.s.ack(&d, req)
			return res, nil
		case <-tx.Done():
			return nil, ended(req, tx)
		case <-c.s.ctx.Done():
			return nil, c.s.ctx.Err()
		}
	}
}
