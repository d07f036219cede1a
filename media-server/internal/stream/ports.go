package stream

import "errors"

// ErrPortsExhausted says that no RTP port of the range is free.
var ErrPortsExhausted = errors.New("no RTP port is free")

// Ports gives out pairs of UDP ports: an even one for RTP, the next for RTCP.
type Ports struct{}

// NewPorts opens pairs on host from first to last (both inclusive).
func NewPorts(host string, first, last int) (*Ports, error) { return &Ports{}, nil }
