package phone

import (
	"encoding/base64"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/config"
	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// echo is a mixer of the test: each call hears what it says.
func (h *house) echo() {
	h.t.Helper()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(media.FrameMillis * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			h.mu.Lock()
			ports := make([]media.Port, 0, len(h.attached))
			for _, port := range h.attached {
				ports = append(ports, port)
			}
			h.mu.Unlock()
			for _, port := range ports {
				var f media.Frame
				if port.Say(&f) {
					port.Hear(&f)
				} else {
					port.Hear(nil)
				}
			}
		}
	}()
	h.t.Cleanup(func() { close(stop); <-ended })
}

// leg is our description of a call.
func (h *house) leg(id string) string {
	h.t.Helper()
	c, err := h.s.call(id)
	if err != nil {
		h.t.Fatal(err)
	}
	return c.body()
}

// talker is the peer's media: it sends one sound for ever and listens.
type talker struct {
	p        *peer
	to       *net.UDPAddr
	sequence uint16
	out, in  *srtp.Context
}

func (p *peer) talks(description string) *talker {
	p.t.Helper()
	for _, line := range strings.Split(description, "\r\n") {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "m=audio" {
			port, err := strconv.Atoi(fields[1])
			if err != nil {
				p.t.Fatal(err)
			}
			return &talker{p: p, to: &net.UDPAddr{IP: p.host, Port: port}}
		}
	}
	p.t.Fatalf("no audio in\n%s", description)
	return nil
}

func (k *talker) send(pt uint8, payload []byte, marker bool) {
	k.p.t.Helper()
	k.sequence++
	packet := &rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: pt, SequenceNumber: k.sequence,
		Timestamp: uint32(k.sequence) * 160, SSRC: 4711, Marker: marker}, Payload: payload}
	data, err := packet.Marshal()
	if err == nil && k.out != nil {
		data, err = k.out.EncryptRTP(nil, data, nil)
	}
	if err == nil {
		_, err = k.p.media.WriteTo(data, k.to)
	}
	if err != nil {
		k.p.t.Fatal(err)
	}
}

// hears talks until so many packets with sound have come back, and fails when they do not come.
func (k *talker) hears(packets int) {
	k.p.t.Helper()
	if n := k.talk(packets, patience); n < packets {
		k.p.t.Errorf("%d of %d packets with sound came", n, packets)
	}
}

// heard counts the packets with sound that come within a time.
func (k *talker) heard(within time.Duration) int {
	k.p.t.Helper()
	return k.talk(1<<30, within)
}

// talk speaks in a loud A-law tone and counts what comes back.
func (k *talker) talk(enough int, within time.Duration) int {
	k.p.t.Helper()
	loud := make([]byte, 160)
	for i := range loud {
		loud[i] = []byte{0x2a, 0xaa}[i/4%2] // about +-31,000 at 1 kHz
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	buf := make([]byte, 1500)
	count := 0
	for end := time.Now().Add(within); count < enough && time.Now().Before(end); <-tick.C {
		k.send(8, loud, false)
		for {
			_ = k.p.media.SetReadDeadline(time.Now().Add(time.Millisecond))
			n, _, err := k.p.media.ReadFrom(buf)
			if err != nil {
				break
			}
			data := buf[:n]
			if k.in != nil {
				if data, err = k.in.DecryptRTP(nil, data, nil); err != nil {
					k.p.t.Errorf("what came cannot be decrypted: %v", err)
					continue
				}
			}
			var packet rtp.Packet
			if err := packet.Unmarshal(data); err != nil || packet.PayloadType != 8 {
				continue
			}
			for _, sample := range packet.Payload {
				if sample&0x7f^0x55 > 0x60 { // loud
					count++
					break
				}
			}
		}
	}
	return count
}

func TestSoundBothWaysHoldAndAnotherAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.echo()
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	d, id := h.offered(p)
	h.do(h.s.Early(id))
	talk := p.talks(string(p.expect("183 INVITE").Body()))
	talk.hears(10)
	h.do(h.s.Answer(id))
	d.taken(p.expect("200 INVITE"))
	d.send("ACK", "")
	h.wait(protocol.Answered, id)
	d.send("INVITE", p.sdp(2, "a=sendonly"))
	p.expect("200 INVITE")
	d.send("ACK", "")
	h.wait(protocol.Held, id)
	talk.heard(100 * time.Millisecond)
	if n := talk.heard(300 * time.Millisecond); n != 0 {
		t.Errorf("%d packets on hold", n)
	}
	old := p.media
	fresh, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p.media = fresh
	t.Cleanup(func() { _ = old.Close() })
	d.send("INVITE", p.sdp(3))
	p.expect("200 INVITE")
	d.send("ACK", "")
	h.wait(protocol.Resumed, id)
	talk.hears(15)
	for range 4 { // RFC 4733: a 7, with its end three times
		talk.send(101, []byte{7, 10, 3, 0x20}, false)
	}
	for range 3 {
		talk.send(101, []byte{7, 0x8a, 6, 0x40}, false)
	}
	talk.heard(100 * time.Millisecond)
	if e := h.wait(protocol.Digit, id); e.Digit != "7" || e.Via != "rtp" {
		t.Errorf("digit %+v", e)
	}
	d.send("INFO", "Signal=7\r\n", "Content-Type: application/dtmf-relay") // the same key once more
	p.expect("200 INFO")
	h.none(protocol.Digit)
	talk.hears(1) // what the old port says now is a stranger's
	for range 3 {
		if _, err := old.WriteTo(append([]byte{0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9}, make([]byte, 160)...), talk.to); err != nil {
			t.Fatal(err)
		}
	}
	talk.hears(1)
	d.send("BYE", "")
	p.expect("200 BYE")
	if e := h.wait(protocol.Quality, id); e.Loss > 50 || e.Strangers != 3 {
		t.Errorf("quality %+v", e)
	}
	h.wait(protocol.Left, id)
}

// A far side without telephone events sends keys as sound; INFO is believed rather than that.
func TestKeysInTheSound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.echo()
	p := newPeer(t, "udp", h.s, nil)
	p.codecs = "8"
	h.put(trunkTo(p))
	d, id := h.incoming(p)
	talk := p.talks(h.leg(id))
	encoder, err := audio.New("PCMA")
	if err != nil {
		t.Fatal(err)
	}
	press := func() {
		tone, err := audio.NewTone("0/100,770+1336/120,0/200", false)
		if err != nil {
			t.Fatal(err)
		}
		tick := time.NewTicker(media.FrameMillis * time.Millisecond)
		defer tick.Stop()
		for f := (media.Frame{}); tone.Next(&f); <-tick.C {
			talk.send(8, encoder.Encode(nil, &f), false)
		}
	}
	press()
	if e := h.wait(protocol.Digit, id); e.Digit != "5" || e.Via != "inband" || e.Millis < 80 || e.Millis > 160 {
		t.Errorf("digit %+v", e)
	}
	d.send("INFO", "Signal=7\r\n", "Content-Type: application/dtmf-relay")
	p.expect("200 INFO")
	if e := h.wait(protocol.Digit, id); e.Digit != "7" || e.Via != "info" {
		t.Errorf("digit %+v", e)
	}
	press()
	h.none(protocol.Digit)
}

// The answer numbers events otherwise than our offer did, and sends them with our number, as it should.
func TestEventsOfTwoNumbers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.echo()
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	h.do(h.s.Dial("out", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	p.codecs = "8 96"
	p.reply(invite, 200, "a", strings.ReplaceAll(p.sdp(1), "rtpmap:101", "rtpmap:96"))
	p.expect("ACK")
	h.wait(protocol.Answered, "out")
	talk := p.talks(string(invite.Body()))
	talk.hears(5)
	for i, number := range []uint8{101, 96} {
		for range 3 {
			talk.send(number, []byte{byte(3 + i), 0x8a, 6, 0x40}, false)
		}
		talk.heard(100 * time.Millisecond)
		if e := h.wait(protocol.Digit, "out"); e.Digit != []string{"3", "4"}[i] || e.Via != "rtp" {
			t.Errorf("digit %+v", e)
		}
	}
	h.do(h.s.Hold("out", true))
	if body := string(p.expect("INVITE").Body()); !strings.Contains(body, "rtpmap:101 telephone-event") {
		t.Errorf("our number changes within the call:\n%s", body)
	}
}

func TestSoundGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.echo()
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	h.do(h.s.Dial("out", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000, EarlyMedia: true}))
	invite := p.expect("INVITE")
	p.reply(invite, 183, "a", p.sdp(1))
	h.wait(protocol.Early, "out")
	talk := p.talks(string(invite.Body()))
	talk.hears(10)
	p.reply(invite, 200, "a", p.sdp(1))
	p.expect("ACK")
	h.wait(protocol.Answered, "out")
	h.crash()
	began := time.Now()
	n, err := h.s.Restore()
	if err != nil || n != 1 {
		t.Fatalf("%d calls go on: %v", n, err)
	}
	h.run()
	t.Logf("restored after %v", time.Since(began))
	talk.hears(15)
}

func TestSecureSound(t *testing.T) {
	t.Parallel()
	h, certs := secureHouse(t)
	h.echo()
	p := newPeer(t, "tls", h.s, certs)
	p.crypto = "1 AES_CM_128_HMAC_SHA1_80 inline:" + key1
	h.put(trunkTo(p, func(doc *protocol.Trunk) { doc.SRTP = "required" }))
	d, id := h.offered(p)
	h.do(h.s.Answer(id))
	ok := p.expect("200 INVITE")
	d.taken(ok)
	d.send("ACK", "")
	h.wait(protocol.Answered, id)
	talk := p.talks(string(ok.Body()))
	_, theirs, _ := strings.Cut(string(ok.Body()), "inline:")
	theirs, _, _ = strings.Cut(theirs, "\r\n")
	talk.out, talk.in = cryptoContext(t, key1), cryptoContext(t, theirs)
	talk.hears(10)
	d.send("INVITE", p.sdp(1)) // a refresh: the keys stay
	p.expect("200 INVITE")
	d.send("ACK", "")
	talk.hears(10)
}

func cryptoContext(t *testing.T, inline string) *srtp.Context {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(inline)
	if err != nil {
		t.Fatal(err)
	}
	context, err := srtp.CreateContext(key[:16], key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80)
	if err != nil {
		t.Fatal(err)
	}
	return context
}

func TestPortsRunOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(cfg *config.Config) { cfg.RTPFirst, cfg.RTPLast = 39990, 39991 })
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	d, id := h.incoming(p)
	second := p.call("+33170000000")
	second.send("INVITE", p.sdp(1))
	second.refused(p.expect("503 INVITE"))
	if e := h.wait(protocol.PortsExhausted, ""); e.Trunk != "carrier" {
		t.Errorf("exhausted %+v", e)
	}
	dial := protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}
	refusal(t, h.s.Dial("out", dial), "ports_exhausted", "")
	d.send("BYE", "")
	p.expect("200 BYE")
	h.wait(protocol.Left, id)
	h.do(h.s.Dial("out", dial))
	p.reply(p.expect("INVITE"), 486, "x", "")
	h.wait(protocol.Left, "out")
}
