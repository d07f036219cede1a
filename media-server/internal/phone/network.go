package phone

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/config"
)

// The SIP stack keeps two settings for the whole process. It would log what it cannot parse, numbers
// included; and it would refuse to send what fits in no Ethernet frame, which IP can cut in two.
func init() {
	sip.SetDefaultLogger(slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1})))
	sip.UDPMTUSize = 16 << 10
}

// network is one bound SIP port.
type network struct {
	local   sip.Addr // where it is bound
	port    int
	packets net.PacketConn // of UDP
	serve   func(*sipgo.Server) error
	close   func() error
}

func (s *Server) bind(serve *tls.Config) error {
	var open atomic.Int64
	if s.cfg.SIPUDP != "" {
		addr, err := net.ResolveUDPAddr("udp", s.cfg.SIPUDP)
		if err != nil {
			return fmt.Errorf("read sip_udp: %w", err)
		}
		conn, err := net.ListenUDP("udp", addr)
		if err != nil {
			return fmt.Errorf("bind sip_udp: %w", err)
		}
		_ = conn.SetReadBuffer(4 << 20) // what a flood of strangers fills up, friends lose; the kernel may grant less
		filtered := &packets{UDPConn: conn, allowed: &s.sources, refusals: &s.refusals}
		s.networks["udp"] = newNetwork(conn.LocalAddr(), conn.Close,
			func(server *sipgo.Server) error { return server.ServeUDP(filtered) })
		s.networks["udp"].packets = filtered
	}
	for _, each := range []struct{ name, addr string }{{"tcp", s.cfg.SIPTCP}, {"tls", s.cfg.SIPTLS}} {
		if each.addr == "" {
			continue
		}
		listener, err := net.Listen("tcp", each.addr)
		if err != nil {
			return fmt.Errorf("bind sip_%s: %w", each.name, err)
		}
		filtered := net.Listener(&streams{Listener: listener, transport: each.name, allowed: &s.sources, refusals: &s.refusals, open: &open})
		run := func(server *sipgo.Server) error { return server.ServeTCP(filtered) }
		if each.name == "tls" {
			if serve == nil {
				_ = listener.Close()
				return fmt.Errorf("bind sip_tls: it needs tls_cert and tls_key")
			}
			run = func(server *sipgo.Server) error { return server.ServeTLS(tls.NewListener(filtered, serve)) }
		}
		s.networks[each.name] = newNetwork(listener.Addr(), listener.Close, run)
	}
	return nil
}

func newNetwork(addr net.Addr, closer func() error, serve func(*sipgo.Server) error) *network {
	local, _ := netip.ParseAddrPort(addr.String()) // a bound socket has an address
	return &network{
		local: sip.Addr{IP: local.Addr().AsSlice(), Port: int(local.Port())},
		port:  int(local.Port()), serve: serve, close: closer,
	}
}

func (s *Server) unbind() {
	for _, n := range s.networks {
		_ = n.close()
	}
}

// known tells the stack of our UDP port before the port is served, so that the first request leaves from it.
func (s *Server) known() {
	if n := s.networks["udp"]; n != nil {
		addr := n.local.String()
		s.ua.TransportLayer().Pool("udp").Add(addr, &sip.UDPConnection{PacketConn: n.packets, PacketAddr: addr, Listener: true})
	}
}

// Port is the SIP port that is bound for a transport (udp, tcp, tls); 0: none.
func (s *Server) Port(transport string) int {
	if n := s.networks[transport]; n != nil {
		return n.port
	}
	return 0
}

func tlsConfigs(cfg config.Config) (serve, dial *tls.Config, err error) {
	dial = &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TLSRoots != "" {
		pem, err := os.ReadFile(cfg.TLSRoots)
		if err != nil {
			return nil, nil, fmt.Errorf("read tls_roots: %w", err)
		}
		dial.RootCAs = x509.NewCertPool()
		if !dial.RootCAs.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("read tls_roots: no certificate in it")
		}
	}
	if cfg.TLSCert == "" {
		return nil, dial, nil
	}
	pair, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		return nil, nil, fmt.Errorf("read tls_cert and tls_key: %w", err)
	}
	dial.Certificates = []tls.Certificate{pair} // carriers with mutual TLS ask for it
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, dial, nil
}
