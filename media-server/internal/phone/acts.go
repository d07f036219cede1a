package phone

import (
	"net/http"
	"slices"

	"guichet/mediaserver/internal/protocol"
)

// once tells whether an act is new; its name is saved, so that it is done once over a restart too.
func (c *Call) once(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.onceLocked(name)
}

func (c *Call) onceLocked(name string) bool {
	const remembered = 32
	if slices.Contains(c.rec.Acts, name) {
		return false
	}
	c.rec.Acts = append(c.rec.Acts, name)
	if len(c.rec.Acts) > remembered {
		c.rec.Acts = c.rec.Acts[1:]
	}
	c.keepLocked()
	return true
}

// undone forgets an act that was refused: it may be tried again.
func (c *Call) undone(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rec.Acts = slices.DeleteFunc(c.rec.Acts, func(each string) bool { return each == name })
}

// HangUp ends a call in any state; an incoming one that is not answered is refused.
func (s *Server) HangUp(id string, how protocol.Ending) error {
	c, err := s.call(id)
	if err != nil {
		return err
	}
	cause := orElse(how.Cause, "hangup")
	c.mu.Lock()
	state, incoming := c.rec.State, c.rec.Incoming
	c.mu.Unlock()
	switch {
	case state == answered || state == held:
		c.quit("us", cause, 0)
	case incoming:
		if err := s.Reject(id, how); err == nil || !c.inState(answered) && !c.inState(held) {
			return err
		}
		c.quit("us", cause, 0) // the answer was faster
	default:
		c.abandon("us", cause, 0)
	}
	return nil
}

// Digits sends keys, as RFC 4733 events or as INFO.
func (s *Server) Digits(id string, d protocol.Digits) error {
	c, err := s.call(id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	state := c.rec.State
	c.mu.Unlock()
	if state != answered && state != held && (state != early || d.Via == "info") {
		return protocol.WrongState("send digits", state)
	}
	if !c.once("digits " + d.Act) {
		return nil
	}
	if d.Via == "info" {
		s.spawn(func() { c.sendInfo(d.Digits) })
		return nil
	}
	if err := c.leg.SendDigits(d.Digits); err != nil {
		c.undone("digits " + d.Act)
		return protocol.Refuse(http.StatusConflict, "no_digits", "via",
			"the call has no telephone events, or too many digits wait: send them via info, or later")
	}
	return nil
}

func orElse(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
