// Package stream carries frames over RTP: a Receiver and a Sender for any carrier of packets (a browser's
// tracks), and a Leg, which is both over UDP sockets of its own (a phone call).
package stream

import (
	"errors"
	"fmt"
)

// Format is how the audio of a stream is packed, as SDP agreed on it.
type Format struct {
	// Codec is the name in SDP (PCMA, PCMU, G722), PT the payload type agreed on for it.
	Codec string `json:"codec"`
	PT    uint8  `json:"pt"`
	// EventPT is the payload type of telephone-event (RFC 4733) with the codec's clock rate; 0: none.
	EventPT uint8 `json:"event_pt,omitempty"`
	// OwnEventPT is another number for it, the one we told the far side; 0: there is none. Events are sent with EventPT
	// and may come with either: by RFC 3264 with ours, but some far sides use their own.
	OwnEventPT uint8 `json:"own_event_pt,omitempty"`
	// PacketMillis is the length of the packets we send: 10, 20, 30 or 40; 0 is 20. Any length is received.
	PacketMillis int `json:"packet_ms,omitempty"`
}

// tells tells whether packets of this type are telephone events.
func (f Format) tells(payloadType uint8) bool {
	return payloadType != 0 && (payloadType == f.EventPT || payloadType == f.OwnEventPT)
}

// ErrBadFormat says that a format cannot be sent.
var ErrBadFormat = errors.New("bad format")

// packetMillis is the length of the packets we send.
func (f Format) packetMillis() (int, error) {
	switch f.PacketMillis {
	case 0:
		return 20, nil
	case 10, 20, 30, 40:
		return f.PacketMillis, nil
	}
	return 0, fmt.Errorf("send packets of %d ms: %w", f.PacketMillis, ErrBadFormat)
}

// Stats are the figures of one stream since its start.
type Stats struct {
	// Received counts all packets of the stream, Lost those that never came.
	Received uint64 `json:"received"`
	Lost     uint64 `json:"lost"`
	// Late came after their time, Duplicate came twice, Bad could not be read.
	Late      uint64 `json:"late"`
	Duplicate uint64 `json:"duplicate"`
	Bad       uint64 `json:"bad"`
	// Strangers are packets of a source that is not the call's.
	Strangers uint64 `json:"strangers"`
	// LossPercent is of the last five seconds, 0 to 100.
	LossPercent float64 `json:"loss_percent"`
	// JitterMillis is RFC 3550's estimate; DelayMillis how long packets wait here before they are played.
	JitterMillis float64 `json:"jitter_ms"`
	DelayMillis  float64 `json:"delay_ms"`
	// ConcealedMillis of audio were made up because packets were missing.
	ConcealedMillis int64 `json:"concealed_ms"`
	// Sent counts our packets; RoundTripMillis and RemoteLossPercent are what the far side's RTCP told, 0 before.
	Sent              uint64  `json:"sent"`
	RoundTripMillis   float64 `json:"round_trip_ms"`
	RemoteLossPercent float64 `json:"remote_loss_percent"`
}
