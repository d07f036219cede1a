package phone

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// These are crashes in between: what was saved was not said yet, or what was heard not done.

// slowKeeper tells of a call that is saved as answered, and waits before it says that it is.
type slowKeeper struct {
	media.Keeper
	saving chan struct{}
	saved  chan struct{}
	once   sync.Once
}

func (k *slowKeeper) Keep(kind, id string, doc any) error {
	err := k.Keeper.Keep(kind, id, doc)
	if rec, ok := doc.(record); ok && rec.State == answered {
		k.once.Do(func() {
			close(k.saving)
			<-k.saved
		})
	}
	return err
}

// newSlowHouse is a house with a trunk over UDP, which stops when the first call is saved as answered.
func newSlowHouse(t *testing.T) (*house, *peer, *slowKeeper) {
	t.Helper()
	h := newHouse(t)
	h.close()
	h.build()
	slow := &slowKeeper{Keeper: h.keeper, saving: make(chan struct{}), saved: make(chan struct{})}
	h.s.deps.Keep = slow
	h.run()
	p := newPeer(t, "udp", h.s, nil)
	h.put(trunkTo(p))
	return h, p, slow
}

// came tells whether a message of this kind comes within the pause. Unlike never it fails nothing: who waits for us can
// be let go first.
func (p *peer) came(wanted string, pause time.Duration) bool {
	found := false
	for end := time.After(pause); ; {
		select {
		case msg := <-p.inbox:
			found = found || kind(msg.Message) == wanted
		case <-end:
			return found
		}
	}
}

// start runs the next process.
func (h *house) start(calls int) {
	h.t.Helper()
	if n, err := h.s.Restore(); n != calls || err != nil {
		h.t.Fatalf("%d calls go on, not %d: %v", n, calls, err)
	}
	h.run()
}

// edit changes what is saved of the only call.
func (h *house) edit(change func(*record)) {
	h.t.Helper()
	var rec record
	h.do(h.keeper.Each("call", func(_ string, doc json.RawMessage) error { return json.Unmarshal(doc, &rec) }))
	change(&rec)
	h.do(h.keeper.Keep("call", rec.ID, rec))
}

// TestAnAnswerIsSavedBeforeItIsSaid: a crash in between would end a call that the caller believes in.
func TestAnAnswerIsSavedBeforeItIsSaid(t *testing.T) {
	t.Parallel()
	h, p, slow := newSlowHouse(t)
	d, id := h.offered(p)
	h.do(h.s.Answer(id))
	<-slow.saving
	early := p.came("200 INVITE", 50*time.Millisecond)
	close(slow.saved)
	if early {
		t.Fatal("the 200 was out before the call was saved as answered")
	}
	d.taken(p.expect("200 INVITE"))
	d.send("ACK", "")
	h.wait(protocol.Answered, id)
}

// TestAnAnswerThatNeverWentOutIsSaid: the caller heard that it rings, repeats nothing, and waits.
func TestAnAnswerThatNeverWentOutIsSaid(t *testing.T) {
	t.Parallel()
	for name, lateOffer := range map[string]bool{"early offer": false, "late offer": true} {
		t.Run(name, func(t *testing.T) {
			h, p, slow := newSlowHouse(t)
			offer, answer := p.sdp(1), ""
			if lateOffer {
				offer, answer = answer, offer
			}
			d := p.call("+33170000000")
			d.send("INVITE", offer)
			id := h.wait(protocol.Offered, "").Endpoint
			h.do(h.s.Answer(id))
			<-slow.saving
			saved := h.saved()
			close(slow.saved)
			first := p.expect("200 INVITE")
			h.crashWith(saved)
			p.forget()
			h.start(1)
			ok := p.again("200 INVITE")
			if ok.To().Value() != first.To().Value() || string(ok.Body()) != string(first.Body()) ||
				header(ok, "Contact") != header(first, "Contact") || branch(ok) != branch(first) {
				t.Errorf("another 200:\n%s", ok)
			}
			p.again("200 INVITE") // as long as no ACK comes
			d.taken(ok)
			d.send("ACK", answer)
			h.acknowledged(id)
			p.forget()
			if p.came("200 INVITE", 300*time.Millisecond) {
				t.Error("the 200 is said after its ACK")
			}
			h.none(protocol.Left)
			if state := h.s.Endpoints()[0]; state.State != answered || state.Codec != "PCMA" {
				t.Errorf("state %+v", state)
			}
			h.restart()
			if p.came("200 INVITE", 100*time.Millisecond) {
				t.Error("the 200 is said again though its ACK was there")
			}
			d.send("BYE", "")
			p.expect("200 BYE")
			h.wait(protocol.Left, id)
		})
	}
}

// TestAnAnswerThatNobodyTakesEnds: the caller is gone since.
func TestAnAnswerThatNobodyTakesEnds(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	_, id := h.offered(p)
	h.do(h.s.Answer(id))
	p.expect("200 INVITE")
	h.crash()
	h.start(1)
	if e := h.wait(protocol.Left, id); e.Who != "network" || e.Cause != "no_ack" {
		t.Errorf("left %+v", e)
	}
	p.reply(p.expect("BYE"), 481, "", "")
}

// TestAnAnswerIsTakenBeforeWeHangUp: a caller who heard neither the 200 nor the BYE would ring for ever.
func TestAnAnswerIsTakenBeforeWeHangUp(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	d, id := h.offered(p)
	h.do(h.s.Answer(id))
	p.expect("200 INVITE")
	h.do(h.s.HangUp(id, protocol.Ending{}))
	h.crash()
	p.forget()
	h.start(0)
	d.taken(p.again("200 INVITE"))
	d.send("ACK", "")
	p.reply(p.expect("BYE"), 200, "", "")
	if e := h.wait(protocol.Left, id); e.Who != "us" || e.Cause != "hangup" {
		t.Errorf("left %+v", e)
	}
}

// TestAByeThatIsUnderWayOutlivesAPlannedRestart: else the far side would stay in a call with nobody.
func TestAByeThatIsUnderWayOutlivesAPlannedRestart(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	_, in := h.incoming(p)
	h.outgoing(p, "out")
	seen := map[string]bool{}
	for _, id := range []string{in, "out"} {
		h.do(h.s.HangUp(id, protocol.Ending{}))
		seen[p.expect("BYE").CallID().Value()] = true
	}
	h.crashWith(h.state) // it ends as it should, and saves what it wants
	p.forget()
	h.start(0)
	for range 2 {
		bye := p.expect("BYE")
		if id := bye.CallID().Value(); !seen[id] {
			t.Errorf("BYE of %s", id)
		} else {
			delete(seen, id)
		}
		p.reply(bye, 200, "", "")
	}
	h.until(func() bool {
		saved := 0
		err := h.keeper.Each("call", func(string, json.RawMessage) error { saved++; return nil })
		return err == nil && saved == 0 // an error: one goes away at this moment
	})
	h.restart()
	if p.came("BYE", 100*time.Millisecond) {
		t.Error("BYE came though it was answered")
	}
}

// TestACallerOverTCPIsAskedWhetherTheCallStands: the connection is gone, and with it the way for our 200.
func TestACallerOverTCPIsAskedWhetherTheCallStands(t *testing.T) {
	t.Parallel()
	for _, code := range []int{200, 481} {
		h := newHouse(t)
		p := newPeer(t, "tcp", h.s, nil)
		h.put(trunkTo(p))
		d, id := h.offered(p)
		h.do(h.s.Answer(id))
		d.taken(p.expect("200 INVITE"))
		h.crash()
		h.start(1)
		again := p.expect("INVITE")
		if code == 481 {
			p.reply(again, 481, "", "")
			if e := h.wait(protocol.Left, id); e.Who != "network" || e.Cause != "no_ack" || e.Code != 481 {
				t.Errorf("left %+v", e)
			}
			continue
		}
		p.reply(again, 200, "", p.sdp(1))
		p.expect("ACK")
		h.acknowledged(id)
		d.conn = again.conn
		d.send("BYE", "")
		p.expect("200 BYE")
		if e := h.wait(protocol.Left, id); e.Cause != "hangup" {
			t.Errorf("left %+v", e)
		}
	}
}

// TestWhatWasTakenButNotDoneIsDoneWhenItIsRepeated: a BYE that was answered by an error would leave a call behind.
func TestWhatWasTakenButNotDoneIsDoneWhenItIsRepeated(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	d, id := h.incoming(p)
	h.crash()
	h.edit(func(rec *record) { rec.Dialog.RemoteSeq = uint32(d.seq + 1) })
	h.start(1)
	d.send("BYE", "")
	p.expect("200 BYE")
	if e := h.wait(protocol.Left, id); e.Who != "them" || e.Cause != "hangup" {
		t.Errorf("left %+v", e)
	}

	d, id = h.incoming(p)
	h.crash()
	h.edit(func(rec *record) { rec.Dialog.RemoteSeq = uint32(d.seq + 1) })
	h.start(1)
	d.send("INVITE", p.sdp(2, "a=sendonly"))
	p.expect("200 INVITE")
	d.send("ACK", "")
	h.wait(protocol.Held, id)
	d.seq-- // once only
	d.send("UPDATE", "")
	p.expect("500 UPDATE")
}

// TestTheirAnswerIsSavedBeforeItIsAcknowledged: a call whose ACK they have is none that a restart may lose.
func TestTheirAnswerIsSavedBeforeItIsAcknowledged(t *testing.T) {
	t.Parallel()
	h, p, slow := newSlowHouse(t)
	h.do(h.s.Dial("out", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	invite := p.expect("INVITE")
	p.reply(invite, 200, "a", p.sdp(1))
	<-slow.saving
	early, saved := p.came("ACK", 50*time.Millisecond), h.saved()
	close(slow.saved)
	if early {
		t.Fatal("the ACK was out before the call was saved as answered")
	}
	p.expect("ACK")
	h.wait(protocol.Answered, "out")
	h.crashWith(saved)
	p.forget()
	h.start(1)
	p.reply(invite, 200, "a", p.sdp(1))
	if ack := p.expect("ACK"); !strings.Contains(ack.To().Value(), "tag=a") {
		t.Errorf("ACK:\n%s", ack)
	}
	h.none(protocol.Left)
	if state := h.s.Endpoints()[0]; state.State != answered || state.Codec != "PCMA" {
		t.Errorf("state %+v", state)
	}
	d := p.called(invite, "a")
	d.send("BYE", "")
	p.expect("200 BYE")
	h.wait(protocol.Left, "out")
}

// TestACallThatWasNeverSentHasNothingToEnd: a BYE without dialog is noise at the carrier.
func TestACallThatWasNeverSentHasNothingToEnd(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	h.do(h.s.Dial("out", protocol.Dial{Trunk: "carrier", Number: "+33612345678", TimeoutMillis: 5000}))
	p.expect("INVITE")
	h.crash()
	h.edit(func(rec *record) { rec.Invite = "" }) // as Dial saved it
	p.forget()
	h.start(0)
	if e := h.wait(protocol.Left, "out"); e.Cause != "restart" {
		t.Errorf("left %+v", e)
	}
	if p.came("BYE", 300*time.Millisecond) {
		t.Error("BYE came")
	}
	h.quiet(p, 0)
}

// TestAnInviteThatIsRepeatedAfterTheCrashIsRefused as the call is that it began, and not as a loop.
func TestAnInviteThatIsRepeatedAfterTheCrashIsRefused(t *testing.T) {
	t.Parallel()
	h, p := newTrunkHouse(t)
	d := p.call("+33170000000")
	d.send("INVITE", p.sdp(1))
	h.wait(protocol.Offered, "")
	h.crash()
	h.start(0)
	d.seq--
	d.send("INVITE", p.sdp(1))
	if res := p.expect("503 INVITE", "482 INVITE"); kind(res.Message) != "503 INVITE" {
		t.Errorf("%s", kind(res.Message))
	}
	p.never("482 INVITE", 100*time.Millisecond)
}
