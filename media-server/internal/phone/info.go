package phone

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

const infoMillis = 160 // how long a digit of ours is said to last

// onInfo takes digits by INFO: application/dtmf-relay (Signal=, Duration=) and application/dtmf.
func (s *Server) onInfo(req *sip.Request, tx sip.ServerTransaction) {
	c := s.within(req, tx)
	if c == nil {
		return
	}
	kind := contentType(req)
	if len(req.Body()) > 0 && kind != "application/dtmf-relay" && kind != "application/dtmf" {
		s.reply(req, tx, 415, sip.NewHeader("Accept", "application/dtmf-relay, application/dtmf"))
		return
	}
	s.reply(req, tx, 200)
	if digit, held, ok := infoDigit(kind, string(req.Body())); ok {
		c.digit(digit, held, "info")
	}
}

// infoDigit reads one digit; 10 to 16 are written as RFC 4733 numbers them by some gateways.
func infoDigit(kind, body string) (digit string, held time.Duration, ok bool) {
	millis := infoMillis
	if kind == "application/dtmf" {
		digit = strings.TrimSpace(body)
	} else {
		for _, line := range strings.Split(body, "\n") {
			name, value, _ := strings.Cut(line, "=")
			value = strings.TrimSpace(value)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "signal":
				digit = value
			case "duration":
				if n, err := strconv.Atoi(value); err == nil && n > 0 && n < 60_000 {
					millis = n
				}
			}
		}
	}
	switch digit {
	case "10":
		digit = "*"
	case "11":
		digit = "#"
	}
	digit = strings.ToUpper(digit)
	if len(digit) != 1 || !strings.Contains("0123456789*#ABCD", digit) {
		return "", 0, false
	}
	return digit, time.Duration(millis) * time.Millisecond, true
}

// sendInfo sends digits one after the other, each when the one before was answered.
func (c *Call) sendInfo(digits string) {
	for _, digit := range digits {
		res, err := c.request(c.s.ctx, sip.INFO, func(req *sip.Request) {
			req.AppendHeader(sip.NewHeader("Content-Type", "application/dtmf-relay"))
			req.SetBody([]byte(fmt.Sprintf("Signal=%c\r\nDuration=%d\r\n", digit, infoMillis)))
		})
		if err != nil || !res.IsSuccess() {
			c.s.log.Warn("the far side takes no digits by INFO", "endpoint", c.id)
			return
		}
	}
}
