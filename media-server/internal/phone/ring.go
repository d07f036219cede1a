package phone

import (
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
)

// Ring tells the caller of an incoming call that it rings (180).
func (s *Server) Ring(id string) error { return s.act(id, act{kind: "ring"}) }

// Early sends media to an incoming call before its answer (183): an announcement that costs the caller nothing.
func (s *Server) Early(id string) error { return s.act(id, act{kind: "early"}) }

// Answer answers an incoming call.
func (s *Server) Answer(id string) error { return s.act(id, act{kind: "answer"}) }

// Reject refuses an incoming call with the code of how (603 when it names none).
func (s *Server) Reject(id string, how protocol.Ending) error {
	return s.act(id, act{kind: "reject", ending: how})
}

// act is what Guichet wants of a call that is not answered yet.
type act struct {
	kind   string // ring, early, answer, reject
	ending protocol.Ending
}

// act hands what Guichet wants to the goroutine of the INVITE. The same act twice is done once.
func (s *Server) act(id string, a act) error {
	c, err := s.call(id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rank := map[string]int{offered: 0, ringing: 1, early: 2, answered: 3, held: 3, ending: 4}
	state, known := rank[c.rec.State]
	if !c.rec.Incoming || !known {
		return protocol.WrongState(a.kind, c.rec.State)
	}
	wanted := map[string]int{"ring": 1, "early": 2, "answer": 3, "reject": 4}[a.kind]
	switch {
	case c.over || c.wanted == 4:
		return protocol.Unknown("endpoint")
	case wanted <= max(state, c.wanted) && a.kind != "reject":
		return nil
	case state >= 3:
		return protocol.WrongState(a.kind, c.rec.State)
	case a.kind == "early" && c.rec.Local.Body == "":
		return protocol.Refuse(409, "no_offer", "", "the caller's INVITE has no SDP: ring or answer it instead")
	}
	c.wanted = wanted
	if a.kind == "reject" {
		c.rejected <- a.ending // once: there is room
	} else {
		c.acts <- a.kind // at most one of each kind: there is room
	}
	return nil
}

// incoming is an INVITE that is not answered yet, in the goroutine of its transaction.
type incoming struct {
	c         *Call
	req       *sip.Request
	tx        sip.ServerTransaction
	last      *sip.Response // the last provisional answer
	cancelled chan struct{}
	rseq      uint32
	waiting   *sip.Response // a reliable provisional answer whose PRACK is not there yet
	resend    *time.Timer
	interval  time.Duration
	since     time.Time
}

// serve rings until told otherwise.
func (in *incoming) serve() {
	c, s := in.c, in.c.s
	in.cancelled = make(chan struct{}, 1)
	alive := in.tx.OnCancel(func(*sip.Request) {
		select {
		case in.cancelled <- struct{}{}:
		default:
		}
	})
	if !alive {
		c.leave("them", "cancelled", 487, false)
		return
	}
	in.resend = time.NewTimer(time.Hour)
	defer in.resend.Stop()
	still := time.NewTicker(s.timing.provisional)
	defer still.Stop()
	limit := time.NewTimer(s.timing.ringLimit)
	defer limit.Stop()
	for {
		acts := c.acts
		if in.waiting != nil { // RFC 3262: one reliable answer at a time, and no 200 before its PRACK
			acts = nil
		}
		select {
		case kind := <-acts:
			if in.do(kind) {
				return
			}
		case how := <-c.rejected:
			in.reject(how)
			return
		case <-in.cancelled:
			c.leave("them", "cancelled", 487, false)
			return
		case <-c.ended: // the caller gave up with BYE
			s.reply(in.req, in.tx, 487)
			return
		case <-in.tx.Done():
			c.leave("network", "connection_lost", 0, false)
			return
		case prack := <-c.pracks:
			in.acknowledged(prack)
		case <-in.resend.C:
			if !in.again() {
				return
			}
		case <-still.C:
			if in.last != nil && in.waiting == nil { // proxies give up after three minutes without a word
				_ = in.tx.Respond(in.last)
			}
		case <-limit.C:
			s.reply(in.req, in.tx, 480)
			c.leave("network", "no_answer", 480, false)
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// do carries an act out; true when the INVITE is settled.
func (in *incoming) do(kind string) bool {
	c := in.c
	switch kind {
	case "ring":
		in.provisional(180, nil)
		c.become(ringing)
	case "early":
		in.provisional(183, []byte(c.body()))
		c.attach()
		c.become(early)
	case "answer":
		in.answer()
		return true
	}
	return false
}

// reject refuses the call.
func (in *incoming) reject(how protocol.Ending) {
	code := how.Code
	if code < 400 { // a redirection would need an address to go to
		code = 603
	}
	in.c.s.reply(in.req, in.tx, code)
	in.c.leave("us", orElse(how.Cause, "rejected"), code, false)
}

func (c *Call) body() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rec.Local.Body
}

func (c *Call) codec() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rec.Codec
}

// answer sends 200 and goes on as a running call; a CANCEL that came first wins.
func (in *incoming) answer() {
	c, s := in.c, in.c.s
	body, late := []byte(c.body()), c.body() == ""
	if late {
		body = c.offer()
	}
	res := c.okay(in.req, body)
	select {
	case <-in.cancelled:
		c.leave("them", "cancelled", 487, false)
		return
	case <-c.ended:
		s.reply(in.req, in.tx, 487)
		return
	default:
	}
	seq := in.req.CSeq().SeqNo
	c.mu.Lock()
	wait := c.expectAckLocked(seq)
	c.rec.Unacked = true
	c.renewed = time.Now()
	c.rec.Timer.Renewed = c.renewed.UnixMilli()
	c.becomeLocked(answered) // saved first: the caller believes in the call from the 200 on
	c.mu.Unlock()
	if err := in.tx.Respond(res); err != nil {
		c.acked(seq, nil)
		c.leave("them", "cancelled", 487, false)
		return
	}
	c.mu.Lock()
	c.attachLocked()
	if !c.over {
		s.deps.Emit(protocol.Event{Kind: protocol.Answered, Endpoint: c.id, Codec: c.rec.Codec})
	}
	c.mu.Unlock()
	select {
	case how := <-c.rejected: // asked for while the 200 went out
		c.quit("us", orElse(how.Cause, "rejected"), 0)
	default:
	}
	c.confirmed(c.untilAck(saying(in.tx, res), seq, wait), late)
}

// confirmed goes on after a 200 of ours: with its ACK, or to the end of a call for which none came. late: the ACK holds
// the answer to our offer.
func (c *Call) confirmed(ack *sip.Request, late bool) {
	switch {
	case ack == nil && c.s.ctx.Err() == nil:
		c.quit("network", "no_ack", 408)
	case ack != nil && late:
		c.lateAnswer(ack)
	}
}

// lateAnswer takes the SDP of an ACK: the answer to the offer in our 200. Without one there is no call.
func (c *Call) lateAnswer(ack *sip.Request) {
	body, ok := sdpOf(ack)
	heldNow, err := c.take(body)
	if ok && err == nil {
		c.holding(heldNow)
		return
	}
	c.quit("us", "no_codec", 488)
}

// okay is the 200 to an INVITE or UPDATE.
func (c *Call) okay(req *sip.Request, body []byte) *sip.Response {
	res := sip.NewResponseFromRequest(req, 200, reasons[200], body)
	c.mu.Lock()
	defer c.mu.Unlock()
	res.AppendHeader(sip.NewHeader("Contact", c.s.contact(c.rec.Dialog.Transport, c.rec.Dialog.User)))
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	res.AppendHeader(sip.NewHeader("Supported", supported))
	c.rec.Timer.answer(res, req)
	if len(body) > 0 {
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	return res
}

// ackWait is a 200 of ours whose ACK is awaited.
type ackWait struct {
	ack  *sip.Request // once done is closed; nil: none came
	done chan struct{}
	once sync.Once
}

func (w *ackWait) end(ack *sip.Request) {
	w.once.Do(func() {
		w.ack = ack
		close(w.done)
	})
}

// expectAck notes that a 200 goes out. The same INVITE by another way waits for the same ACK.
func (c *Call) expectAck(seq uint32) *ackWait {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expectAckLocked(seq)
}

func (c *Call) expectAckLocked(seq uint32) *ackWait {
	if c.acks[seq] == nil {
		c.acks[seq] = &ackWait{done: make(chan struct{})}
	}
	return c.acks[seq]
}

// acked ends the wait for an ACK; nil: it does not come any more.
func (c *Call) acked(seq uint32, ack *sip.Request) {
	c.mu.Lock()
	wait := c.acks[seq]
	delete(c.acks, seq)
	if ack != nil && c.rec.Unacked && c.rec.Seq == seq {
		c.rec.Unacked, c.rec.Invite = false, ""
		c.keepLocked()
	}
	c.mu.Unlock()
	if wait != nil {
		wait.end(ack)
	}
}

// awaited are the ACKs that are not there yet.
func (c *Call) awaited() []*ackWait {
	c.mu.Lock()
	defer c.mu.Unlock()
	waits := make([]*ackWait, 0, len(c.acks))
	for _, wait := range c.acks {
		waits = append(waits, wait)
	}
	return waits
}

// answering is the way of a 200 whose ACK is awaited.
type answering struct {
	say  func()
	acks <-chan *sip.Request // with the branch of its INVITE, as old telephones send it
}

func saying(tx sip.ServerTransaction, res *sip.Response) answering {
	return answering{say: func() { _ = tx.Respond(res) }, acks: tx.Acks()} // one that is lost is what the next one is for
}

// untilAck repeats a 200 until its ACK is there (RFC 3261, 13.3.1.4); nil when none comes.
func (c *Call) untilAck(to answering, seq uint32, wait *ackWait) *sip.Request {
	defer c.acked(seq, nil)
	interval := sip.T1
	resend := time.NewTimer(interval)
	defer resend.Stop()
	deadline := time.NewTimer(sip.Timer_H)
	defer deadline.Stop()
	for {
		select {
		case <-wait.done:
			return wait.ack
		case ack := <-to.acks:
			c.acked(seq, ack)
			return ack
		case <-resend.C:
			to.say()
			interval = min(2*interval, sip.T2)
			resend.Reset(interval)
		case <-deadline.C:
			return nil
		case <-c.s.ctx.Done():
			return nil
		}
	}
}

// confirm answers a repeated INVITE of a call that is answered already.
func (c *Call) confirm(req *sip.Request, tx sip.ServerTransaction, res *sip.Response) {
	seq := req.CSeq().SeqNo
	wait := c.expectAck(seq)
	to := saying(tx, res)
	to.say()
	c.untilAck(to, seq, wait)
}

// onAck hands the ACK of a 200 to who waits for it.
func (s *Server) onAck(req *sip.Request, _ sip.ServerTransaction) {
	if c := s.callOf(req); c != nil {
		c.acked(req.CSeq().SeqNo, req)
	}
}

// holding tells a change of hold, if it is one.
func (c *Call) holding(now bool) {
	c.mu.Lock()
	state := c.rec.State
	c.mu.Unlock()
	switch {
	case now && state == answered:
		c.set(held, protocol.Event{Kind: protocol.Held})
	case !now && state == held:
		c.set(answered, protocol.Event{Kind: protocol.Resumed})
	default:
		c.keep()
	}
}
