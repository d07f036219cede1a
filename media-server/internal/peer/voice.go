package peer

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/media"
)

const (
	packetBytes = 160 // 20 ms of a-law
	silence     = 0xd5
	// A burst lasts 5 packets, in 25 to 40 of silence, so that it meets each phase of whatever rhythm is on the way.
	burstPackets = 5
	pauseShort   = 25
	pauseSpread  = 16
	quietBefore  = 1600 // samples of silence before a burst is one
)

// call is one caller: what it says, and what it heard.
type call struct {
	ours, theirs       *cipher
	remote             netip.AddrPort
	turn               int // which 2 ms of the 20 it sends in
	ssrc, stamp        uint32
	sequence           uint16
	tone               []byte
	bursts             bool
	pause, left        int // packets until the next burst, and left of this one
	plain, sent, clear []byte
	heard              hearing
}

// newCall makes a caller who says a tone of its own: n of them, in steps of 50 Hz, which fit in 20 ms.
func newCall(n int, bursts bool, ours, theirs *cipher, remote netip.AddrPort) *call {
	return &call{
		ours: ours, theirs: theirs, remote: remote, turn: n % turns, ssrc: rand.Uint32(), stamp: rand.Uint32(),
		sequence: uint16(rand.Uint32()), tone: tone(400 + 50*(n%40)), bursts: bursts, pause: pauseShort,
		plain: make([]byte, 12+packetBytes), sent: make([]byte, 0, 256), clear: make([]byte, 0, 2048),
	}
}

// tone gives 20 ms of a sine as a-law.
func tone(hertz int) []byte {
	codec, _ := audio.New("PCMA") // which there is
	var f media.Frame
	for i := range f {
		f[i] = int16(8192 * math.Sin(2*math.Pi*float64(hertz*i)/media.Rate))
	}
	var payload []byte
	for range 3 { // its filter remembers: the third time it is as it will be
		payload = codec.Encode(payload[:0], &f)
	}
	return payload
}

// next makes the next packet; began tells that a burst begins with it.
func (c *call) next() (packet []byte, began bool) {
	payload, sounding := c.plain[12:], true
	if c.bursts {
		if c.pause > 0 {
			if c.pause--; c.pause == 0 {
				c.left, began = burstPackets, true
			}
		}
		if sounding = c.left > 0; sounding {
			if c.left--; c.left == 0 {
				c.pause = pauseShort + rand.IntN(pauseSpread)
			}
		}
	}
	if sounding {
		copy(payload, c.tone)
	} else {
		for i := range payload {
			payload[i] = silence
		}
	}
	c.plain[0], c.plain[1] = 0x80, 8
	binary.BigEndian.PutUint16(c.plain[2:], c.sequence)
	binary.BigEndian.PutUint32(c.plain[4:], c.stamp)
	binary.BigEndian.PutUint32(c.plain[8:], c.ssrc)
	c.sequence++
	c.stamp += packetBytes
	packet, err := c.ours.seal(c.sent, c.plain)
	if err != nil {
		return nil, false
	}
	return packet, began
}

// listen takes a packet in. It gives the gap before it, and when a burst begins in it (Unix nanoseconds; 0: none).
func (c *call) listen(packet []byte, at int64) (gap time.Duration, ok bool, burst int64) {
	packet, err := c.theirs.open(c.clear, packet)
	if err != nil || len(packet) < 12 || packet[0]&0xcf != 0x80 || packet[1]&0x7f != 8 {
		return 0, false, 0
	}
	gap, ok = c.heard.packet(binary.BigEndian.Uint32(packet[8:]), binary.BigEndian.Uint16(packet[2:]), at)
	sounds := false
	for i, b := range packet[12:] {
		if (b^0x55)&0x7f < 0x40 { // below -24 dB
			c.heard.quiet++
			continue
		}
		if c.heard.quiet >= quietBefore {
			burst = at + int64(i)*int64(time.Second)/8000
		}
		c.heard.quiet, sounds = 0, true
	}
	if sounds {
		c.heard.sounding++
	}
	return gap, ok, burst
}
