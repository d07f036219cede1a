package protocol_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"guichet/mediaserver/internal/protocol"
)

const goodRoom = `{"rooms":[{"id":"c1","rev":3,"endpoints":["in-a","web-b"],
 "hears":{"in-a":["web-b","music"],"web-b":["in-a"]},
 "sources":{"music":{"files":["music/a.wav"],"announcement":"wait.wav","every_ms":20000,"gain_db":-6}},
 "recording":{"id":"r1","left":["in-a"],"right":["web-b"],"beep_every_ms":15000},
 "video":[{"from":"web-b","kind":"screen","to":"in-a","max_kbps":800}]}]}`

const goodTrunks = `{"rev":1,"trunks":[{"id":"t1","peer":"[::1]:5060","transport":"tls","allow":["192.0.2.0/24"],
 "username":"u","password":"p","register":true,"register_s":300,"in_username":"a","in_password":"b",
 "codecs":["G722","PCMA"],"srtp":"required","session_s":1800,"options_s":30,"max_calls":10,"max_per_s":2.5,
 "countries":["+33","+352"],"spend_per_day":50,"price_per_min":{"+33":0.01}}]}`

func refusal(t *testing.T, err error) *protocol.Refusal {
	t.Helper()
	var refused *protocol.Refusal
	if err != nil && !errors.As(err, &refused) {
		t.Fatalf("not a refusal: %v", err)
	}
	return refused
}

type checked interface{ Check() error }

func check(data string, doc checked) error {
	if err := protocol.Decode([]byte(data), doc); err != nil {
		return err
	}
	return doc.Check()
}

func TestGoodDocumentsPass(t *testing.T) {
	for data, doc := range map[string]checked{
		goodRoom: new(protocol.Rooms), goodTrunks: new(protocol.Trunks),
		`{"rooms":[{"id":"c1","rev":9,"closed":true}]}`:                            new(protocol.Rooms),
		`{"play":"p1","heard_by":["in-a"],"file":"a.wav"}`:                         new(protocol.Play),
		`{"trunk":"t1","number":"+33123","caller_id":"+33456","timeout_ms":30000}`: new(protocol.Dial),
		`{"act":"a1","digits":"12*#A","via":"info"}`:                               new(protocol.Digits),
		`{"act":"a1","number":"+33123"}`:                                           new(protocol.Refer),
		`{"code":486,"cause":"busy"}`:                                              new(protocol.Ending),
		`{}`:                                                                       new(protocol.Ending),
		`{"sdp":"v=0"}`:                                                            new(protocol.Offer),
		`{"rooms":[{"id":"c","rev":1,"sources":{"t":{"tone":"440+480/2000,0/4000"}}}]}`: new(protocol.Rooms),
	} {
		if err := check(data, doc); err != nil {
			t.Errorf("%T %s: %v", doc, data, err)
		}
	}
}

func TestBadDocumentsNameFieldAndRemedy(t *testing.T) {
	rooms := func(with string) string { return `{"rooms":[{"id":"c1","rev":1` + with + `}]}` }
	trunk := func(with string) string {
		return `{"rev":1,"trunks":[{"id":"t","peer":"a:5060","transport":"udp","codecs":["PCMA"]` + with + `}]}`
	}
	many := func(n int, format string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = fmt.Sprintf(format, i)
		}
		return strings.Join(parts, ",")
	}
	for _, c := range []struct {
		data, field string
		doc         checked
	}{
		{`{"rooms":[{"id":"../x","rev":1}]}`, "rooms[0].id", new(protocol.Rooms)},
		{`{"rooms":[{"id":"c","rev":0}]}`, "rooms[0].rev", new(protocol.Rooms)},
		{`{"rooms":[{"id":"c","rev":-1}]}`, "rooms.rev", new(protocol.Rooms)},
		{`{"rooms":[{"id":"c","rev":1},{"id":"c","rev":1}]}`, "rooms[1].id", new(protocol.Rooms)},
		{`{"rooms":[{"id":"c","rev":1,"endpoints":["a"]},{"id":"d","rev":1,"endpoints":["b","a"]}]}`, "rooms[1].endpoints[1]", new(protocol.Rooms)},
		{`{"rooms":[{"id":"c","rev":1,"who":1}]}`, "who", new(protocol.Rooms)},
		{`{"rooms":[` + many(protocol.MaxRooms+1, `{"id":"c%d","rev":1}`) + `]}`, "rooms", new(protocol.Rooms)},
		{rooms(`,"closed":true,"endpoints":["a"]`), "rooms[0].closed", new(protocol.Rooms)},
		{rooms(`,"endpoints":["a","a"]`), "rooms[0].endpoints[1]", new(protocol.Rooms)},
		{rooms(`,"endpoints":[` + many(65, `"e%d"`) + `]`), "rooms[0].endpoints", new(protocol.Rooms)},
		{rooms(`,"endpoints":["a"],"hears":{"b":["a"]}`), `rooms[0].hears["b"]`, new(protocol.Rooms)},
		{rooms(`,"endpoints":["a"],"hears":{"a":["other"]}`), `rooms[0].hears["a"][0]`, new(protocol.Rooms)},
		{rooms(`,"endpoints":["a"],"sources":{"a":{"tone":"busy"}}`), "rooms[0].sources.a", new(protocol.Rooms)},
		{rooms(`,"sources":{"m":{"files":["../a.wav"]}}`), `rooms[0].sources["m"].files[0]`, new(protocol.Rooms)},
		{rooms(`,"sources":{"m":{"files":["/a.wav"]}}`), `rooms[0].sources["m"].files[0]`, new(protocol.Rooms)},
		{rooms(`,"sources":{"m":{"tone":"busy","files":["a"]}}`), `rooms[0].sources["m"].files`, new(protocol.Rooms)},
		{rooms(`,"sources":{"m":{"tone":"a b"}}`), `rooms[0].sources["m"].tone`, new(protocol.Rooms)},
		{rooms(`,"sources":{"m":{"tone":"busy","gain_db":13}}`), `rooms[0].sources["m"].gain_db`, new(protocol.Rooms)},
		{rooms(`,"sources":{"m":{"files":["a"],"announcement":"b"}}`), `rooms[0].sources["m"].every_ms`, new(protocol.Rooms)},
		{rooms(`,"recording":{"id":"r","left":[],"right":[]}`), "rooms[0].recording.left", new(protocol.Rooms)},
		{rooms(`,"endpoints":["a"],"video":[{"from":"a","kind":"screen","to":"a"}]`), "rooms[0].video[0].to", new(protocol.Rooms)},
		{trunk(`,"allow":["192.0.2.1"]`), "trunks[0].allow[0]", new(protocol.Trunks)},
		{trunk(`,"numbers":["+33199001234","0199001234"]`), "trunks[0].numbers[1]", new(protocol.Trunks)},
		{trunk(`,"numbers":["+1"` + strings.Repeat(`,"+1"`, 10_000) + `]`), "trunks[0].numbers", new(protocol.Trunks)},
		{trunk(`,"srtp":"required"`), "trunks[0].srtp", new(protocol.Trunks)},
		{trunk(`,"register":true`), "trunks[0].username", new(protocol.Trunks)},
		{trunk(`,"in_username":"a"`), "trunks[0].in_password", new(protocol.Trunks)},
		{trunk(`,"username":"a\r\nVia: x"`), "trunks[0].username", new(protocol.Trunks)},
		{trunk(`,"countries":["FR"]`), "trunks[0].countries[0]", new(protocol.Trunks)},
		{trunk(`,"price_per_min":{"+33":-1}`), `trunks[0].price_per_min["+33"]`, new(protocol.Trunks)},
		{`{"rev":1,"trunks":[{"id":"t","peer":"a","transport":"udp","codecs":["PCMA"]}]}`, "trunks[0].peer", new(protocol.Trunks)},
		{`{"rev":1,"trunks":[{"id":"t","peer":"a:1","transport":"udp","codecs":["opus"]}]}`, "trunks[0].codecs[0]", new(protocol.Trunks)},
		{`{"play":"p","heard_by":[],"file":"a"}`, "heard_by", new(protocol.Play)},
		{`{"play":"p","heard_by":["a"]}`, "file", new(protocol.Play)},
		{`{"trunk":"t","number":"1@evil","timeout_ms":30000}`, "number", new(protocol.Dial)},
		{`{"trunk":"t","number":"1"}`, "timeout_ms", new(protocol.Dial)},
		{`{"act":"a","digits":"12x"}`, "digits", new(protocol.Digits)},
		{`{"act":"a","digits":""}`, "digits", new(protocol.Digits)},
		{`{"code":200}`, "code", new(protocol.Ending)},
		{`{"cause":"a\"b"}`, "cause", new(protocol.Ending)},
		{`{"sdp":""}`, "sdp", new(protocol.Offer)},
	} {
		refused := refusal(t, check(c.data, c.doc))
		if refused == nil {
			t.Errorf("%.120s passes", c.data)
		} else if refused.Status != 422 || refused.Body.Field != c.field || refused.Body.Remedy == "" {
			t.Errorf("%.120s: %v, field %q", c.data, refused, refused.Body.Field)
		}
	}
}

func TestOneDocumentAndNothingElse(t *testing.T) {
	for _, data := range []string{"", "{", `{} {}`, `{}]`, "\xff", `{"rooms":[]}x`} {
		if refused := refusal(t, protocol.Decode([]byte(data), new(protocol.Rooms))); refused == nil || refused.Status != 400 {
			t.Errorf("%q: %v", data, refused)
		}
	}
}

func fuzz[Doc any, P interface {
	*Doc
	checked
}](f *testing.F, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var doc Doc
		if err := check(string(data), P(&doc)); err != nil {
			if refused := refusal(t, err); refused.Body.Remedy == "" || refused.Status < 400 {
				t.Fatalf("%v", refused)
			}
			return
		}
		written, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		var again Doc
		if err := check(string(written), P(&again)); err != nil {
			t.Fatalf("what passed does not pass again: %v", err)
		}
		rewritten, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(written, rewritten) {
			t.Fatalf("%s became %s", written, rewritten)
		}
	})
}

func FuzzRooms(f *testing.F) {
	fuzz[protocol.Rooms](f, goodRoom, `{"rooms":[{"id":"c1","rev":9,"closed":true}]}`, `{"rooms":null}`)
}

func FuzzTrunks(f *testing.F) {
	fuzz[protocol.Trunks](f, goodTrunks, `{"rev":1,"trunks":[]}`)
}
