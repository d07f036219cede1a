package stream

import (
	"net/netip"

	"guichet/mediaserver/internal/media"
)

// Session is what offer and answer agreed on. It may change at any time by Configure.
type Session struct {
	Format Format `json:"format"`
	// Remote is where the far side's SDP wants RTP; not valid: not told yet. It is where we send until
	// the far side's own packets tell better.
	Remote netip.AddrPort `json:"remote"`
	// RemoteRTCP is a=rtcp; not valid: the port after Remote's. Mux: RTCP comes and goes on the RTP port.
	RemoteRTCP netip.AddrPort `json:"remote_rtcp"`
	Mux        bool           `json:"mux,omitempty"`
	// Known are networks from which this trunk's media may come when it does not come from Remote (a far
	// side behind NAT): the signalling's source, the trunk's CIDRs. They latch after 3 packets, others after 10.
	Known []netip.Prefix `json:"known,omitempty"`
	// Send and Receive are the direction as seen from us.
	Send    bool `json:"send"`
	Receive bool `json:"receive"`
	// Local is the key we encrypt with, Theirs the far side's. Both or none.
	Local  *Crypto `json:"local,omitempty"`
	Theirs *Crypto `json:"theirs,omitempty"`
}

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

// Leg is the audio of one phone call: a media.Port with UDP sockets of its own.
type Leg struct{}

var _ media.Port = (*Leg)(nil)

// Open binds a free pair of ports. Nothing is received or sent before Configure.
func Open(ports *Ports, id string, notices Notices) (*Leg, error) { return &Leg{}, nil }

// Restore binds the ports of the snapshot again and goes on where the leg stood.
func Restore(ports *Ports, id string, notices Notices, s Snapshot) (*Leg, error) { return &Leg{}, nil }

// Configure applies what an offer and answer agreed on: first, and again at each re-INVITE. Another Remote
// than before makes the leg learn its source again. On an error nothing has changed.
func (l *Leg) Configure(s Session) error { return nil }

// ID names the endpoint.
func (l *Leg) ID() string { return "" }

// Port is the local RTP port, for SDP.
func (l *Leg) Port() int { return 0 }

// Say implements media.Port.
func (l *Leg) Say(f *media.Frame) bool { return false }

// Hear implements media.Port.
func (l *Leg) Hear(f *media.Frame) {}

// SendDigits is Sender.SendDigits.
func (l *Leg) SendDigits(digits string) error { return nil }

// Stats tells the figures of both directions.
func (l *Leg) Stats() Stats { return Stats{} }

// Snapshot tells where the leg stands.
func (l *Leg) Snapshot() Snapshot { return Snapshot{} }

// Close frees the ports and ends the leg's goroutines; it returns when they have ended.
func (l *Leg) Close() error { return nil }
