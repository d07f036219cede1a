package browser

import (
	"testing"
	"time"
)

func TestCongestionFollowsTheReports(t *testing.T) {
	var c congestion
	now := time.Duration(0)
	tell := func(kbps int, lost float64, trip time.Duration) uint64 {
		c.count(now, kbps*1000/8)
		now += time.Second
		c.report(now, lost, trip)
		return c.room() / 1000
	}
	const near = 40 * time.Millisecond
	if got := tell(2000, 0, near); got != 0 {
		t.Fatalf("a good way is bound to %d", got)
	}
	if got := tell(50, 0.3, near); got != 0 {
		t.Errorf("losing of nearly nothing binds to %d", got)
	}
	now += time.Minute // nothing is shown
	if got := tell(2000, 0.05, near); got != 0 {
		t.Errorf("some loss binds to %d", got)
	}
	if got := tell(2000, 0.2, near); got != 1800 {
		t.Errorf("20 %% lost of 2000: %d, want 1800", got)
	}
	if got := tell(1000, 0, near+2*slower); got != 850 {
		t.Errorf("a queue: %d, want 850", got)
	}
	if got := tell(850, 0, near); got != 918 {
		t.Errorf("good again: %d, want 918", got)
	}
	if got := tell(10, 0.9, near); got != floor/1000 {
		t.Errorf("nearly nothing gets through: %d, want the floor", got)
	}
	for i := 0; c.room() > 0; i++ {
		if i > 120 {
			t.Fatalf("after two good minutes still bound to %d", c.room())
		}
		tell(2000, 0, near)
	}
}
