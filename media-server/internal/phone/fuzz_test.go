package phone

import (
	"encoding/json"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/config"
	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// deaf is a server transaction whose caller has hung up already: handlers return at once.
type deaf struct {
	done      chan struct{}
	responses []*sip.Response
}

func newDeaf() *deaf {
	d := &deaf{done: make(chan struct{})}
	close(d.done)
	return d
}

func (d *deaf) Terminate()                         {}
func (d *deaf) OnTerminate(sip.FnTxTerminate) bool { return true }
func (d *deaf) Done() <-chan struct{}              { return d.done }
func (d *deaf) Err() error                         { return nil }
func (d *deaf) Acks() <-chan *sip.Request          { return nil }
func (d *deaf) OnCancel(sip.FnTxCancel) bool       { return true }
func (d *deaf) Respond(res *sip.Response) error {
	_ = res.String()
	d.responses = append(d.responses, res)
	return nil
}

// fuzzed is a server that is not run, with one trunk and one answered call.
func fuzzed(f *testing.F) (*Server, *Call, *side) {
	cfg := config.New()
	cfg.SIPUDP, cfg.SIPTCP = "127.0.0.1:0", ""
	cfg.RTPFirst, cfg.RTPLast = 50000, 50999
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := New(cfg, Deps{
		Emit: func(protocol.Event) {}, Keep: forgetful{}, Attach: func(media.Port) {}, Detach: func(string) {}, Log: log,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.close)
	p := &peer{transport: "udp", addr: "127.0.0.1:5999", server: "127.0.0.1:5060"}
	doc := trunkTo(p, func(doc *protocol.Trunk) { doc.MaxPerSecond, doc.MaxCalls = 1000, 10_000 })
	if err := s.SetTrunks(protocol.Trunks{Rev: 1, Trunks: []protocol.Trunk{doc}}); err != nil {
		f.Fatal(err)
	}
	d := p.call("+33170000000")
	d.callID, d.from = "fuzzed", "<sip:+33612345678@127.0.0.1>;tag=theirs"
	msg, err := sip.ParseMessage([]byte(d.text("INVITE", 1, "")))
	if err != nil {
		f.Fatal(err)
	}
	c := s.newCall("running", s.trunk("carrier"))
	if err := c.open(); err != nil {
		f.Fatal(err)
	}
	invite := msg.(*sip.Request)
	invite.SetSource("127.0.0.1:5999")
	c.takeInvite(invite, "ours")
	c.rec.State, c.rec.Local.Body = answered, string(c.offer())
	s.add(c)
	d.to += ";tag=ours"
	return s, c, d
}

type forgetful struct{}

func (forgetful) Keep(string, string, any) error { return nil }
func (forgetful) Drop(string, string) error      { return nil }
func (forgetful) Each(string, func(string, json.RawMessage) error) error {
	return nil
}

func FuzzInvite(f *testing.F) {
	s, c, d := fuzzed(f)
	sdp := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"
	handlers := map[sip.RequestMethod]func(*sip.Request, sip.ServerTransaction){
		sip.INVITE: s.onInvite, sip.ACK: s.onAck, sip.CANCEL: s.onCancel, sip.OPTIONS: s.onOptions, sip.UPDATE: s.onUpdate,
		sip.PRACK: s.onPrack, sip.INFO: s.onInfo, sip.REFER: s.onRefer, sip.NOTIFY: s.onNotify,
	}
	f.Add([]byte(d.p.call("+33170000000").text("INVITE", 1, sdp, "Session-Expires: 90;refresher=uas", "Supported: timer, 100rel", "Allow: UPDATE")))
	f.Add([]byte(d.text("INVITE", 5, sdp, "Min-SE: 90")))
	f.Add([]byte(d.text("UPDATE", 6, sdp)))
	f.Add([]byte(d.text("PRACK", 7, "", "RAck: 1 1 INVITE")))
	f.Add([]byte(d.text("INFO", 8, "Signal=5\r\nDuration=100\r\n", "Content-Type: application/dtmf-relay")))
	f.Add([]byte(d.text("REFER", 9, "", "Refer-To: <tel:+331;a=b>")))
	f.Add([]byte(d.text("NOTIFY", 10, "SIP/2.0 200 OK\r\n", "Event: refer;id=1", "Subscription-State: terminated", "Content-Type: message/sipfrag")))
	f.Add([]byte(d.text("ACK", 5, sdp)))
	f.Add([]byte(d.text("OPTIONS", 11, "", `Authorization: Digest username="x", nonce="`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		msg, err := sip.ParseMessage(data)
		req, ok := msg.(*sip.Request)
		if err != nil || !ok {
			return
		}
		req.SetTransport("UDP")
		req.SetSource("127.0.0.1:5999")
		handler := handlers[req.Method]
		if handler == nil {
			handler = s.onOther
		}
		c.mu.Lock() // each input finds the call as it was
		c.rec.Dialog.RemoteSeq, c.rec.State = 1, answered
		c.mu.Unlock()
		tx := newDeaf()
		ended := make(chan struct{})
		go func() { // an accepted re-INVITE waits for its ACK
			for {
				select {
				case <-ended:
					return
				case <-time.After(time.Millisecond):
					for _, wait := range c.awaited() {
						wait.end(nil)
					}
				}
			}
		}()
		handler(req, tx)
		close(ended)
	})
}

func FuzzAnswer(f *testing.F) {
	s, _, _ := fuzzed(f)
	head := "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
	f.Add([]byte("SIP/2.0 183 Progress\r\n" + head + "Require: 100rel\r\nRSeq: 1\r\nContact: <sip:a@127.0.0.1>\r\nRecord-Route: <sip:1.2.3.4;lr>\r\n\r\n"))
	f.Add([]byte("SIP/2.0 302 Moved\r\n" + head + "Contact: <tel:+33188>, \"x\" <sip:+331@x>;q=1\r\n\r\n"))
	f.Add([]byte("SIP/2.0 401 No\r\n" + head + "WWW-Authenticate: Digest realm=\"a\", nonce=\"b\", qop=\"auth\", algorithm=SHA-256\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\n" + head + "Session-Expires: 90;refresher=uas\r\nContact: *\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		msg, err := sip.ParseMessage(data)
		res, ok := msg.(*sip.Response)
		if err != nil || !ok {
			return
		}
		res.SetSource("127.0.0.1:5999")
		c := s.newCall("dialled", s.trunk("carrier"))
		if err := c.open(); err != nil {
			t.Fatal(err)
		}
		defer c.release()
		c.dialled(protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 1000, EarlyMedia: true})
		invite, err := c.invite(c.offer(), nil)
		if err != nil {
			t.Fatal(err)
		}
		s.onStray(res)
		_ = authorize(invite.Clone(), res, "user", "secret")
		c.redirect(res)
		sessionTimer{}.agreed(res)
		s.granted(c.trunk, res, 60)
		if res.To() != nil {
			fork := c.fork(res)
			if req, err := s.build(&fork, sip.BYE, 9); err == nil {
				_ = req.String()
			}
			_, _ = c.take(res.Body())
		}
	})
}
