package phone

import (
	"testing"
	"time"
)

// TestAClockThatJumpedOverARestartEndsNoCall: neither does our refresh come late, nor is the far side given up.
func TestAClockThatJumpedOverARestartEndsNoCall(t *testing.T) {
	t.Parallel()
	c := &Call{s: &Server{timing: timing{second: time.Second}}}
	for _, jump := range []time.Duration{-time.Hour, 0, 10 * time.Second, time.Hour} {
		renewed := time.Now().Add(-jump).UnixMilli()
		age := c.sinceRenewed(sessionTimer{Interval: 90, Renewed: renewed})
		if want := min(max(jump, 0), 45*time.Second); age < want || age > want+5*time.Second {
			t.Errorf("the clock jumped by %v: the session is %v old, want %v", jump, age, want)
		}
	}
}
