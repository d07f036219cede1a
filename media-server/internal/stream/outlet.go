package stream

import (
	"net"
	"net/netip"
	"sync"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// outlet is the way of a leg's RTP packets to the network.
type outlet struct {
	conn *net.UDPConn

	mu      sync.Mutex
	to      netip.AddrPort
	context *srtp.Context // nil: not encrypted
	header  rtp.Header
	plain   [maxRTPPacket]byte
	cipher  [maxRTPPacket]byte
}

// WriteRTP sends one packet, encrypted where that was agreed on.
func (o *outlet) WriteRTP(packet *rtp.Packet) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.to.IsValid() {
		return nil // nobody has told yet where to
	}
	n, err := packet.MarshalTo(o.plain[:])
	if err != nil {
		return err
	}
	wire := o.plain[:n]
	if o.context != nil {
		if wire, err = o.context.EncryptRTP(o.cipher[:0], wire, &o.header); err != nil {
			return err
		}
	}
	_, err = o.conn.WriteToUDPAddrPort(wire, o.to)
	return err
}

// direct changes where packets go.
func (o *outlet) direct(to netip.AddrPort) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to = to
}

// encrypt changes the key; count is the roll-over count of the stream's packets with it.
func (o *outlet) encrypt(context *srtp.Context, ssrc, count uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if context != nil {
		context.SetROC(ssrc, count)
	}
	o.context = context
}
