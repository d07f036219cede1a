package phone

import (
	"strings"
	"testing"

	"guichet/mediaserver/internal/config"
	"guichet/mediaserver/internal/protocol"
)

func secureHouse(t *testing.T) (*house, *certificates) {
	t.Helper()
	certs := newCertificates(t)
	h := newHouse(t, func(cfg *config.Config) {
		cfg.SIPTLS, cfg.TLSCert, cfg.TLSKey, cfg.TLSRoots = "127.0.0.1:0", certs.certPEM, certs.keyPEM, certs.certPEM
	})
	return h, certs
}

const key1 = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"

func TestSecureCalls(t *testing.T) {
	t.Parallel()
	h, certs := secureHouse(t)
	p := newPeer(t, "tls", h.s, certs)
	p.crypto = "3 AES_CM_128_HMAC_SHA1_32 inline:" + key1
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.SRTP = "required" }))

	d, id := h.offered(p)
	h.do(h.s.Answer(id))
	ok := p.expect("200 INVITE")
	if body := string(ok.Body()); !strings.Contains(body, "RTP/SAVP") || !strings.Contains(body, "a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:") {
		t.Errorf("answer\n%s", body)
	}
	d.taken(ok)
	d.send("ACK", "")
	h.wait(protocol.Answered, id)
	h.do(h.s.HangUp(id, protocol.Ending{}))
	bye := p.expect("BYE") // over the connection that is there
	if bye.conn != ok.conn {
		t.Error("BYE came over another connection")
	}
	p.reply(bye, 200, "", "")

	h.do(h.s.Dial("out", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	offer := string(invite.Body())
	if !strings.Contains(offer, "RTP/SAVP") || !strings.Contains(offer, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:") {
		t.Errorf("offer\n%s", offer)
	}
	p.crypto = "1 AES_CM_128_HMAC_SHA1_80 inline:" + key1
	p.reply(invite, 200, "a", p.sdp(1))
	p.expect("ACK")
	h.wait(protocol.Answered, "out")

	h.do(h.s.Dial("plain", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite = p.expect("INVITE")
	p.crypto = ""
	p.reply(invite, 200, "a", p.sdp(1)) // an answer in the clear
	p.expect("ACK")
	p.reply(p.expect("BYE"), 200, "", "")
	if e := h.wait(protocol.Left, "plain"); e.Cause != "no_codec" || e.Who != "us" {
		t.Errorf("left %+v", e)
	}
	d = p.call("+33170000000")
	d.send("INVITE", p.sdp(1))
	d.refused(p.expect("488 INVITE"))
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newPeer(t, "tcp", h.s, nil)
	h.put(trunkTo(p))
	h.outgoing(p, "one")
	h.do(h.s.HangUp("one", protocol.Ending{}))
	first := p.expect("BYE")
	p.reply(first, 200, "", "")
	h.wait(protocol.Left, "one")
	h.outgoing(p, "two")
	p.hangUpConnections()
	h.do(h.s.HangUp("two", protocol.Ending{}))
	second := p.expect("BYE") // the connection is gone: a new one
	if second.conn == first.conn {
		t.Error("the closed connection speaks")
	}
	p.reply(second, 200, "", "")
	h.wait(protocol.Left, "two")
	p.hangUpConnections()
	h.outgoing(p, "three")
}

func TestStrangersConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	h, certs := secureHouse(t)
	for _, transport := range []string{"tcp", "tls"} {
		p := newPeer(t, transport, h.s, certs)
		conn := p.connect()
		if _, err := conn.Write([]byte("INVITE sip:x@y SIP/2.0\r\n\r\n")); err == nil {
			for err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
		}
		if e := h.wait(protocol.Refused, ""); e.Cause != "unknown_source" {
			t.Errorf("%s: refused %+v", transport, e)
		}
	}
	udp := newPeer(t, "udp", h.s, nil)
	tls := newPeer(t, "tls", h.s, certs)
	h.put(trunkTo(tls, func(doc *protocol.Trunk) { doc.SRTP = "required" }))
	udp.call("1").send("INVITE", udp.sdp(1)) // the right address, but not over TLS
	if e := h.wait(protocol.Refused, ""); e.Cause != "unknown_source" {
		t.Errorf("refused %+v", e)
	}
	h.none(protocol.Offered)
}
