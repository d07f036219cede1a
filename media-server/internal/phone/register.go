package phone

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"
)

const defaultRegisterSeconds = 300

// maintain runs what a trunk needs beside its calls: its registration, its keep-alive, its address. before is
// the trunk it replaces, whose own upkeep ends first.
func (s *Server) maintain(t, before *trunk) {
	if t.ended != nil || !s.serving.Load() {
		return
	}
	ctx, stop := context.WithCancel(s.ctx)
	t.stop, t.ended = stop, make(chan struct{})
	s.spawn(func() {
		defer close(t.ended)
		defer stop()
		if before != nil && before.ended != nil {
			select {
			case <-before.ended:
			case <-ctx.Done():
			}
		}
		done := make(chan struct{})
		go func() { // ends before us
			defer close(done)
			if t.OptionsSeconds > 0 {
				s.keepAlive(ctx, t)
			}
		}()
		if t.Register {
			s.register(ctx, t)
		}
		s.lookUp(ctx, t)
		<-done
	})
}

// lookUp follows the address of a peer that is a name, as long as the trunk is there.
func (s *Server) lookUp(ctx context.Context, t *trunk) {
	for ctx.Err() == nil {
		if err := t.resolve(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the peer of a trunk has no address", "trunk", t.ID, "error", err)
		}
		s.renewSources()
		wait(ctx, resolveEvery)
	}
}

// wait pauses; it returns early when ctx ends.
func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// outside makes a request of no dialog to the trunk.
func (s *Server) outside(ctx context.Context, t *trunk, method sip.RequestMethod, user, callID string, seq uint32) (*sip.Request, error) {
	destination, err := t.destination(ctx)
	if err != nil {
		return nil, err
	}
	host := hostPart(t.realm(t.host))
	address := "<sip:" + host + ">"
	if user != "" {
		address = "<sip:" + user + "@" + host + ">"
	}
	target := t.uri("")
	if method == sip.REGISTER {
		target = "sip:" + host
	}
	d := dialog{
		CallID: callID, LocalTag: random(8), Local: address, Remote: address, Target: target,
		Transport: t.Transport, Source: destination, User: user,
	}
	req, err := s.build(&d, method, seq)
	if err != nil {
		return nil, err
	}
	req.SetBody(nil)
	s.address(req, t.Transport, destination)
	return req, nil
}

// keepAlive asks the trunk whether it is there. Any answer is a yes. Of a trunk that we register at the registration
// tells, which is renewed at once when there is none.
func (s *Server) keepAlive(ctx context.Context, t *trunk) {
	callID := random(16)
	for seq := uint32(1); ctx.Err() == nil; seq++ {
		req, err := s.outside(ctx, t, sip.OPTIONS, t.Username, callID, seq)
		if err == nil {
			_, err = s.send(ctx, req)
		}
		switch {
		case ctx.Err() != nil:
		case !t.Register:
			s.told(t, err == nil, "no_answer")
		case err != nil:
			select {
			case t.doubt <- struct{}{}:
			default:
			}
		}
		wait(ctx, time.Duration(t.OptionsSeconds)*s.timing.second)
	}
}

// register keeps our Contact known at the trunk until ctx ends; then it takes it back when the trunk is gone
// and the server is not (a restart takes the registration over).
func (s *Server) register(ctx context.Context, t *trunk) {
	callID, seq := random(16), uint32(0)
	asked := t.RegisterSeconds
	if asked == 0 {
		asked = defaultRegisterSeconds
	}
	pause := s.timing.registerWait
	for ctx.Err() == nil {
		granted, least, err := s.registerOnce(ctx, t, callID, &seq, asked)
		switch {
		case ctx.Err() != nil:
		case least > asked:
			asked = least
		case err != nil:
			s.told(t, false, registerCause(err))
			wait(ctx, pause/2+rand.N(pause/2+1)) // many servers do not come back at once
			pause = min(2*pause, s.timing.registerMost)
		default:
			s.told(t, true, "")
			pause = s.timing.registerWait
			t.stands(ctx, time.Duration(granted)*s.timing.second*4/5)
		}
	}
	if s.ctx.Err() == nil && seq > 0 {
		last, stop := context.WithTimeout(s.ctx, 2*time.Second)
		defer stop()
		_, _, _ = s.registerOnce(last, t, callID, &seq, 0) // it would run out by itself
	}
}

// stands waits for as long as a registration does; less, when there is doubt of it.
func (t *trunk) stands(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-t.doubt: // of before
	default:
	}
	select {
	case <-timer.C:
	case <-t.doubt:
	case <-ctx.Done():
	}
}

var errRegister = errors.New("registration refused")

func registerCause(err error) string {
	switch {
	case errors.Is(err, errCredentials):
		return "credentials"
	case errors.Is(err, errRegister):
		return "refused"
	}
	return "no_answer"
}

// registerOnce sends REGISTER and answers challenges. least is the interval that a 423 wants.
func (s *Server) registerOnce(ctx context.Context, t *trunk, callID string, seq *uint32, expires int) (granted, least int, err error) {
	*seq++
	req, err := s.outside(ctx, t, sip.REGISTER, t.Username, callID, *seq)
	if err != nil {
		return 0, 0, err
	}
	req.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(expires)))
	for try := 0; try < 3; try++ {
		res, err := s.send(ctx, req)
		if err != nil {
			return 0, 0, err
		}
		switch {
		case res.IsSuccess():
			return s.granted(t, res, expires), 0, nil
		case res.StatusCode == 401 || res.StatusCode == 407:
			next := req.Clone()
			if err := authorize(next, res, t.Username, t.Password); err != nil {
				return 0, 0, err
			}
			*seq++
			again(next, *seq)
			req = next
		case res.StatusCode == 423:
			if least, _ := seconds(header(res, "Min-Expires")); least > expires && least <= 86_400 {
				return 0, least, nil
			}
			return 0, 0, fmt.Errorf("%w: %d", errRegister, res.StatusCode)
		default:
			return 0, 0, fmt.Errorf("%w: %d", errRegister, res.StatusCode)
		}
	}
	return 0, 0, errCredentials
}

// granted is for how long the registrar keeps our Contact: what it says of ours, else of all, else as asked.
func (s *Server) granted(t *trunk, res *sip.Response, asked int) int {
	granted := asked
	if n, _ := seconds(header(res, "Expires")); n > 0 {
		granted = n
	}
	for _, h := range res.GetHeaders("Contact") {
		contact, ok := h.(*sip.ContactHeader)
		if !ok || contact.Address.User != t.Username || contact.Address.Port != s.Port(t.Transport) {
			continue
		}
		if value, ok := contact.Params.Get("expires"); ok {
			if n, _ := seconds(value); n > 0 {
				granted = n
			}
		}
	}
	return max(granted, 1)
}
