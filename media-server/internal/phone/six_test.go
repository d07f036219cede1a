package phone

import (
	"net"
	"strings"
	"testing"

	"guichet/mediaserver/internal/config"
	"guichet/mediaserver/internal/protocol"
)

// TestCallsOverIPv6 in both directions, with audio both ways, over a crash; and of IPv4 on sockets for both.
func TestCallsOverIPv6(t *testing.T) {
	t.Parallel()
	six, four := net.IPv6loopback, net.IPv4(127, 0, 0, 1)
	for _, c := range []struct {
		name, transport, bound, public string
		peer                           net.IP
	}{
		{"udp", "udp", "::1", "::1", six},
		{"tcp", "tcp", "::1", "::1", six},
		{"both, udp from IPv6", "udp", "::", "::1", six},
		{"both, udp from IPv4", "udp", "::", "127.0.0.1", four},
		{"both, tcp from IPv4", "tcp", "::", "127.0.0.1", four},
	} {
		t.Run(c.name, func(t *testing.T) {
			if conn, err := net.ListenPacket("udp", "[::1]:0"); err != nil {
				t.Skip("this host has no IPv6")
			} else {
				_ = conn.Close()
			}
			h := newHouse(t, func(cfg *config.Config) {
				_, port, _ := net.SplitHostPort(cfg.SIPUDP)
				cfg.SIPUDP, cfg.SIPTCP = net.JoinHostPort(c.bound, port), net.JoinHostPort(c.bound, port)
				cfg.RTPHost, cfg.PublicHost = c.bound, c.public
			})
			h.echo()
			p := newPeerAt(t, c.peer, c.transport, h.s, nil)
			h.put(trunkTo(p))
			in, inID := h.incoming(p)
			shown, host := h.leg(inID), "IP4 127.0.0.1"
			if c.peer.To4() == nil {
				host = "IP6 ::1"
			}
			if !strings.Contains(shown, "\r\nc=IN "+host+"\r\n") {
				t.Errorf("our SDP:\n%s", shown)
			}
			p.talks(shown).hears(5)
			in.send("BYE", "")
			p.expect("200 BYE")
			h.wait(protocol.Left, inID)

			h.do(h.s.Dial("out", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
			invite := p.expect("INVITE")
			if via := header(invite, "Via"); !strings.Contains(via, " "+hostPart(c.public)+":") {
				t.Errorf("Via %s", via)
			}
			if contact := header(invite, "Contact"); !strings.Contains(contact, "sip:"+hostPart(c.public)+":") {
				t.Errorf("Contact %s", contact)
			}
			p.reply(invite, 180, "a", "")
			h.wait(protocol.Ringing, "out")
			p.reply(invite, 200, "a", p.sdp(1))
			p.expect("ACK")
			h.wait(protocol.Answered, "out")
			p.talks(h.leg("out")).hears(5)
			h.crash()
			h.start(1)
			p.talks(h.leg("out")).hears(5)
			h.do(h.s.HangUp("out", protocol.Ending{}))
			p.reply(p.expect("BYE"), 200, "", "")
			h.wait(protocol.Left, "out")

			h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.Register, doc.Username = true, "account" }))
			register := p.expect("REGISTER")
			if to := register.To().Value(); to != "<sip:account@"+hostPart(c.peer.String())+">" {
				t.Errorf("REGISTER of %s", to)
			}
			p.reply(register, 200, "x", "", "Contact: "+header(register, "Contact")+";expires=300")
			h.wait(protocol.TrunkUp, "")
		})
	}
}
