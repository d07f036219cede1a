package audio

import "guichet/mediaserver/internal/media"

// law is one of the two laws of G.711, as tables: a payload byte's value, and the byte of each of the
// 16384 values that 14 bits can tell apart.
type law struct {
	decode [256]int16
	encode [16384]byte
}

var (
	alaw  = makeLaw(alawValue)
	mulaw = makeLaw(mulawValue)
)

// alawValue is ITU-T G.711 table 1: sign, 3 bits of segment, 4 of step, every second bit inverted.
func alawValue(b byte) int16 {
	b ^= 0x55
	value := int(b&0x0f)<<4 + 8
	if segment := int(b>>4) & 7; segment > 0 {
		value = (value + 0x100) << (segment - 1)
	}
	if b&0x80 == 0 {
		value = -value
	}
	return int16(value)
}

// mulawValue is ITU-T G.711 table 2: all bits inverted, a bias of 33 steps of 4.
func mulawValue(b byte) int16 {
	b = ^b
	value := (int(b&0x0f)<<3+0x84)<<((b>>4)&7) - 0x84
	if b&0x80 != 0 {
		value = -value
	}
	return int16(value)
}

// makeLaw fills the tables; each value is encoded as the nearest byte.
func makeLaw(value func(byte) int16) law {
	var l law
	var ascending [256]byte
	for b := range 256 {
		l.decode[b] = value(byte(b))
		at := b
		for ; at > 0 && value(ascending[at-1]) > l.decode[b]; at-- {
			ascending[at] = ascending[at-1]
		}
		ascending[at] = byte(b)
	}
	nearest := 0
	for i := range l.encode {
		v := (i-8192)*4 + 2 // the middle of the values that share this cell
		for nearest < 255 && abs(int(l.decode[ascending[nearest+1]])-v) <= abs(int(l.decode[ascending[nearest]])-v) {
			nearest++
		}
		l.encode[i] = ascending[nearest]
	}
	return l
}

func abs(v int) int {
	if v < 0 {
		return -v
	}
	return v
}

// g711 is one direction of a G.711 stream; its memory is that of the rate change.
type g711 struct {
	law    *law
	up     Up
	down   Down
	narrow [media.FrameSamples / 2]int16
}

func (c *g711) ClockRate() int { return 8000 }

func (c *g711) Reset() { c.up, c.down = Up{}, Down{} }

func (c *g711) Encode(dst []byte, f *media.Frame) []byte {
	c.down.Process(c.narrow[:], f[:])
	for _, v := range c.narrow {
		dst = append(dst, c.law.encode[(int(v)+32768)>>2])
	}
	return dst
}

func (c *g711) Decode(payload []byte, pcm []int16) int {
	n := 0
	for len(payload) > 0 && len(pcm)-n >= 2 {
		part := min(len(payload), len(c.narrow), (len(pcm)-n)/2)
		for i, b := range payload[:part] {
			c.narrow[i] = c.law.decode[b]
		}
		c.up.Process(pcm[n:], c.narrow[:part])
		payload = payload[part:]
		n += 2 * part
	}
	return n
}
