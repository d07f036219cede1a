package mixer

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// RoomOf is the room in which the endpoint is, or "".
func (m *Mixer) RoomOf(endpoint string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.where[endpoint]
}

// fakePort says what it is told to, and remembers what it heard.
type fakePort struct {
	id    string
	says  func(f *media.Frame) bool
	heard media.Frame
	some  bool // it heard something in the last tick
	count int  // calls of Hear
}

func (p *fakePort) ID() string { return p.id }

func (p *fakePort) Say(f *media.Frame) bool { return p.says != nil && p.says(f) }

func (p *fakePort) Hear(f *media.Frame) {
	p.count++
	if p.some = f != nil; p.some {
		p.heard = *f
	} else {
		clear(p.heard[:])
	}
}

// steady says the same value all the time.
func steady(value int16) func(*media.Frame) bool {
	return func(f *media.Frame) bool {
		for i := range f {
			f[i] = value
		}
		return true
	}
}

// memory keeps documents as a folder would, in JSON.
type memory struct {
	mu   sync.Mutex
	docs map[string]json.RawMessage
	fail bool
}

func (k *memory) Keep(kind, id string, doc any) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail {
		return errors.New("no space")
	}
	data, err := json.Marshal(doc)
	if k.docs == nil {
		k.docs = map[string]json.RawMessage{}
	}
	k.docs[kind+"/"+id] = data
	return err
}

func (k *memory) Drop(kind, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.docs, kind+"/"+id)
	return nil
}

func (k *memory) Each(kind string, visit func(string, json.RawMessage) error) error {
	k.mu.Lock()
	docs := maps.Clone(k.docs)
	k.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(docs)) {
		if err := visit(key[len(kind)+1:], docs[key]); err != nil {
			return err
		}
	}
	return nil
}

// bed is a mixer whose ticks the test makes.
type bed struct {
	*Mixer
	t       testing.TB
	prompts string
	keeper  *memory

	eventMu sync.Mutex
	events  []protocol.Event
}

func newBed(t testing.TB) *bed { return newBedIn(t, t.TempDir(), &memory{}) }

// newBedIn is a mixer over what an earlier one left in the folder and the keeper.
func newBedIn(t testing.TB, folder string, keeper *memory) *bed {
	t.Helper()
	b := &bed{t: t, prompts: filepath.Join(folder, "prompts"), keeper: keeper}
	emit := func(e protocol.Event) {
		b.eventMu.Lock()
		defer b.eventMu.Unlock()
		b.events = append(b.events, e)
	}
	var err error
	b.Mixer, err = New(Deps{Emit: emit, Keep: keeper, Prompts: b.prompts, Spool: filepath.Join(folder, "spool"),
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Mixer.prompts.Close() })
	return b
}

// ticks runs n ticks, and what they have to tell.
func (b *bed) ticks(n int) {
	for range n {
		for len(b.Mixer.digits) > 0 {
			b.pressed(<-b.Mixer.digits)
		}
		b.tick()
		b.tellAll()
	}
}

func (b *bed) port(id string, says func(*media.Frame) bool) *fakePort {
	port := &fakePort{id: id, says: says}
	b.Attach(port)
	return port
}

// file writes samples as a .raw prompt.
func (b *bed) file(name string, samples []int16) {
	b.t.Helper()
	data, _ := binary.Append(nil, binary.LittleEndian, samples)
	if err := os.WriteFile(filepath.Join(b.prompts, name), data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) apply(rooms ...protocol.Room) {
	b.t.Helper()
	if err := b.Apply(rooms); err != nil {
		b.t.Fatal(err)
	}
}

// happened are the events of one kind so far.
func (b *bed) happened(kind string) []protocol.Event {
	b.eventMu.Lock()
	defer b.eventMu.Unlock()
	var out []protocol.Event
	for _, e := range b.events {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// full is a room in which everybody hears everybody else.
func full(id string, rev uint64, endpoints ...string) protocol.Room {
	room := protocol.Room{ID: id, Rev: rev, Endpoints: endpoints, Hears: map[string][]string{}}
	for _, e := range endpoints {
		for _, other := range endpoints {
			if other != e {
				room.Hears[e] = append(room.Hears[e], other)
			}
		}
	}
	return room
}

// refused is the refusal that err must be.
func refused(t *testing.T, err error, status int, code, field string) {
	t.Helper()
	var no *protocol.Refusal
	if !errors.As(err, &no) {
		t.Fatalf("not a refusal: %v", err)
	}
	if no.Status != status || no.Body.Code != code || no.Body.Field != field || no.Body.Remedy == "" {
		t.Fatalf("refused otherwise: %d %+v", no.Status, no.Body)
	}
}

func constant(n int, value int16) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = value
	}
	return out
}
