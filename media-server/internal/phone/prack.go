package phone

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// provisional sends a 18x: reliably (RFC 3262) when the caller requires it.
func (in *incoming) provisional(code int, body []byte) {
	c := in.c
	res := sip.NewResponseFromRequest(in.req, code, reasons[code], body)
	c.mu.Lock()
	res.AppendHeader(sip.NewHeader("Contact", c.s.contact(c.rec.Dialog.Transport, c.rec.Dialog.User)))
	c.mu.Unlock()
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	if len(body) > 0 {
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	if lists(in.req, "Require", "100rel") {
		if in.rseq == 0 {
			in.rseq = uint32(in.c.beginAt.UnixNano()) & 0xffff
		}
		in.rseq++
		res.AppendHeader(sip.NewHeader("Require", "100rel"))
		res.AppendHeader(sip.NewHeader("RSeq", strconv.FormatUint(uint64(in.rseq), 10)))
		in.waiting, in.interval, in.since = res, sip.T1, time.Now()
		in.resend.Reset(in.interval)
	}
	in.last = res
	if err := in.tx.Respond(res); err != nil {
		c.s.log.Debug("a provisional answer could not be sent", "endpoint", c.id, "error", err)
	}
}

// again repeats a reliable answer; false when the caller never acknowledges it and the call is refused.
func (in *incoming) again() bool {
	if in.waiting == nil {
		return true
	}
	if time.Since(in.since) > sip.Timer_H {
		in.c.s.reply(in.req, in.tx, 504)
		in.c.leave("network", "no_ack", 504, false)
		return false
	}
	_ = in.tx.Respond(in.waiting) // one that is lost is what the next one is for
	in.interval *= 2
	in.resend.Reset(in.interval)
	return true
}

func (in *incoming) acknowledged(prack *sip.Request) {
	want := fmt.Sprintf("%d %d INVITE", in.rseq, in.req.CSeq().SeqNo)
	if in.waiting != nil && strings.Join(strings.Fields(header(prack, "RAck")), " ") == want {
		in.waiting = nil
		in.resend.Stop()
	}
}

// onPrack takes the acknowledgement of a reliable answer of ours. An offer in it is answered.
func (s *Server) onPrack(req *sip.Request, tx sip.ServerTransaction) {
	c := s.within(req, tx)
	if c == nil {
		return
	}
	body, ok := sdpOf(req)
	if !ok {
		s.reply(req, tx, 415, sip.NewHeader("Accept", "application/sdp"))
		return
	}
	select {
	case c.pracks <- req:
	default:
	}
	if len(body) == 0 {
		s.reply(req, tx, 200)
		return
	}
	s.renegotiate(c, req, tx, body)
}

// prack acknowledges a reliable 18x of the far side, in the early dialog of that answer.
func (c *Call) prack(invite *sip.Request, res *sip.Response) {
	rseq, err := strconv.ParseUint(header(res, "RSeq"), 10, 32)
	if err != nil || !lists(res, "Require", "100rel") {
		return
	}
	remote := tag(res.To().Params)
	last, seen := c.out.rseqs[remote]
	if seen && uint32(rseq) != last+1 || !seen && len(c.out.rseqs) >= maxForks { // repeated, or out of order
		return
	}
	c.out.rseqs[remote] = uint32(rseq)
	early := c.fork(res)
	c.s.spawn(func() {
		_, err := c.exchangeIn(&early, sip.PRACK, func(req *sip.Request) {
			req.AppendHeader(sip.NewHeader("RAck", fmt.Sprintf("%d %d INVITE", rseq, invite.CSeq().SeqNo)))
		}, func(req *sip.Request) (*sip.Response, error) { return c.s.send(c.s.ctx, req) })
		if err != nil {
			c.s.log.Debug("PRACK had no answer", "endpoint", c.id, "error", err)
		}
	})
}
