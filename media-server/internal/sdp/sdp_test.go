package sdp

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

const plain = "v=0\r\no=carrier 1 7 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n" +
	"m=audio 4000 RTP/AVP 0 8 9 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:30\r\n"

func own() Local {
	return Local{Host: "127.0.0.1", Port: 20000, SessionID: 1, Version: 1, Codecs: []string{"PCMA", "PCMU"}}
}

func mustParse(t *testing.T, text string) Session {
	t.Helper()
	session, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func TestAnswerTakesOurPreferredCodec(t *testing.T) {
	body, agreed, _, err := own().Answer(mustParse(t, plain))
	if err != nil {
		t.Fatal(err)
	}
	if agreed.Codec != "PCMA" || agreed.PT != 8 || agreed.Events != 101 || agreed.Ptime != 30 ||
		agreed.Remote.String() != "192.0.2.9:4000" || agreed.Held() {
		t.Errorf("agreed %+v", agreed)
	}
	answer := mustParse(t, string(body))
	if m := answer.Media[0]; m.Port != 20000 || len(m.Known) != 1 || m.Events != 101 || m.Dir != SendRecv {
		t.Errorf("answer %+v", m)
	}
}

func TestHoldIsAnsweredByReceivingOnly(t *testing.T) {
	cases := []struct {
		offer, answer Direction
		held          bool
	}{{SendRecv, SendRecv, false}, {SendOnly, RecvOnly, true}, {Inactive, Inactive, true}, {RecvOnly, SendOnly, false}}
	for _, c := range cases {
		body, agreed, _, err := own().Answer(mustParse(t, plain+"a="+string(c.offer)+"\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		if dir := mustParse(t, string(body)).Media[0].Dir; dir != c.answer || agreed.Held() != c.held {
			t.Errorf("%s answered %s, held %v", c.offer, dir, agreed.Held())
		}
	}
	old := strings.Replace(plain, "c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0", 1)
	body, agreed, _, err := own().Answer(mustParse(t, old))
	if err != nil || !agreed.Held() || mustParse(t, string(body)).Media[0].Dir != RecvOnly {
		t.Errorf("hold by address 0.0.0.0: %+v, %v", agreed, err)
	}
}

func TestOtherMediaAreRefusedLineByLine(t *testing.T) {
	offer := strings.Replace(plain, "m=audio 4000", "m=image 5000 udptl t38\r\nm=video 5002 RTP/AVP 96\r\nm=audio 4000", 1)
	body, _, _, err := own().Answer(mustParse(t, offer))
	if err != nil {
		t.Fatal(err)
	}
	answer := mustParse(t, string(body))
	if len(answer.Media) != 3 || answer.Media[0].Port != 0 || answer.Media[1].Port != 0 || answer.Media[2].Port != 20000 {
		t.Errorf("answer\n%s", body)
	}
}

func TestNoCommonCodecAndWrongProfile(t *testing.T) {
	gsm := strings.Replace(plain, "RTP/AVP 0 8 9 101", "RTP/AVP 3 18", 1)
	if _, _, _, err := own().Answer(mustParse(t, gsm)); !errors.Is(err, ErrNoCodec) {
		t.Errorf("gsm: %v", err)
	}
	secure := own()
	secure.Crypto = NewCrypto(1, Suites[0])
	if _, _, _, err := secure.Answer(mustParse(t, plain)); !errors.Is(err, ErrNoSRTP) {
		t.Errorf("plain offer to a secure trunk: %v", err)
	}
	if _, _, _, err := own().Answer(mustParse(t, string(secure.Offer()))); !errors.Is(err, ErrNoSRTP) {
		t.Errorf("secure offer to a plain trunk: %v", err)
	}
}

func TestKeysAreExchanged(t *testing.T) {
	caller, called := own(), own()
	caller.Crypto, called.Crypto = NewCrypto(7, Suites[1]), NewCrypto(1, Suites[0])
	body, agreed, key, err := called.Answer(mustParse(t, string(caller.Offer())))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(agreed.Crypto.Key, caller.Crypto.Key) || key.Suite != Suites[1] || key.Tag != 7 {
		t.Errorf("called side has %+v of %+v", agreed.Crypto, key)
	}
	back, err := caller.Accept(mustParse(t, string(body)))
	if err != nil || !bytes.Equal(back.Crypto.Key, called.Crypto.Key) {
		t.Errorf("calling side has %+v, %v", back.Crypto, err)
	}
	other := strings.Replace(string(body), "a=crypto:7", "a=crypto:8", 1)
	if _, err := caller.Accept(mustParse(t, other)); !errors.Is(err, ErrNoSRTP) {
		t.Errorf("a tag we never offered: %v", err)
	}
}

func TestAcceptTakesTheFirstCodecOfTheAnswer(t *testing.T) {
	agreed, err := own().Accept(mustParse(t, strings.Replace(plain, "RTP/AVP 0 8 9 101", "RTP/AVP 9 0 8 101", 1)))
	if err != nil || agreed.Codec != "PCMU" {
		t.Errorf("agreed %+v, %v (G722 was not offered)", agreed, err)
	}
	if _, err := own().Accept(mustParse(t, strings.Replace(plain, "audio 4000", "audio 0", 1))); !errors.Is(err, ErrNoCodec) {
		t.Errorf("refused stream: %v", err)
	}
}

// Each side numbers telephone events for what it receives (RFC 3264, 5.1).
func TestEventsMayHaveTwoNumbers(t *testing.T) {
	agreed, err := own().Accept(mustParse(t, strings.ReplaceAll(plain, "101", "96")))
	if err != nil || agreed.Events != 96 || agreed.OwnEvents != 101 {
		t.Errorf("agreed %+v, %v", agreed, err)
	}
	agreed, err = own().Accept(mustParse(t, strings.Replace(plain, " 101\r", "\r", 1)))
	if err != nil || agreed.Events != 0 || agreed.OwnEvents != 0 {
		t.Errorf("an answer without events: %+v, %v", agreed, err)
	}
	later := own()
	if _, agreed, _, err = later.Answer(mustParse(t, strings.ReplaceAll(plain, "101", "96"))); err != nil || agreed.OwnEvents != 96 {
		t.Errorf("agreed %+v, %v", agreed, err)
	}
	later.Events = agreed.OwnEvents
	if m := mustParse(t, string(later.Offer())).Media[0]; m.Events != 96 {
		t.Errorf("an offer in a call whose events are 96 says %d", m.Events)
	}
}

func TestWhoHoldsAnswersSo(t *testing.T) {
	for offer, answer := range map[Direction]Direction{SendRecv: SendOnly, RecvOnly: SendOnly, SendOnly: Inactive, Inactive: Inactive} {
		l := own()
		l.Dir = SendOnly
		body, _, _, err := l.Answer(mustParse(t, plain+"a="+string(offer)+"\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		if dir := mustParse(t, string(body)).Media[0].Dir; dir != answer {
			t.Errorf("%s answered %s", offer, dir)
		}
	}
}

func TestMalformedIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no version": "o=- 1 1 IN IP4 1.2.3.4\r\n", "no media": "v=0\r\ns=-\r\n",
		"host name": strings.Replace(plain, "c=IN IP4 192.0.2.9", "c=IN IP4 evil.example", 1),
		"port":      strings.Replace(plain, "audio 4000", "audio 70000", 1),
		"no line":   plain + "garbage\r\n", "long": plain + strings.Repeat("a=x\r\n", MaxBytes),
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	noAddr := mustParse(t, strings.Replace(plain, "c=IN IP4 192.0.2.9\r\n", "", 1))
	if _, _, _, err := own().Answer(noAddr); !errors.Is(err, ErrMalformed) {
		t.Errorf("no address: %v", err)
	}
}

// FuzzSDP: whatever is read can be answered or refused, and our answer can be read again.
func FuzzSDP(f *testing.F) {
	f.Add([]byte(plain))
	secure := own()
	secure.Crypto = NewCrypto(1, Suites[0])
	f.Add(secure.Offer())
	f.Add([]byte(strings.Replace(plain, "\r\n", "\n", -1) + "a=rtcp:4001 IN IP6 ::1\na=crypto:1 X inline:|:\nm=audio 1/2 RTP/AVP 8\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		session, err := Parse(body)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		for _, local := range []Local{own(), secure} {
			_, _ = local.Accept(session)
			answer, agreed, _, err := local.Answer(session)
			if err != nil {
				continue
			}
			again, err := Parse(answer)
			if err != nil {
				t.Fatalf("our answer cannot be read: %v\n%s", err, answer)
			}
			if len(again.Media) != len(session.Media) {
				t.Fatalf("%d lines answered by %d", len(session.Media), len(again.Media))
			}
			if !agreed.Remote.IsValid() || agreed.Codec == "" {
				t.Fatalf("agreed on nothing: %+v", agreed)
			}
		}
	})
}
