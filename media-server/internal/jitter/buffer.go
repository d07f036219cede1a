// Package jitter plays out packets that come unevenly, too late or not at all, as one even row of frames.
//
// Each packet has a place in time: where its timestamp stands, plus the shortest way through the network that was
// seen of late, plus the depth. The depth follows what is observed (delay). What is missing at its time is made
// up from what was heard before (voice), and where the sound runs ahead of or behind the depth, because the depth
// has changed or the clocks of both ends differ, a period of the voice is left out or repeated now and then.
package jitter

import (
	"math"
	"time"

	"guichet/mediaserver/internal/media"
)

// Decoder is what the buffer needs of a codec (audio.Codec is one).
type Decoder interface {
	ClockRate() int
	Decode(payload []byte, pcm []int16) int
}

// Packet is one packet of sound.
type Packet struct {
	// Sequence counts packets of sound without roll-over: it tells a loss from a pause of the sender.
	Sequence  int64
	Timestamp uint32
	// Payload is copied by Push.
	Payload []byte
	// Noise says that the payload describes comfort noise (RFC 3389), to last until the next packet.
	Noise bool
}

// Stats are figures since the start.
type Stats struct {
	// Late packets came after their time.
	Late int
	// Cuts are the periods of voice left out or repeated.
	Cuts      int
	Concealed time.Duration
	// Delay is how long packets waited here of late, Target how long they are meant to wait at least.
	Delay, Target time.Duration
}

const (
	capacity    = 64            // packets
	maxPayload  = 1500          // bytes
	maxExcess   = 120 * millis  // of waiting over the target before packets are thrown away
	surplus     = 13 * millis   // of sound more than needed that is left alone
	tolerance   = 2 * millis    // of the target
	madeUpFor   = fadedAt       // silence after that long is no longer a hole in speech
	otherClock  = 1000 * millis // a packet so far from its place belongs to another clock
	patience    = 25            // tries for a good cut before a bad one is taken
	noisyFor    = 64            // dB below overload of comfort noise that is silence for us
	fullScale   = 32767
	steady      = 4 // packets whose waiting is looked at before a cut
	hurryExcess = 40 * millis
)

type slot struct {
	Packet
	position int64
	arrival  int64
}

// Buffer is the play-out of one stream. It has no clock: the caller tells the time, from any start, forward.
// It is not safe for use by several goroutines.
type Buffer struct {
	decoder Decoder
	delay   delay
	voice   voice
	stats   Stats

	queue []*slot // by position
	spare []*slot
	odd   *slot // one that fits no clock we know, kept until the next one tells

	anchored  bool
	timestamp uint32 // of the newest packet, and without roll-over
	extended  int64

	playing      bool
	next         int64 // position after what was decoded last
	lastSequence int64
	noisePeak    int32 // of comfort noise; 0: none
	muteFrom     int64
	muteUntil    int64
	wasMuted     bool
	hole         int // samples made up since the last packet

	waits   [steady]int64 // over the shortest way, of packets taken last
	waited  int
	grid    int64 // on which packets and ticks meet
	tries   int
	average int64 // of waiting since arrival, times 16
}

// New makes a buffer for one decoder.
func New(decoder Decoder) *Buffer {
	b := &Buffer{
		decoder: decoder, grid: media.FrameSamples,
		queue: make([]*slot, 0, capacity+1), spare: make([]*slot, 0, capacity+1), odd: new(slot),
	}
	for range capacity {
		b.spare = append(b.spare, new(slot))
	}
	b.Restart(decoder)
	return b
}

// Restart begins with another stream, perhaps of another codec: what was to be played is forgotten.
func (b *Buffer) Restart(decoder Decoder) {
	b.decoder = decoder
	b.restart()
}

func (b *Buffer) restart() {
	b.spare = append(b.spare, b.queue...)
	b.queue = b.queue[:0]
	b.delay.restart()
	b.pause()
	b.noisePeak, b.muteFrom, b.muteUntil = 0, 0, 0
	b.odd.Payload = b.odd.Payload[:0]
	b.anchored, b.next, b.hole = false, math.MinInt64, 0
}

// pause ends the tie between what is played and the timestamps.
func (b *Buffer) pause() {
	b.playing = false
	b.waited = 0
	b.voice.made = 0
}

// place tells where a timestamp stands, in samples.
func (b *Buffer) place(timestamp uint32) int64 {
	if !b.anchored {
		b.anchored, b.timestamp, b.extended = true, timestamp, 0
	}
	extended := b.extended + int64(int32(timestamp-b.timestamp))
	return extended * media.Rate / int64(b.decoder.ClockRate())
}

func samples(at time.Duration) int64 { return int64(at) / int64(time.Second/media.Rate) }

// Push takes a packet that came at the given time. One that comes twice is the caller's to leave out: it would count as
// late.
func (b *Buffer) Push(p Packet, at time.Duration) {
	if len(p.Payload) == 0 || len(p.Payload) > maxPayload {
		return
	}
	now := samples(at)
	position := b.place(p.Timestamp)
	if b.delay.known {
		if off := now - position - b.delay.base(); off > otherClock || off < -otherClock {
			if !b.confirm(p, now) {
				return
			}
			position = b.place(p.Timestamp)
		}
	}
	b.odd.Payload = b.odd.Payload[:0]
	if extended := b.extended + int64(int32(p.Timestamp-b.timestamp)); extended >= b.extended {
		b.timestamp, b.extended = p.Timestamp, extended
	}
	b.delay.arrive(now-position, now)
	b.insert(p, position, now)
}

// confirm keeps a packet of another clock aside. When the next one agrees with it, the stream has changed its
// clock: true, and the one kept is in the queue of what begins anew.
func (b *Buffer) confirm(p Packet, now int64) bool {
	odd := b.odd
	if len(odd.Payload) > 0 {
		apart := int64(int32(p.Timestamp-odd.Timestamp)) * media.Rate / int64(b.decoder.ClockRate())
		if off := now - odd.arrival - apart; apart != 0 && off < otherClock && off > -otherClock {
			before, arrival := odd.Packet, odd.arrival
			b.restart()
			position := b.place(before.Timestamp)
			b.delay.arrive(arrival-position, arrival)
			b.insert(before, position, arrival)
			return true
		}
	}
	b.keep(odd, p, 0, now)
	return false
}

func (b *Buffer) keep(s *slot, p Packet, position, now int64) {
	p.Payload = append(s.Payload[:0], p.Payload...)
	s.Packet, s.position, s.arrival = p, position, now
}

// insert puts a packet in its place in the queue.
func (b *Buffer) insert(p Packet, position, now int64) {
	if position < b.next {
		b.stats.Late++
		return
	}
	at := len(b.queue)
	for at > 0 && b.queue[at-1].position > position {
		at--
	}
	if at > 0 && b.queue[at-1].position == position {
		return
	}
	if len(b.spare) == 0 { // nobody takes them: the oldest goes
		if at == 0 {
			return
		}
		b.forget()
		at--
	}
	s := b.spare[len(b.spare)-1]
	b.spare = b.spare[:len(b.spare)-1]
	b.keep(s, p, position, now)
	b.queue = append(b.queue, nil)
	copy(b.queue[at+1:], b.queue[at:])
	b.queue[at] = s
}

// forget drops the first packet of the queue.
func (b *Buffer) forget() {
	b.spare = append(b.spare, b.queue[0])
	copy(b.queue, b.queue[1:])
	b.queue = b.queue[:len(b.queue)-1]
}

// Mute silences the sound between two timestamps, as far as it has not been played.
func (b *Buffer) Mute(from, until uint32) {
	b.muteFrom, b.muteUntil = b.place(from), b.place(until)
	if b.playing {
		b.next += int64(b.voice.made) // made-up sound counts as played: it is silenced too
		if at := b.muteFrom - (b.next - int64(b.voice.pending)); at < int64(b.voice.pending) || b.voice.made > 0 {
			b.voice.hush(int(min(max(at, 0), int64(b.voice.pending))))
		}
	}
}

func (b *Buffer) muted(position int64) bool {
	return position >= b.muteFrom && position < b.muteUntil
}

// Stats tells the figures so far; now as in Pop.
func (b *Buffer) Stats(at time.Duration) Stats {
	s := b.stats
	s.Delay = time.Duration(b.average/16) * (time.Second / media.Rate)
	s.Target = time.Duration(b.delay.target(samples(at))) * (time.Second / media.Rate)
	return s
}
