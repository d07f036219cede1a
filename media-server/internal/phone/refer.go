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

// referSeconds is how long we wait for word of a REFER (RFC 3515): since it was sent or last told of, or longer when
// that says so (expires), up to referMost.
const (
	referSeconds = 60
	referMost    = 300
)

// referral is a REFER of ours whose outcome is awaited.
type referral struct {
	Act string `json:"act"`
	Seq uint32 `json:"seq,omitempty"` // its first CSeq: what a NOTIFY names that is smaller was given up
	booked
}

// Refer asks the far side to call another number in our place. The outcome is the event "referred" with the
// code of that other call, or of the refusal; 0 when the far side did not tell.
func (s *Server) Refer(id string, r protocol.Refer) error {
	if err := r.Check(); err != nil {
		return err
	}
	c, err := s.call(id)
	if err != nil {
		return err
	}
	begins, err := c.beginRefer(r)
	if begins {
		s.spawn(func() { c.sendRefer(r) })
	}
	return err
}

// beginRefer notes and charges a REFER; false when it was sent before or may not be.
func (c *Call) beginRefer(r protocol.Refer) (bool, error) {
	now, act := time.Now(), "refer "+r.Act
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over:
		return false, protocol.Unknown("endpoint")
	case c.rec.State != answered && c.rec.State != held:
		return false, protocol.WrongState("refer", c.rec.State)
	case slices.Contains(c.rec.Acts, act):
		return false, nil
	case c.rec.Refer != nil:
		return false, protocol.Refuse(http.StatusConflict, "refer_pending", "", "a transfer of this call is under way: wait for its outcome")
	}
	cost, refusal := c.trunk.limits.refer(r.Number, now)
	if refusal != nil { // the carrier calls on our account
		c.s.refusals.add(c.trunk.ID, refusal.Body.Field)
		return false, refusal
	}
	c.rec.Refer = &referral{Act: r.Act, booked: cost}
	c.referEnds = now.Add(referSeconds * c.s.timing.second)
	return c.onceLocked(act), nil
}

func (c *Call) sendRefer(r protocol.Refer) {
	res, err := c.request(c.s.ctx, sip.REFER, func(req *sip.Request) {
		req.AppendHeader(sip.NewHeader("Refer-To", "<"+c.trunk.uri(r.Number)+">"))
		req.AppendHeader(sip.NewHeader("Referred-By", c.rec.Dialog.Local))
		if c.rec.Refer != nil {
			c.rec.Refer.Seq = req.CSeq().SeqNo
		}
	})
	switch {
	case c.s.ctx.Err() != nil: // the next process waits for the outcome
	case err != nil:
		c.referred(408)
	case !res.IsSuccess():
		c.referred(res.StatusCode)
	}
}

// referred tells the outcome of our REFER, once. What is told to have failed costs nothing.
func (c *Call) referred(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rec.Refer
	if r == nil {
		return
	}
	c.rec.Refer = nil
	c.keepLocked()
	if code >= 300 {
		c.trunk.limits.unbook(r.booked)
	}
	c.s.deps.Emit(protocol.Event{Kind: protocol.Referred, Endpoint: c.id, Act: r.Act, Code: code})
}

// referLost ends a REFER whose outcome is not known, and does not come any more.
func (c *Call) referLost() { c.referred(0) }

// onNotify takes the progress of the call that our REFER made (RFC 3515).
func (s *Server) onNotify(req *sip.Request, tx sip.ServerTransaction) {
	c := s.within(req, tx)
	if c == nil {
		return
	}
	event, params, _ := strings.Cut(header(req, "Event"), ";")
	if !strings.EqualFold(strings.TrimSpace(event), "refer") {
		s.reply(req, tx, 489)
		return
	}
	s.reply(req, tx, 200)
	if id, err := strconv.ParseUint(parameter(params, "id"), 10, 32); err == nil && !c.refers(uint32(id)) {
		return
	}
	code := fragment(req.Body())
	state, params, _ := strings.Cut(header(req, "Subscription-State"), ";")
	switch {
	case code >= 200:
		c.referred(code)
	case strings.EqualFold(strings.TrimSpace(state), "terminated"):
		c.referLost()
	default:
		expires, _ := seconds(parameter(params, "expires"))
		c.mu.Lock()
		c.referEnds = time.Now().Add(time.Duration(min(max(expires, referSeconds), referMost)) * s.timing.second)
		c.mu.Unlock()
	}
}

// refers tells whether the REFER that this CSeq names is the one we wait for.
func (c *Call) refers(seq uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rec.Refer != nil && seq >= c.rec.Refer.Seq
}

// parameter is one of "a=1;b=2"; empty when it is not there.
func parameter(params, name string) string {
	for _, each := range strings.Split(params, ";") {
		if key, value, _ := strings.Cut(each, "="); strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
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
