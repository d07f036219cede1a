package stream

import (
	"sync/atomic"
	"time"
)

// kind is what a packet holds.
type kind uint8

const (
	sound kind = iota
	noise
	event
)

// arrived is one packet on its way from the read loop to the tick.
type arrived struct {
	kind     kind
	restart  bool // it is the first of another stream
	header   header
	sequence int64 // among packets of sound, without roll-over
	at       time.Duration
	payload  []byte
}

// handover is that way. One goroutine puts, another one takes, and neither ever waits for the other: the tick must not
// stand behind a read loop that the kernel has put aside.
type handover struct {
	slots [64]arrived
	put   atomic.Uint32 // how many were put
	taken atomic.Uint32 // how many were taken
}

// add copies a packet; false: there is no room.
func (h *handover) add(p arrived) bool {
	n := h.put.Load()
	if n-h.taken.Load() == uint32(len(h.slots)) {
		return false
	}
	slot := &h.slots[n%uint32(len(h.slots))]
	p.payload = append(slot.payload[:0], p.payload...)
	*slot = p
	h.put.Store(n + 1)
	return true
}

// next is the oldest packet, nil where there is none; it is valid until drop.
func (h *handover) next() *arrived {
	n := h.taken.Load()
	if n == h.put.Load() {
		return nil
	}
	return &h.slots[n%uint32(len(h.slots))]
}

// drop makes room of the packet that next told.
func (h *handover) drop() {
	h.taken.Add(1)
}
