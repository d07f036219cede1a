package phone

import (
	"errors"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/sdp"
	"guichet/mediaserver/internal/stream"
)

// onInvite takes a new call, or a change of a running one. It returns when the INVITE is settled, since the
// stack ends its transaction then.
func (s *Server) onInvite(req *sip.Request, tx sip.ServerTransaction) {
	if req.To() != nil && tag(req.To().Params) != "" {
		s.onReinvite(req, tx)
		return
	}
	matching := s.trunksOf(req)
	if len(matching) == 0 {
		s.refusals.add("", "unknown_source")
		return
	}
	if !whole(req) || req.Contact() == nil {
		s.reply(req, tx, 400)
		return
	}
	t := owner(matching, req)
	if t == nil {
		s.refusals.add("", "unknown_number")
		s.reply(req, tx, 404)
		return
	}
	if s.merged(req, tx) {
		return
	}
	if t.InUsername != "" && !s.credited(req, tx, t) {
		return
	}
	localTag := random(8)
	req.To().Params.Add("tag", localTag) // the answers the stack gives by itself carry it too
	c := s.invited(req, tx, t, localTag)
	if c == nil {
		return
	}
	event := protocol.Event{Kind: protocol.Offered, Trunk: t.ID, From: c.rec.From, To: c.rec.To}
	if !c.set(offered, event) {
		return
	}
	s.reply(req, tx, 100) // of a call that is saved: the caller does not repeat it from here on
	(&incoming{c: c, req: req, tx: tx}).serve()
}

// credited tells whether an INVITE has the credentials that the trunk must show; if not, it is asked for them.
func (s *Server) credited(req *sip.Request, tx sip.ServerTransaction, t *trunk) bool {
	now, realm := time.Now(), t.realm(s.cfg.PublicHost)
	ok, stale, cause := s.asks.verify(req, t.Trunk, realm, now)
	if ok {
		return true
	}
	if cause != "" {
		s.refusals.add(t.ID, cause)
	}
	if from, known := sourceOf(req); !known || !s.asked.allow(from.Addr(), now) {
		s.refusals.add(t.ID, "digest")
		return false
	}
	s.reply(req, tx, 401, sip.NewHeader("WWW-Authenticate", s.asks.challenge(realm, stale, now)))
	return false
}

// invited checks an INVITE and makes its call; nil when it was refused, which is answered here.
func (s *Server) invited(req *sip.Request, tx sip.ServerTransaction, t *trunk, localTag string) *Call {
	now := time.Now()
	if unknown := unsupported(req); unknown != "" {
		s.reply(req, tx, 420, sip.NewHeader("Unsupported", unknown))
		return nil
	}
	timer, ok := s.timerOffered(req, t)
	if !ok {
		s.reply(req, tx, 422, sip.NewHeader("Min-SE", s.minSE()))
		return nil
	}
	body, isSDP := sdpOf(req)
	if !isSDP {
		s.reply(req, tx, 415, sip.NewHeader("Accept", "application/sdp"))
		return nil
	}
	if s.draining.Load() {
		s.reply(req, tx, 503, sip.NewHeader("Retry-After", "60"))
		return nil
	}
	if cause := t.limits.admitIn(now); cause != "" {
		s.refusals.add(t.ID, cause)
		s.reply(req, tx, 503, sip.NewHeader("Retry-After", "5"))
		return nil
	}
	c := s.newCall("in-"+random(12), t)
	if err := c.open(); err != nil {
		t.limits.done(c.id, now)
		s.exhausted(t, err)
		s.reply(req, tx, 503, sip.NewHeader("Retry-After", "10"))
		return nil
	}
	c.takeInvite(req, localTag)
	c.rec.Timer = timer
	if len(body) > 0 {
		_, agreed, err := c.answer(body)
		if err == nil {
			_, err = c.apply(agreed)
		}
		if err != nil {
			c.release()
			t.limits.done(c.id, now)
			s.reply(req, tx, refusalOf(err))
			return nil
		}
	}
	s.add(c) // its id is new
	return c
}

// takeInvite fills the dialog from the INVITE that opens it. Nobody else knows the call yet.
func (c *Call) takeInvite(req *sip.Request, localTag string) {
	from, to, contact := req.From(), req.To(), req.Contact()
	rec := &c.rec
	rec.Incoming, rec.From, rec.To = true, userOf(&from.Address), c.trunk.called(req)
	rec.Invite, rec.Seq = req.String(), req.CSeq().SeqNo
	rec.Updates = lists(req, "Allow", "UPDATE")
	rec.Dialog = dialog{
		CallID: req.CallID().Value(), LocalTag: localTag, RemoteTag: tag(from.Params),
		Local: bare(to.DisplayName, &to.Address), Remote: bare(from.DisplayName, &from.Address),
		RemoteSeq: req.CSeq().SeqNo, Target: contact.Address.String(),
		Routes:    addresses(req, "Record-Route"),
		Transport: sip.NetworkToLower(req.Transport()), Source: req.Source(), Peer: c.trunk.Peer, User: c.trunk.Username,
	}
	c.key = dialogKey(rec.Dialog.CallID, localTag)
	c.origin = dialogKey(rec.Dialog.CallID, rec.Dialog.RemoteTag)
}

// addresses are the URIs of a route header in their order, in angle brackets.
func addresses(msg sip.Message, name string) []string {
	var routes []string
	for _, h := range msg.GetHeaders(name) {
		routes = append(routes, h.Value())
	}
	return routes
}

// unsupported names the extensions a request requires and we do not speak.
func unsupported(req *sip.Request) string {
	for _, h := range req.GetHeaders("Require") {
		for _, token := range strings.Split(h.Value(), ",") {
			if token = strings.TrimSpace(token); token != "100rel" && token != "timer" {
				return token
			}
		}
	}
	return ""
}

// merged answers an INVITE that we have already: one that came twice by different ways, or one whose answer
// the process before us had sent when it died.
func (s *Server) merged(req *sip.Request, tx sip.ServerTransaction) bool {
	s.mu.Lock()
	found := s.origins[dialogKey(req.CallID().Value(), tag(req.From().Params))]
	s.mu.Unlock()
	if found == nil {
		return false
	}
	found.mu.Lock()
	same := found.rec.Seq == req.CSeq().SeqNo && (found.rec.State == answered || found.rec.State == held)
	localTag, body := found.rec.Dialog.LocalTag, found.rec.Local.Body
	lost := found.rec.Ending.Cause == restarted
	found.mu.Unlock()
	switch {
	case lost:
		s.reply(req, tx, 503)
		return true
	case !same:
		s.reply(req, tx, 482)
		return true
	}
	req.To().Params.Add("tag", localTag)
	found.confirm(req, tx, found.okay(req, []byte(body)))
	return true
}

// refusalOf is the status that refuses a description.
func refusalOf(err error) int {
	if errors.Is(err, sdp.ErrMalformed) {
		return 400
	}
	return 488
}

// exhausted tells that a call found no port.
func (s *Server) exhausted(t *trunk, err error) {
	if errors.Is(err, stream.ErrPortsExhausted) {
		s.deps.Emit(protocol.Event{Kind: protocol.PortsExhausted, Trunk: t.ID})
		return
	}
	s.log.Error("a call has no RTP port", "trunk", t.ID, "error", err)
}
