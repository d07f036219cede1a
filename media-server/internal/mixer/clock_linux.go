package mixer

import (
	"syscall"
	"time"
	"unsafe"
)

// sleep asks the kernel itself: the runtime's timers wake another thread first, which then wakes this one.
// It may end early.
func (machine) sleep(d time.Duration) {
	span := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&span, nil)
}

// realtime asks for real-time priority for the calling thread, but not for what it starts; it tells whether
// the machine grants it (root, CAP_SYS_NICE, or a limit on rtprio).
func realtime() bool {
	const roundRobin, resetOnFork = 2, 0x4000_0000
	priority := int32(5)
	_, _, failed := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, roundRobin|resetOnFork,
		uintptr(unsafe.Pointer(&priority)))
	return failed == 0
}
