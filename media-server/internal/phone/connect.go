package phone

import (
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
)

// fork is the dialog that an answer to our INVITE makes; an INVITE may make several.
func (c *Call) fork(res *sip.Response) dialog {
	c.mu.Lock()
	d := c.rec.Dialog
	c.mu.Unlock()
	d.RemoteTag = tag(res.To().Params)
	d.Routes = addresses(res, "Record-Route")
	slices.Reverse(d.Routes)
	if headers := res.GetHeaders("Contact"); len(headers) > 0 {
		if contact, ok := headers[0].(*sip.ContactHeader); ok {
			d.Target = contact.Address.String()
		}
	}
	if from, ok := sourceOf(res); ok {
		d.Source = from.String()
	}
	return d
}

// ack acknowledges a 200; it carries the credentials of its INVITE.
func (s *Server) ack(d *dialog, invite *sip.Request) {
	req, err := s.build(d, sip.ACK, invite.CSeq().SeqNo)
	if err == nil {
		for _, name := range []string{"Authorization", "Proxy-Authorization"} {
			sip.CopyHeaders(name, invite, req)
		}
		req.SetBody(nil)
		err = s.client.WriteRequest(req, asBuilt)
	}
	if err != nil {
		s.log.Debug("an ACK could not be sent", "error", err)
	}
}

// established takes the 200 to our INVITE.
func (c *Call) established(invite *sip.Request, res *sip.Response, tx sip.ClientTransaction) {
	if res.To() == nil {
		c.fail("network", "failed", 0)
		return
	}
	d := c.fork(res)
	tx.OnRetransmission(func(again *sip.Response) {
		if !c.s.begin() {
			return
		}
		defer c.s.work.Done()
		switch {
		case again.To() == nil:
		case tag(again.To().Params) == d.RemoteTag:
			c.s.ack(&d, invite)
		default: // a second telephone was faster than the CANCEL of a proxy
			c.hangUpFork(again, invite)
		}
	})
	c.mu.Lock()
	c.rec.Dialog.RemoteTag, c.rec.Dialog.Routes = d.RemoteTag, d.Routes
	c.rec.Dialog.Target, c.rec.Dialog.Source = d.Target, d.Source
	c.rec.Number = c.out.number
	c.rec.Invite, c.rec.Updates = "", lists(res, "Allow", "UPDATE")
	asked, over := c.rec.Timer, c.over
	c.keepLocked() // before the ACK: a call that we acknowledge is one that a restart hangs up
	c.mu.Unlock()
	c.s.ack(&d, invite)
	if over { // it was given up meanwhile
		c.bye()
		return
	}
	body, ok := sdpOf(res)
	if len(body) == 0 {
		body = c.out.answers[d.RemoteTag]
	}
	heldNow, err := c.take(body)
	if !ok || err != nil {
		c.leave("us", "no_codec", 488, true)
		c.bye() // also when it was given up in this moment, which took its leg away
		return
	}
	c.renew(asked.agreed(res))
	c.trunk.limits.answered(c.id, c.out.number, time.Now())
	c.attach()
	if !c.set(answered, protocol.Event{Kind: protocol.Answered, Codec: c.codec()}) {
		c.bye() // it was given up in this moment
		return
	}
	c.holding(heldNow)
}

// hangUpFork ends a dialog of our INVITE that came beside the one we talk in; its 200 is acknowledged as often as it
// comes.
func (c *Call) hangUpFork(res *sip.Response, invite *sip.Request) {
	d := c.fork(res)
	c.mu.Lock()
	known := c.forks[d.RemoteTag]
	room := known || len(c.forks) < maxForks
	if room {
		c.forks[d.RemoteTag] = true
	}
	c.mu.Unlock()
	if !room {
		return
	}
	c.s.ack(&d, invite)
	if known {
		return
	}
	c.s.spawn(func() {
		_, err := c.exchangeIn(&d, sip.BYE, nil, func(req *sip.Request) (*sip.Response, error) { return c.s.send(c.s.ctx, req) })
		if err != nil {
			c.s.log.Debug("BYE to another fork had no answer", "endpoint", c.id, "error", err)
		}
	})
}
