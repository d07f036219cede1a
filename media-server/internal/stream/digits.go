package stream

import (
	"encoding/binary"
	"time"
)

// keys are the events 0 to 15 of RFC 4733.
const keys = "0123456789*#ABCD"

// A digit whose end was lost is over when nothing more of it came for so long.
const digitTimeout = 200 * time.Millisecond

// In timestamp units of 8 kHz: a sender may move the timestamp on within a digit by this much more than the digit
// has lasted; and a digit longer than 16 bits can tell goes on in segments of about this length.
const (
	digitMoves   = 400
	digitSegment = 0xff00
)

// digitReader makes one digit of the many packets that tell of it.
type digitReader struct {
	known    bool // there was one, whether over or not
	over     bool
	key      byte
	start    uint32
	duration uint32 // timestamp units so far
	last     time.Duration
}

// packet takes the payload of one event packet. A digit is told when it ends, which may be one of those before.
func (d *digitReader) packet(h header, payload []byte, now time.Duration) (digit byte, held uint32) {
	if len(payload) < 4 || payload[0] >= byte(len(keys)) {
		return 0, 0
	}
	key, end, duration := keys[payload[0]], payload[1]&0x80 != 0, uint32(binary.BigEndian.Uint16(payload[2:]))
	moved := h.timestamp - d.start
	if d.known && int32(moved) < 0 {
		return 0, 0 // of one that was before
	}
	same := d.known && (moved == 0 || key == d.key && !h.marker && (!d.over || end) && moved <= d.duration+digitMoves)
	if !same {
		digit, held = d.finish()
		*d = digitReader{known: true, key: key, start: h.timestamp}
		moved = 0
	}
	if moved >= digitSegment {
		duration += moved
	}
	d.duration = max(d.duration, duration)
	d.last = now
	if end && digit == 0 {
		return d.finish()
	}
	// The end of the one before was lost and this is already the end of its successor: it is told by its repetition
	// or by the timeout.
	return digit, held
}

// finish ends the digit under way, if there is one.
func (d *digitReader) finish() (digit byte, held uint32) {
	if !d.active() {
		return 0, 0
	}
	d.over = true
	return d.key, d.duration
}

// expire ends a digit of which nothing came for long.
func (d *digitReader) expire(now time.Duration) (digit byte, held uint32) {
	if d.active() && now-d.last > digitTimeout {
		return d.finish()
	}
	return 0, 0
}

func (d *digitReader) active() bool { return d.known && !d.over }
