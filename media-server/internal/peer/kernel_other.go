//go:build !linux

package peer

import (
	"net"
	"time"
)

func sleep(d time.Duration) { time.Sleep(d) }

func prepare(conn *net.UDPConn) error { return conn.SetReadBuffer(roomBytes) }

func notes([]byte) (at int64, dropped uint32) { return 0, 0 }
