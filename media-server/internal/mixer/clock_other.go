//go:build !linux

package mixer

import "time"

func (machine) sleep(d time.Duration) { time.Sleep(d) }

func realtime() bool { return false }
