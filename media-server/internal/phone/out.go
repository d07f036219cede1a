package phone

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
)

// Bounds of one dialled call.
const (
	maxRedirects = 3
	maxTries     = 8 // challenges, timers and redirects together
	maxForks     = 16
)

// outgoing is a dialled call until its answer. Its goroutine alone touches it, stop aside.
type outgoing struct {
	dial    protocol.Dial
	number  string // what is dialled now: a redirect changes it
	visited []string
	rseqs   map[string]uint32
	answers map[string][]byte // SDP of 18x by fork
	ringing bool
	stop    chan struct{}
	stopped sync.Once
}

// Dial calls a number over a trunk. What becomes of it comes as events.
func (s *Server) Dial(id string, d protocol.Dial) error {
	if err := protocol.ID(id, "endpoint"); err != nil {
		return err
	}
	if err := d.Check(); err != nil {
		return err
	}
	s.mu.Lock()
	before, past := s.calls[id], s.past[id]
	s.mu.Unlock()
	if past || before != nil && (before.out == nil || before.out.dial != d) {
		return protocol.Refuse(http.StatusConflict, "endpoint_used", "", "an endpoint's id is used once: take a new one")
	}
	if before != nil {
		return nil
	}
	t := s.trunk(d.Trunk)
	if t == nil {
		return protocol.Unknown("trunk")
	}
	now := time.Now()
	if refusal := t.limits.admitOut(d.Number, now); refusal != nil {
		s.refusals.add(t.ID, refusal.Body.Field)
		return refusal
	}
	c := s.newCall(id, t)
	if err := c.open(); err != nil {
		t.limits.done(id, now)
		s.exhausted(t, err)
		return protocol.Unavailable("ports_exhausted", "no RTP port is free: wait for a call to end, or widen rtp_first to rtp_last")
	}
	c.dialled(d)
	if !s.add(c) { // somebody was faster
		c.release()
		t.limits.done(id, now)
		return protocol.Refuse(http.StatusConflict, "endpoint_used", "", "an endpoint's id is used once: take a new one")
	}
	c.keep()
	s.spawn(c.run)
	return nil
}

// dialled fills the dialog of a call that nobody else knows yet.
func (c *Call) dialled(d protocol.Dial) {
	t := c.trunk
	c.out = &outgoing{
		dial: d, number: d.Number, visited: []string{d.Number}, rseqs: map[string]uint32{}, answers: map[string][]byte{},
		stop: make(chan struct{}),
	}
	local := fmt.Sprintf("<sip:%s@%s>", escape(d.CallerID), hostPart(t.realm(c.s.cfg.PublicHost)))
	if d.CallerID == "" {
		local = `"Anonymous" <sip:anonymous@anonymous.invalid>`
	}
	c.rec.State, c.rec.From, c.rec.To = dialling, d.CallerID, d.Number
	c.rec.Timer = sessionTimer{Interval: t.SessionSeconds}
	c.rec.Dialog = dialog{
		CallID: random(16), LocalTag: random(8), Local: local, Remote: "<" + t.uri(d.Number) + ">",
		LocalSeq: 1, Target: t.uri(d.Number), Transport: t.Transport, Source: t.Peer, Peer: t.Peer, User: t.Username,
	}
	c.key = dialogKey(c.rec.Dialog.CallID, c.rec.Dialog.LocalTag)
}

// escape writes a number as the user part of an address; only # of what a number may hold needs it.
func escape(number string) string { return strings.ReplaceAll(number, "#", "%23") }

func hostPart(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// uri is the address of a number at the trunk.
func (t *trunk) uri(number string) string {
	uri := fmt.Sprintf("sip:%s@%s:%d", escape(number), hostPart(t.host), t.port)
	if t.Transport != "udp" {
		uri += ";transport=" + t.Transport
	}
	return uri
}

// run dials to the end: an answer, a refusal, or nobody.
func (c *Call) run() {
	c.mu.Lock()
	deadline := time.NewTimer(time.Duration(c.out.dial.TimeoutMillis) * time.Millisecond)
	c.mu.Unlock()
	defer deadline.Stop()
	body := c.offer()
	var credits []sip.Header
	lost := false
	for try := 0; try < maxTries; try++ {
		req, err := c.invite(body, credits)
		if err != nil {
			c.fail("network", "unreachable", 0)
			return
		}
		res, tx, err := c.attempt(req, deadline)
		switch {
		case c.s.ctx.Err() != nil:
			return
		case errors.Is(err, errUnreachable) && c.trunk.Transport != "udp" && !lost && !c.isOver():
			lost = true // the connection had ended unnoticed: over a new one
			continue
		case errors.Is(err, errUnreachable):
			c.fail("network", "unreachable", 0)
			return
		case err != nil:
			c.fail("network", "no_answer", 408)
			return
		case res.IsSuccess():
			c.established(req, res, tx)
			return
		case c.isOver():
			c.s.drop(c)
			return
		}
		next := req.Clone()
		switch {
		case res.StatusCode == 401 || res.StatusCode == 407:
			if authorize(next, res, c.trunk.Username, c.trunk.Password) != nil {
				c.fail("them", "credentials", res.StatusCode)
				return
			}
			credits = append(next.GetHeaders("Authorization"), next.GetHeaders("Proxy-Authorization")...)
			continue
		case res.StatusCode == 422:
			if c.longer(res) {
				continue
			}
		case res.IsRedirection():
			if c.redirect(res) {
				credits = nil
				continue
			}
		}
		c.fail("them", causeOf(res.StatusCode), res.StatusCode)
		return
	}
	c.fail("them", "failed", 482)
}

// fail ends a call that was never answered.
func (c *Call) fail(who, cause string, code int) {
	if first, _ := c.leave(who, cause, code, false); !first {
		c.s.drop(c) // given up before: only the transaction was left
	}
}

func (c *Call) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// abandon gives a dialled call up: over at once for Guichet, cancelled at the far side.
func (c *Call) abandon(who, cause string, code int) {
	first, up := c.leave(who, cause, code, true)
	c.out.stopped.Do(func() { close(c.out.stop) })
	if first && up { // the answer was faster
		c.s.spawn(c.bye)
	}
}

// invite makes the next INVITE.
func (c *Call) invite(body []byte, credits []sip.Header) (*sip.Request, error) {
	destination, err := c.trunk.destination(c.s.ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rec.Dialog.LocalSeq++
	c.rec.Dialog.Source = destination
	req, err := c.s.build(&c.rec.Dialog, sip.INVITE, c.rec.Dialog.LocalSeq)
	if err != nil {
		return nil, err
	}
	c.s.address(req, c.trunk.Transport, destination)
	if c.rec.From == "" {
		req.AppendHeader(sip.NewHeader("Privacy", "id"))
	}
	c.rec.Timer.ask(req, false, c.s.minSE())
	for _, credit := range credits {
		req.AppendHeader(credit)
	}
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	req.SetBody(body)
	c.rec.Invite, c.rec.Seq = req.String(), c.rec.Dialog.LocalSeq
	c.keepLocked()
	return req, nil
}

// attempt runs one INVITE to its final answer. When the call is given up meanwhile it sends CANCEL, as soon
// as RFC 3261 (9.1) lets it: after the first provisional answer.
func (c *Call) attempt(req *sip.Request, deadline *time.Timer) (*sip.Response, sip.ClientTransaction, error) {
	tx, err := c.s.begins(c.s.ctx, req)
	if err != nil {
		return nil, nil, err
	}
	stop := c.out.stop
	var giveUp <-chan time.Time
	heard, stopping, cancelled := false, false, false
	for {
		if stopping && heard && !cancelled {
			cancelled = true
			c.s.spawn(func() { c.cancel(req) })
		}
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, tx, nil
			}
			heard = true
			if !stopping {
				c.progress(req, res)
			}
		case <-stop:
			stop, stopping = nil, true
			giveUp = time.After(sip.Timer_B)
		case <-deadline.C:
			c.abandon("them", "no_answer", 408)
		case <-giveUp:
			tx.Terminate()
			return nil, tx, errNoAnswer
		case <-tx.Done():
			return nil, tx, ended(req, tx)
		case <-c.s.ctx.Done():
			return nil, tx, c.s.ctx.Err()
		}
	}
}

// cancel sends the CANCEL of an INVITE (RFC 3261, 9.1).
func (c *Call) cancel(invite *sip.Request) {
	req := sip.NewRequest(sip.CANCEL, invite.Recipient)
	req.AppendHeader(invite.Via().Clone())
	for _, name := range []string{"Route", "From", "To", "Call-ID"} {
		sip.CopyHeaders(name, invite, req)
	}
	hops := sip.MaxForwardsHeader(70)
	req.AppendHeader(&hops)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sip.CANCEL})
	req.SetBody(nil)
	c.s.address(req, c.trunk.Transport, invite.Destination())
	if _, err := c.s.send(c.s.ctx, req); err != nil {
		c.s.log.Debug("CANCEL had no answer", "endpoint", c.id, "error", err)
	}
}

// progress takes a 18x: it rings, or media comes before the answer.
func (c *Call) progress(req *sip.Request, res *sip.Response) {
	if res.StatusCode == 100 || res.To() == nil || tag(res.To().Params) == "" {
		return
	}
	remote := tag(res.To().Params)
	c.prack(req, res)
	c.mu.Lock()
	c.rec.Updates = c.rec.Updates || lists(res, "Allow", "UPDATE")
	c.mu.Unlock()
	body, ok := sdpOf(res)
	if ok && len(body) > 0 && (len(c.out.answers) < maxForks || c.out.answers[remote] != nil) {
		c.out.answers[remote] = slices.Clone(body)
		if c.out.dial.EarlyMedia && c.takes(body) { // of several forks the last one to speak is heard
			c.attach()
			if !c.inState(early) {
				c.set(early, protocol.Event{Kind: protocol.Early, Codec: c.codec()})
			}
			return
		}
	}
	if !c.out.ringing && c.inState(dialling) {
		c.out.ringing = true
		c.set(ringing, protocol.Event{Kind: protocol.Ringing})
	}
}

func (c *Call) inState(state string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rec.State == state
}

func (c *Call) takes(body []byte) bool {
	_, err := c.take(body)
	return err == nil
}

// take applies an answer to our offer, and tells whether it holds us.
func (c *Call) take(body []byte) (held bool, err error) {
	agreed, err := c.accept(body)
	if err != nil {
		return false, err
	}
	return c.apply(agreed)
}

// redirect follows a 3xx to the first number in it that this trunk may dial, never to an emergency number. The
// address in it is not followed: our call still goes to the trunk's peer.
func (c *Call) redirect(res *sip.Response) bool {
	if len(c.out.visited) > maxRedirects {
		return false
	}
	for _, h := range res.GetHeaders("Contact") {
		contact, ok := h.(*sip.ContactHeader)
		if !ok {
			continue
		}
		number := userOf(&contact.Address)
		if unescaped, err := url.PathUnescape(number); err == nil {
			number = unescaped
		}
		next := c.out.dial
		next.Number = number
		if slices.Contains(c.out.visited, number) || isEmergency(number) || next.Check() != nil || c.trunk.limits.allowed(number, time.Now()) != nil {
			continue
		}
		c.out.visited, c.out.number = append(c.out.visited, number), number
		c.mu.Lock()
		c.rec.Dialog.Target = c.trunk.uri(number)
		c.mu.Unlock()
		return true
	}
	return false
}
