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

// ack acknowledges a 200; it carries the credentials of its INVITE. At the server's end it waits for the next process,
// and the 200 that comes again.
func (s *Server) ack(d *dialog, invite *sip.Request) {
	if s.ctx.Err() != nil {
		return
	}
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
	c.mu.Unlock()
	body, ok := sdpOf(res)
	if len(body) == 0 {
		body = c.out.answers[d.RemoteTag]
	}
	heldNow, err := c.take(body)
	up := c.pickedUp(res, ok && err == nil)
	c.s.ack(&d, invite)
	if !up {
		c.leave("us", "no_codec", 488, true)
		c.bye() // also when it was given up meanwhile, which took its leg away
		return
	}
	c.holding(heldNow)
}

// pickedUp saves what a 200 makes of our call, before its ACK: what the far side believes in, a restart goes on with, or
// hangs up. From then on whoever ends the call sends the BYE; false: that is the caller's.
func (c *Call) pickedUp(res *sip.Response, agreed bool) bool {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	up := agreed && !c.over
	if up {
		c.rec.State, c.renewed = answered, now
		c.rec.Timer = c.rec.Timer.agreed(res)
		c.rec.Timer.Renewed = now.UnixMilli()
		c.trunk.limits.answered(c.id, c.rec.Number, now)
	}
	c.keepLocked()
	if up {
		c.attachLocked()
		c.s.deps.Emit(protocol.Event{Kind: protocol.Answered, Endpoint: c.id, Codec: c.rec.Codec})
	}
	return up
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
