package stream

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"guichet/mediaserver/internal/media"
)

// Snapshot is all that a Leg needs to go on after the end of the process. It holds keys: keep it in a file
// that only we may read.
type Snapshot struct {
	Port    int     `json:"port"`
	Session Session `json:"session"`
	// AtMillis is when it was taken, by the clock that runs since the host's start.
	AtMillis int64 `json:"at_ms"`
	// SSRC, Index (sequence number with its roll-overs), Timestamp of the next packet we send.
	SSRC      uint32 `json:"ssrc"`
	Index     uint64 `json:"index"`
	Timestamp uint32 `json:"timestamp"`
	RTCPIndex uint32 `json:"rtcp_index,omitempty"`
	// Source is the learnt source of the far side's packets, with its SSRC and index.
	Source      netip.AddrPort `json:"source"`
	RemoteSSRC  uint32         `json:"remote_ssrc,omitempty"`
	RemoteIndex uint64         `json:"remote_index,omitempty"`
}

// After a restart the numbers go on from where they must be by the time that has passed, and a bit farther: the far
// side takes a jump ahead for lost packets, but one back for old ones (and SRTP forbids to use an index twice).
const (
	packetsAhead = 256
	ticksAhead   = 2
	rtcpAhead    = 16
)

// sinceBoot is a clock that no one sets and that the next process of this host shares.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0 // never on Linux; without it a restored call's numbers only make their fixed jump
	}
	return time.Duration(t.Nano())
}

// Snapshot tells where the leg stands.
func (l *Leg) Snapshot() Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Snapshot{Port: l.port, Session: l.session, AtMillis: sinceBoot().Milliseconds(), Source: l.latch.source}
	s.SSRC, s.Index, s.Timestamp = l.sender.position()
	s.RemoteSSRC, s.RemoteIndex = l.receiver.position()
	if l.in.rtp != nil {
		count, _ := l.in.rtp.ROC(s.RemoteSSRC)
		s.RemoteIndex = uint64(count)<<16 | s.RemoteIndex&0xffff
	}
	if l.outRTCP.rtcp != nil {
		s.RTCPIndex, _ = l.outRTCP.rtcp.Index(s.SSRC)
	}
	return s
}

// Restore binds the ports of the snapshot again and goes on where the leg stood.
func Restore(ports *Ports, id string, notices Notices, s Snapshot) (*Leg, error) {
	rtp, rtcp, err := ports.bind(s.Port)
	if err != nil {
		return nil, err
	}
	l, err := newLeg(id, notices, rtp, rtcp, s.Port)
	if err != nil {
		return nil, err
	}
	if err := l.restore(s, max(0, sinceBoot()-time.Duration(s.AtMillis)*time.Millisecond)); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("restore a call's audio: %w", err)
	}
	l.start()
	return l, nil
}

// restore sets the leg to where it must be now.
func (l *Leg) restore(s Snapshot, passed time.Duration) error {
	if s.Session.Format.Codec == "" { // nothing was agreed on yet
		return nil
	}
	if err := l.Configure(s.Session); err != nil {
		return err
	}
	l.sender.restore(s, passed)
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.Session.Local != nil {
		_, index, _ := l.sender.position()
		l.out.encrypt(l.outRTCP.rtp, s.SSRC, uint32(index>>16))
		l.outRTCP.rtcp.SetIndex(s.SSRC, s.RTCPIndex+rtcpAhead+uint32(passed/reportEvery*2))
		l.resume = resume{s.RemoteSSRC, s.RemoteIndex + uint64(passed/(20*time.Millisecond))}
	}
	if s.Source.IsValid() {
		l.latch.source, l.latch.learning, l.latch.ssrc = unmap(s.Source), false, s.RemoteSSRC
		l.latch.last = l.receiver.now()
		l.redirect()
	}
	return nil
}

// position tells the numbers of the next packet.
func (s *Sender) position() (ssrc uint32, index uint64, timestamp uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ssrc, s.index, s.timestamp
}

// restore goes on with the numbers of a snapshot.
func (s *Sender) restore(from Snapshot, passed time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clock := s.codec.ClockRate()
	ticks := uint32(passed/(media.FrameMillis*time.Millisecond)) + ticksAhead
	s.ssrc, s.index = from.SSRC, from.Index+packetsAhead
	s.timestamp = from.Timestamp + ticks*uint32(clock*media.FrameMillis/1000)
	if from.Session.Send {
		millis, _ := from.Session.Format.packetMillis()
		s.index += uint64(passed / (time.Duration(max(millis, 10)) * time.Millisecond))
	}
}

// rewind begins a new count of roll-overs, as a new key does.
func (s *Sender) rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index &= 0xffff
}

// counts tells how many packets were sent, and how many bytes of payload.
func (s *Sender) counts() (packets, octets uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent, s.octets
}

// position tells the stream and the highest sequence number received, without roll-over.
func (r *Receiver) position() (ssrc uint32, index uint64) {
	r.book.Lock()
	defer r.book.Unlock()
	if !r.account.known {
		return 0, 0
	}
	return r.account.ssrc, uint64(max(r.account.highest, 0))
}

// expects tells whether a payload type is one of this stream.
func (r *Receiver) expects(payloadType uint8) bool {
	r.book.Lock()
	defer r.book.Unlock()
	return r.understands(payloadType)
}
