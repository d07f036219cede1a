package phone

import (
	"fmt"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"
)

// sessionTimer is what RFC 4028 agreed on: the interval in seconds (0: none), and who refreshes.
type sessionTimer struct {
	Interval int   `json:"interval,omitempty"`
	Us       bool  `json:"us,omitempty"`
	Renewed  int64 `json:"renewed_ms,omitempty"` // Unix; only read after a restart
}

func (s *Server) minSE() string { return strconv.Itoa(s.timing.minSession) }

// timerOffered settles the session timer of a request that wants one; false: its interval is too small.
func (s *Server) timerOffered(req *sip.Request, t *trunk) (sessionTimer, bool) {
	interval, params := seconds(header(req, "Session-Expires"))
	theirs := lists(req, "Supported", "timer") || lists(req, "Require", "timer")
	if interval == 0 {
		return sessionTimer{Interval: t.SessionSeconds, Us: true}, true
	}
	if interval < s.timing.minSession {
		if theirs {
			return sessionTimer{}, false
		}
		interval = s.timing.minSession // a proxy asked: the caller would not understand our 422
	}
	least, _ := seconds(header(req, "Min-SE"))
	if t.SessionSeconds > 0 {
		interval = min(interval, max(t.SessionSeconds, least))
	}
	return sessionTimer{Interval: interval, Us: params["refresher"] == "uas" || !theirs}, true
}

// answer writes the timer into our 2xx.
func (t sessionTimer) answer(res *sip.Response, req *sip.Request) {
	if t.Interval == 0 {
		return
	}
	who := "uas"
	if !t.Us {
		who = "uac"
		res.AppendHeader(sip.NewHeader("Require", "timer"))
	}
	res.AppendHeader(sip.NewHeader("Session-Expires", fmt.Sprintf("%d;refresher=%s", t.Interval, who)))
}

// ask writes the timer into a request of ours.
func (t sessionTimer) ask(req *sip.Request, running bool, minSE string) {
	if t.Interval == 0 {
		return
	}
	value := strconv.Itoa(t.Interval)
	switch {
	case running && t.Us:
		value += ";refresher=uac"
	case running: // a change of ours does not make the refreshing ours
		value += ";refresher=uas"
	}
	req.AppendHeader(sip.NewHeader("Session-Expires", value))
	req.AppendHeader(sip.NewHeader("Min-SE", minSE))
}

// agreed reads the timer out of a 2xx to a request of ours that asked for this one. Where it says nothing the far side
// knows no timers, and we refresh by ourselves (RFC 4028, 7.2): a call whose BYE was lost would not end else.
func (t sessionTimer) agreed(res *sip.Response) sessionTimer {
	interval, params := seconds(header(res, "Session-Expires"))
	if interval == 0 {
		return sessionTimer{Interval: t.Interval, Us: true}
	}
	return sessionTimer{Interval: interval, Us: params["refresher"] != "uas"}
}

// due does what time brings to a call.
func (c *Call) due(now time.Time) {
	c.mu.Lock()
	up := !c.over && (c.rec.State == answered || c.rec.State == held)
	interval := time.Duration(c.rec.Timer.Interval) * c.s.timing.second
	age := now.Sub(c.renewed)
	rehold := c.holdDue(now)
	refresh := up && interval > 0 && c.rec.Timer.Us && age >= interval/2 && !c.offering && len(c.acks) == 0 && now.After(c.refreshAt)
	expired := up && interval > 0 && !c.rec.Timer.Us && age >= interval-min(32*c.s.timing.second, interval/3)
	if refresh {
		c.offering = true
	}
	lost := c.rec.Refer != nil && now.After(c.referEnds)
	figures := up && now.Sub(c.qualAt) >= c.s.timing.quality
	if figures {
		c.qualAt = now
	}
	c.mu.Unlock()
	switch {
	case expired:
		c.quit("network", "session_expired", 408)
	case rehold:
		c.s.spawn(c.rehold)
	case refresh:
		c.s.spawn(c.refresh)
	}
	if lost {
		c.referLost()
	}
	if figures {
		c.quality()
	}
}

// renew notes that the session was refreshed.
func (c *Call) renew(t sessionTimer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renewed = time.Now()
	t.Renewed = c.renewed.UnixMilli()
	c.rec.Timer = t
	c.keepLocked()
}

// longer takes the interval that a 422 wants; false when that is none longer.
func (c *Call) longer(res *sip.Response) bool {
	least, _ := seconds(header(res, "Min-SE"))
	c.mu.Lock()
	defer c.mu.Unlock()
	if least <= c.rec.Timer.Interval {
		return false
	}
	c.rec.Timer.Interval = least
	return true
}

// refresh renews the session from our side: by UPDATE where the far side takes it, else by a re-INVITE that
// changes nothing.
func (c *Call) refresh() {
	defer func() {
		c.mu.Lock()
		c.offering = false
		c.mu.Unlock()
	}()
	c.mu.Lock()
	timer, updates := c.rec.Timer, c.rec.Updates
	c.mu.Unlock()
	var res *sip.Response
	var err error
	if updates {
		res, err = c.request(c.s.ctx, sip.UPDATE, func(req *sip.Request) { timer.ask(req, true, c.s.minSE()) })
	}
	if !updates || err == nil && (res.StatusCode == 405 || res.StatusCode == 501) {
		res, err = c.reinvite(timer)
	}
	switch {
	case c.s.ctx.Err() != nil:
	case err != nil:
		c.quit("network", "session_expired", 408)
	case res.IsSuccess():
		c.renew(timer.agreed(res))
	case res.StatusCode == 408 || res.StatusCode == 481:
		c.quit("network", "session_expired", res.StatusCode)
	case res.StatusCode == 422:
		c.longer(res)
	default: // 491 and others: later; RFC 3261 (14.1) wants a pause of chance after a 491
		c.mu.Lock()
		c.refreshAt = time.Now().Add(c.pause())
		c.mu.Unlock()
	}
}

// pause is how long we leave the far side alone that said "not now".
func (c *Call) pause() time.Duration {
	return c.s.timing.second * time.Duration(1+c.beginAt.UnixMicro()%3)
}
