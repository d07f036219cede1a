package phone

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
)

// Refer asks the far side to call another number in our place. The outcome is the event "referred" with the
// code of that other call, or of the refusal; 0 when the far side never told.
func (s *Server) Refer(id string, r protocol.Refer) error {
	if err := r.Check(); err != nil {
		return err
	}
	c, err := s.call(id)
	if err != nil {
		return err
	}
	if !c.inState(answered) && !c.inState(held) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return protocol.WrongState("refer", c.rec.State)
	}
	if refusal := c.trunk.limits.allowed(r.Number, time.Now()); refusal != nil { // the carrier calls on our account
		s.refusals.add(c.trunk.ID, refusal.Body.Field)
		return refusal
	}
	c.mu.Lock()
	busy := len(c.refers) > 0 && !slices.Contains(c.refers, r.Act)
	c.mu.Unlock()
	if busy {
		return protocol.Refuse(http.StatusConflict, "refer_pending", "", "a transfer of this call is under way: wait for its outcome")
	}
	if !c.once("refer " + r.Act) {
		return nil
	}
	c.mu.Lock()
	c.refers = append(c.refers, r.Act)
	c.mu.Unlock()
	s.spawn(func() { c.sendRefer(r) })
	return nil
}

func (c *Call) sendRefer(r protocol.Refer) {
	res, err := c.request(c.s.ctx, sip.REFER, func(req *sip.Request) {
		req.AppendHeader(sip.NewHeader("Refer-To", "<"+c.trunk.uri(r.Number)+">"))
		req.AppendHeader(sip.NewHeader("Referred-By", c.rec.Dialog.Local))
	})
	switch {
	case err != nil:
		c.referred(408)
	case !res.IsSuccess():
		c.referred(res.StatusCode)
	}
}

// referred tells the outcome of our REFER, once.
func (c *Call) referred(code int) {
	c.mu.Lock()
	acts := c.refers
	c.refers = nil
	c.mu.Unlock()
	for _, act := range acts {
		c.s.deps.Emit(protocol.Event{Kind: protocol.Referred, Endpoint: c.id, Act: act, Code: code})
	}
}

// referLost ends a REFER whose outcome cannot come any more.
func (c *Call) referLost() { c.referred(0) }

// onNotify takes the progress of the call that our REFER made (RFC 3515).
func (s *Server) onNotify(req *sip.Request, tx sip.ServerTransaction) {
	c := s.within(req, tx)
	if c == nil {
		return
	}
	event, _, _ := strings.Cut(header(req, "Event"), ";")
	if !strings.EqualFold(strings.TrimSpace(event), "refer") {
		s.reply(req, tx, 489)
		return
	}
	s.reply(req, tx, 200)
	code := fragment(req.Body())
	over := strings.HasPrefix(strings.ToLower(header(req, "Subscription-State")), "terminated")
	if code >= 200 || over {
		c.referred(code)
	}
}

// fragment is the status in a message/sipfrag body, 0 when there is none.
func fragment(body []byte) int {
	line, _, _ := strings.Cut(string(body), "\n")
	fields := strings.Fields(line)
	if len(fields) < 2 || fields[0] != "SIP/2.0" {
		return 0
	}
	code, err := strconv.Atoi(fields[1])
	if err != nil || code < 100 || code > 699 {
		return 0
	}
	return code
}

// onRefer takes the far side's wish that we call somebody else: Guichet decides. The far side hears that we
// try, and at the end of this call what became of it.
func (s *Server) onRefer(req *sip.Request, tx sip.ServerTransaction) {
	if req.To() == nil || tag(req.To().Params) == "" {
		s.onOther(req, tx)
		return
	}
	c := s.within(req, tx)
	if c == nil {
		return
	}
	to := req.ReferTo()
	if to == nil || userOf(&to.Address) == "" {
		s.reply(req, tx, 400)
		return
	}
	c.mu.Lock()
	up, busy := c.rec.State == answered || c.rec.State == held, c.asked
	if up && !busy {
		c.asked = true
	}
	c.mu.Unlock()
	switch {
	case !up:
		s.reply(req, tx, 481)
		return
	case busy:
		s.reply(req, tx, 491)
		return
	}
	s.reply(req, tx, 202)
	s.deps.Emit(protocol.Event{Kind: protocol.TransferAsked, Endpoint: c.id, To: userOf(&to.Address)})
	s.spawn(func() { c.notify(100, "Trying", "active;expires=120") })
}

// notify tells the far side how the transfer it asked for goes.
func (c *Call) notify(code int, reason, state string) {
	_, err := c.request(c.s.ctx, sip.NOTIFY, func(req *sip.Request) {
		req.AppendHeader(sip.NewHeader("Event", "refer"))
		req.AppendHeader(sip.NewHeader("Subscription-State", state))
		req.AppendHeader(sip.NewHeader("Content-Type", "message/sipfrag;version=2.0"))
		req.SetBody([]byte(fmt.Sprintf("SIP/2.0 %d %s\r\n", code, reason)))
	})
	if err != nil {
		c.s.log.Debug("NOTIFY had no answer", "endpoint", c.id, "error", err)
	}
}

// notifyEnd tells the outcome of a transfer that was asked for, before our BYE: done when Guichet hangs up
// with the cause "transferred".
func (c *Call) notifyEnd() {
	c.mu.Lock()
	asked, done := c.asked, c.rec.Ending.Cause == "transferred"
	c.asked = false
	c.mu.Unlock()
	switch {
	case !asked:
	case done:
		c.notify(200, "OK", "terminated;reason=noresource")
	default:
		c.notify(603, "Decline", "terminated;reason=noresource")
	}
}
