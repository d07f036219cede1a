package phone

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/sdp"
	"guichet/mediaserver/internal/stream"
)

// States of a call, as Endpoint tells them; ending is one whose BYE is under way.
const (
	offered   = "offered"
	dialling  = "dialling"
	ringing   = "ringing"
	early     = "early"
	answered  = "answered"
	held      = "held"
	ending    = "ending"
	silentNow = "silent"
)

// record is what is saved of a call: enough for the next process to go on with it.
type record struct {
	ID       string          `json:"id"`
	Trunk    string          `json:"trunk"`
	Incoming bool            `json:"incoming"`
	State    string          `json:"state"`
	From     string          `json:"from"`
	To       string          `json:"to"`
	Codec    string          `json:"codec,omitempty"`
	Dialog   dialog          `json:"dialog"`
	Invite   string          `json:"invite,omitempty"`  // until it is answered; one that came in, until the ACK is there
	Unacked  bool            `json:"unacked,omitempty"` // it is answered with 200, and the ACK is not there
	Seq      uint32          `json:"seq,omitempty"`     // CSeq of the INVITE that was answered
	Local    description     `json:"local"`
	Media    stream.Snapshot `json:"media"`
	Timer    sessionTimer    `json:"timer"`
	Updates  bool            `json:"updates,omitempty"` // the far side takes UPDATE
	Acts     []string        `json:"acts,omitempty"`
	Hold     bool            `json:"hold,omitempty"`    // the far side is to be on hold
	Holding  bool            `json:"holding,omitempty"` // it is: it agreed to that
	Theirs   sdp.Direction   `json:"theirs,omitempty"`  // of the sound, as the far side said it last
	Events   uint8           `json:"events,omitempty"`  // payload type of digits, as we told it
	Refer    *referral       `json:"refer,omitempty"`   // of ours, under way
	Number   string          `json:"number,omitempty"`  // that was reached: a redirect makes it another one than To
	Who      string          `json:"who,omitempty"`     // ended the call, when its end is under way
	Ending   protocol.Ending `json:"ending"`
}

// Call is one phone call: a dialog and its leg.
type Call struct {
	s      *Server
	id     string
	key    string // of its dialog
	origin string // of the INVITE that came in
	trunk  *trunk
	leg    *stream.Leg

	mu        sync.Mutex
	rec       record
	attached  bool
	over      bool                // Left was told
	ended     chan struct{}       // closed with it
	offering  bool                // an offer of ours is under way (re-INVITE or UPDATE)
	saying    bool                // our description says hold
	holdTries int                 // that were answered by "not now"
	holdAt    time.Time           // not before: the last try was
	acks      map[uint32]*ackWait // of the INVITEs that we answered with 200, by CSeq
	repeats   bool                // what the process before us took last may come again: perhaps it was not done
	forks     map[string]bool     // other dialogs of our INVITE, hung up, by their tag
	out       *outgoing
	acts      chan string // ring, early, answer: for the goroutine of an incoming INVITE
	rejected  chan protocol.Ending
	wanted    int       // rank of the furthest act that was asked for
	renewed   time.Time // last session refresh
	beginAt   time.Time
	refreshAt time.Time // not before: the last try was told to come later
	qualAt    time.Time
	referEnds time.Time // our REFER is given up then
	asked     bool      // the far side asked for a transfer and waits to hear of it

	digitsVia atomic.Pointer[string]
	silent    atomic.Bool
	pracks    chan *sip.Request
}

func (s *Server) newCall(id string, t *trunk) *Call {
	now := time.Now()
	return &Call{
		s: s, id: id, trunk: t, ended: make(chan struct{}), acks: map[uint32]*ackWait{}, forks: map[string]bool{},
		acts: make(chan string, 4), rejected: make(chan protocol.Ending, 1),
		renewed: now, beginAt: now, qualAt: now, pracks: make(chan *sip.Request, 4),
		rec: record{ID: id, Trunk: t.ID},
	}
}

// open binds the ports of the call.
func (c *Call) open() error {
	leg, err := stream.Open(c.s.ports, c.id, c.notices())
	if err != nil {
		return err
	}
	c.leg = leg
	return nil
}

func (c *Call) notices() stream.Notices {
	return stream.Notices{
		Digit: func(digit byte, held time.Duration) { c.digit(string(digit), held, "rtp") },
		Tone:  func(digit byte, held time.Duration) { c.digit(string(digit), held, inband) },
		Silent: func(silent bool) {
			c.silent.Store(silent)
			c.s.deps.Emit(protocol.Event{Kind: protocol.Silent, Endpoint: c.id, On: silent})
		},
		Changed: func() { c.s.markDirty(c) },
	}
}

// inband is the way of digits that are heard in the audio.
const inband = "inband"

// digit tells of a key. Gateways that send each key twice, as packets and as INFO, are heard by the first way; what was
// only heard in the audio yields to either, as it may have been no key.
func (c *Call) digit(digit string, held time.Duration, via string) {
	if way := c.digitsVia.Load(); way == nil || *way == inband {
		c.digitsVia.CompareAndSwap(way, &via)
	}
	if *c.digitsVia.Load() != via {
		return
	}
	c.s.deps.Emit(protocol.Event{Kind: protocol.Digit, Endpoint: c.id, Digit: digit, Millis: held.Milliseconds(), Via: via})
}

// keep saves the call as it stands.
func (c *Call) keep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepLocked()
}

func (c *Call) keepLocked() {
	if c.over && c.rec.State != ending {
		return
	}
	if c.leg != nil && !c.over {
		c.rec.Media = c.leg.Snapshot()
	}
	if err := c.s.deps.Keep.Keep("call", c.id, c.rec); err != nil {
		c.s.log.Error("a call is not saved: it would not survive a restart", "endpoint", c.id, "error", err)
	}
}

// become changes the state and saves it; false when the call is over.
func (c *Call) become(state string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.becomeLocked(state)
}

func (c *Call) becomeLocked(state string) bool {
	if c.over {
		return false
	}
	c.rec.State = state
	c.keepLocked()
	return true
}

// set is become, and tells it.
func (c *Call) set(state string, event protocol.Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.becomeLocked(state) {
		return false
	}
	event.Endpoint = c.id
	c.s.deps.Emit(event) // under the lock: nothing of this call is told after its "left"
	return true
}

// attach gives the leg to the mixer, once: under the lock, so that a call which ends in this moment is detached after
// it and not before.
func (c *Call) attach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attachLocked()
}

func (c *Call) attachLocked() {
	if !c.attached && !c.over {
		c.attached = true
		c.s.deps.Attach(c.leg)
	}
}

// leave ends the endpoint for Guichet, once: first is false when it was over before, up tells whether it was
// answered. Its dialog stays for the BYE when bye is set; the caller sends it. Else all of it is gone.
func (c *Call) leave(who, cause string, code int, bye bool) (first, up bool) {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return false, false
	}
	c.over = true
	close(c.ended)
	up = c.rec.State == answered || c.rec.State == held
	attached := c.attached
	if bye {
		c.rec.State = ending
		c.rec.Who, c.rec.Ending = who, protocol.Ending{Code: code, Cause: cause}
		c.keepLocked()
	}
	c.mu.Unlock()
	c.s.forget(c)
	if attached {
		c.s.deps.Detach(c.id)
	}
	if up {
		c.quality()
	}
	c.release()
	c.trunk.limits.done(c.id, time.Now())
	if !bye { // first, so that a call whose end was told never comes back
		c.s.drop(c)
	}
	c.s.deps.Emit(protocol.Event{Kind: protocol.Left, Endpoint: c.id, Who: who, Cause: cause, Code: code})
	return true, up
}

func (c *Call) release() {
	if c.leg == nil {
		return
	}
	if err := c.leg.Close(); err != nil {
		c.s.log.Debug("closing a leg", "endpoint", c.id, "error", err)
	}
}

// quit ends an answered call from our side: the endpoint is over at once, the BYE follows.
func (c *Call) quit(who, cause string, code int) {
	if first, _ := c.leave(who, cause, code, true); first {
		c.s.spawn(c.bye)
	}
}

// bye sends BYE, after the ACK of the INVITE if that is still under way (RFC 3261, 15), and forgets the dialog; at the
// server's end it leaves both to the next process.
func (c *Call) bye() {
	for _, wait := range c.awaited() {
		select {
		case <-wait.done:
		case <-c.s.ctx.Done():
			return
		}
	}
	if c.s.ctx.Err() != nil {
		return
	}
	c.notifyEnd()
	if _, err := c.request(c.s.ctx, sip.BYE, nil); err != nil {
		if c.s.ctx.Err() != nil {
			return
		}
		c.s.log.Debug("BYE had no answer", "endpoint", c.id, "error", err)
	}
	c.s.drop(c)
}

// request sends a request in the dialog and answers a challenge; each try has the next number.
func (c *Call) request(ctx context.Context, method sip.RequestMethod, fill func(*sip.Request)) (*sip.Response, error) {
	return c.exchange(method, fill, func(req *sip.Request) (*sip.Response, error) { return c.s.send(ctx, req) })
}

func (c *Call) exchange(method sip.RequestMethod, fill func(*sip.Request),
	send func(*sip.Request) (*sip.Response, error)) (*sip.Response, error) {
	return c.exchangeIn(&c.rec.Dialog, method, fill, send)
}

// exchangeIn is exchange in a dialog that may be another fork of the call's; they count together.
func (c *Call) exchangeIn(d *dialog, method sip.RequestMethod, fill func(*sip.Request),
	send func(*sip.Request) (*sip.Response, error)) (*sip.Response, error) {
	req, err := c.next(d, method, fill)
	if err != nil {
		return nil, err
	}
	lost := false
	for try := 0; ; try++ {
		res, err := send(req)
		if errors.Is(err, errUnreachable) && d.Transport != "udp" && !lost { // the connection had ended: over a new one
			lost = true
			if req, err = c.next(d, method, fill); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil || try == 3 || res.StatusCode != 401 && res.StatusCode != 407 {
			return res, err
		}
		signed := req.Clone()
		if authorize(signed, res, c.trunk.Username, c.trunk.Password) != nil {
			return res, nil
		}
		c.mu.Lock()
		c.rec.Dialog.LocalSeq++
		again(signed, c.rec.Dialog.LocalSeq)
		c.keepLocked()
		c.mu.Unlock()
		req = signed
	}
}

// next makes a request with the next number.
func (c *Call) next(d *dialog, method sip.RequestMethod, fill func(*sip.Request)) (*sip.Request, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rec.Dialog.LocalSeq++
	req, err := c.s.build(d, method, c.rec.Dialog.LocalSeq)
	if err != nil {
		return nil, err
	}
	req.SetBody(nil)
	if fill != nil {
		fill(req)
	}
	c.keepLocked()
	return req, nil
}

// quality tells the figures of the stream.
func (c *Call) quality() {
	if c.leg == nil {
		return
	}
	stats := c.leg.Stats()
	c.s.deps.Emit(protocol.Event{
		Kind: protocol.Quality, Endpoint: c.id,
		Loss: stats.LossPercent, JitterMillis: stats.JitterMillis, DelayMillis: stats.DelayMillis,
		Strangers: stats.Strangers,
	})
}

// endpoint tells the call as GET /v1/state does; false when it is over.
func (c *Call) endpoint() (protocol.Endpoint, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.rec.State
	if c.silent.Load() && state == answered {
		state = silentNow
	}
	referring := ""
	if c.rec.Refer != nil {
		referring = c.rec.Refer.Act
	}
	return protocol.Endpoint{
		ID: c.id, Kind: "phone", State: state, Trunk: c.rec.Trunk, From: c.rec.From, To: c.rec.To,
		Codec: c.rec.Codec, Incoming: c.rec.Incoming, Holding: c.rec.Holding, Referring: referring,
	}, !c.over
}
