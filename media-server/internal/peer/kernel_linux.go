package peer

import (
	"encoding/binary"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sleep asks the kernel itself, which is more exact than the runtime's timers. It may end early.
func sleep(d time.Duration) {
	span := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&span, nil)
}

// prepare lets the kernel note when each packet arrived and how many it dropped, and gives it room for many.
func prepare(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, roomBytes) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, roomBytes) // what anybody may have
		}
		for _, option := range []int{unix.SO_TIMESTAMPNS, unix.SO_RXQ_OVFL} {
			if failed == nil {
				failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 1)
			}
		}
	})
	if err == nil {
		err = failed
	}
	return err
}

// notes reads what the kernel noted beside a packet: when it came (Unix nanoseconds), and how many were dropped on
// this socket so far; 0 where it says nothing.
func notes(oob []byte) (at int64, dropped uint32) {
	for len(oob) >= unix.SizeofCmsghdr {
		size := int(binary.NativeEndian.Uint64(oob))
		if size < unix.SizeofCmsghdr || size > len(oob) {
			break
		}
		data := oob[unix.SizeofCmsghdr:size]
		switch kind := binary.NativeEndian.Uint32(oob[12:]); {
		case kind == unix.SO_TIMESTAMPNS && len(data) >= 16:
			at = int64(binary.NativeEndian.Uint64(data))*1e9 + int64(binary.NativeEndian.Uint64(data[8:]))
		case kind == unix.SO_RXQ_OVFL && len(data) >= 4:
			dropped = binary.NativeEndian.Uint32(data)
		}
		oob = oob[min(len(oob), (size+7)&^7):]
	}
	return at, dropped
}
