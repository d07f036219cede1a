package stream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// ErrPortsExhausted says that no RTP port of the range is free.
var ErrPortsExhausted = errors.New("no RTP port is free")

// Ports gives out pairs of UDP ports: an even one for RTP, the next for RTCP.
type Ports struct {
	host        netip.Addr
	first, last int

	mu   sync.Mutex
	next int
}

// NewPorts opens pairs on host from first to last (both inclusive).
func NewPorts(host string, first, last int) (*Ports, error) {
	address, err := netip.ParseAddr(host)
	if err != nil {
		return nil, fmt.Errorf("read the RTP host: %w", err)
	}
	first += first % 2
	if first < 1024 || last > 65535 || last <= first {
		return nil, fmt.Errorf("use RTP ports %d to %d: the range holds no pair from 1024 to 65535", first, last)
	}
	return &Ports{host: address, first: first, last: last, next: first}, nil
}

// open binds the next pair that is free. Ports are given out in turn, so that one is not used again at once and
// late packets of the call before do not meet another call.
func (p *Ports) open() (rtp, rtcp *net.UDPConn, port int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range (p.last - p.first + 1) / 2 {
		port = p.next
		if p.next += 2; p.next >= p.last {
			p.next = p.first
		}
		if rtp, rtcp, err = p.bind(port); err == nil {
			return rtp, rtcp, port, nil
		}
	}
	return nil, nil, 0, ErrPortsExhausted
}

// bind binds one pair.
func (p *Ports) bind(port int) (rtp, rtcp *net.UDPConn, err error) {
	if port < 1024 || port > 65534 {
		return nil, nil, fmt.Errorf("bind RTP port %d: it is none", port)
	}
	if rtp, err = p.listen(port); err != nil {
		return nil, nil, err
	}
	if rtcp, err = p.listen(port + 1); err != nil {
		_ = rtp.Close()
		return nil, nil, err
	}
	return rtp, rtcp, nil
}

func (p *Ports) listen(port int) (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.host, uint16(port))))
	if err != nil {
		return nil, fmt.Errorf("bind RTP port %d: %w", port, err)
	}
	return conn, nil
}
