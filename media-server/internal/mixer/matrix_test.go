package mixer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

const (
	manyPorts  = 48
	manyRooms  = 12
	sourceMark = 200 // the sample that source k of a room sounds in is sourceMark+k
	playMark   = 300
	soundMark  = 50 // how loud files are there
)

// world is what a reader of the documents would expect: who is where, and who is to hear whom. It knows
// nothing of how the mixer does it.
type world struct {
	docs  map[string]protocol.Room
	where map[string]string
	revs  map[string]uint64
	plays map[string]bool // endpoints that listen to a play, which loops
}

// TestNobodyHearsWhatDoesNotConcernThem: each port speaks in a sample of its own, a value of its tick. After
// any changes, every frame that anybody hears falls apart into just what the documents allow.
func TestNobodyHearsWhatDoesNotConcernThem(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { anyMatrix(t, rand.New(rand.NewPCG(seed, 4)), 400) })
	}
}

func anyMatrix(t *testing.T, chance *rand.Rand, ticks int) {
	b := newBed(t)
	for k := range 4 {
		b.file(fmt.Sprintf("s%d.raw", k), marked(sourceMark+k))
	}
	b.file("play.raw", marked(playMark))
	w := &world{docs: map[string]protocol.Room{}, where: map[string]string{}, revs: map[string]uint64{}, plays: map[string]bool{}}
	now := int16(0)
	ports := map[string]*fakePort{}
	spoke := make([]bool, manyPorts)
	attach := func(i int) {
		id := fmt.Sprintf("e%d", i)
		ports[id] = b.port(id, func(f *media.Frame) bool {
			if !spoke[i] {
				return false
			}
			clear(f[:])
			f[i] = 100 + now
			return true
		})
	}
	for i := range manyPorts * 3 / 4 { // the others come later: rooms may name them before
		attach(i)
	}
	heard := 0
	for n := range ticks {
		now = int16(n % 200)
		for i := range spoke {
			spoke[i] = chance.IntN(4) > 0
		}
		w.change(b, chance)
		if i := chance.IntN(manyPorts); chance.IntN(5) == 0 {
			id := fmt.Sprintf("e%d", i)
			if ports[id] == nil {
				attach(i)
			} else {
				b.Detach(id)
				delete(ports, id)
				delete(w.plays, id)
			}
		}
		before := map[string]int{}
		for id, port := range ports {
			before[id] = port.count
		}
		b.ticks(1)
		for id, port := range ports {
			if port.count != before[id]+1 {
				t.Fatalf("tick %d: %s was given %d frames", n, id, port.count-before[id])
			}
			heard += w.judge(t, n, id, port, func(i int) int16 {
				if ports[fmt.Sprintf("e%d", i)] != nil && spoke[i] {
					return 100 + now
				}
				return 0
			})
		}
	}
	if heard < ticks { // the test must not pass because nobody ever hears anything
		t.Fatalf("only %d voices were heard", heard)
	}
}

// marked is audio that sounds in one sample of each frame.
func marked(at int) []int16 {
	out := make([]int16, 5*media.FrameSamples)
	for i := at; i < len(out); i += media.FrameSamples {
		out[i] = soundMark
	}
	return out
}

// change puts one to three rooms at random, or plays something.
func (w *world) change(b *bed, chance *rand.Rand) {
	switch chance.IntN(6) {
	case 0, 1, 2:
		w.put(b, chance)
	case 3:
		w.play(b, chance)
	}
}

func (w *world) put(b *bed, chance *rand.Rand) {
	free := chance.Perm(manyPorts)
	var put []protocol.Room
	for _, r := range chance.Perm(manyRooms)[:1+chance.IntN(3)] {
		id := fmt.Sprintf("r%d", r)
		w.revs[id]++
		doc := protocol.Room{ID: id, Rev: w.revs[id], Closed: chance.IntN(8) == 0}
		if !doc.Closed {
			doc.Sources = map[string]protocol.Source{}
			names := []string{}
			for k := range chance.IntN(5) {
				name := fmt.Sprintf("s%d", k)
				doc.Sources[name] = protocol.Source{Files: []string{name + ".raw"}}
				names = append(names, name)
			}
			size := chance.IntN(7)
			for _, i := range free[:size] {
				doc.Endpoints = append(doc.Endpoints, fmt.Sprintf("e%d", i))
			}
			free = free[size:]
			names = append(names, doc.Endpoints...)
			doc.Hears = map[string][]string{}
			for _, e := range doc.Endpoints {
				for _, name := range names {
					if chance.IntN(3) == 0 {
						doc.Hears[e] = append(doc.Hears[e], name)
					}
				}
			}
		}
		put = append(put, doc)
	}
	if err := b.Apply(put); err != nil {
		b.t.Fatal(err)
	}
	was := map[string]string{}
	for e, room := range w.where {
		was[e] = room
	}
	for _, doc := range put {
		for e, room := range w.where {
			if room == doc.ID {
				delete(w.where, e)
			}
		}
		delete(w.docs, doc.ID)
	}
	for _, doc := range put {
		if !doc.Closed {
			w.docs[doc.ID] = doc
		}
		for _, e := range doc.Endpoints {
			w.where[e] = doc.ID
		}
	}
	for e := range w.plays {
		if w.where[e] != was[e] || w.where[e] == "" {
			delete(w.plays, e)
		}
	}
}

func (w *world) play(b *bed, chance *rand.Rand) {
	for id, doc := range w.docs {
		var by []string
		for _, e := range doc.Endpoints {
			if w.where[e] == id && chance.IntN(2) == 0 {
				by = append(by, e)
			}
		}
		if len(by) == 0 {
			continue
		}
		err := b.Play(id, protocol.Play{Play: fmt.Sprint("p", chance.Uint64()), HeardBy: by, File: "play.raw", Loop: true})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, e := range by {
			w.plays[e] = true
		}
		return
	}
}

// judge takes apart what one port heard.
func (w *world) judge(t *testing.T, tick int, id string, port *fakePort, said func(int) int16) (voices int) {
	room := w.where[id]
	doc := w.docs[room]
	allowed := func(name string) bool {
		return room != "" && !w.plays[id] && slices.Contains(doc.Hears[id], name)
	}
	for at, sample := range port.heard {
		switch {
		case at < manyPorts:
			name := fmt.Sprintf("e%d", at)
			want := int16(0)
			if allowed(name) && w.where[name] == room {
				want = said(at)
			}
			if sample != want {
				t.Fatalf("tick %d: %s in %q heard %d of %s in %q, not %d", tick, id, room, sample, name, w.where[name], want)
			}
			if want > 0 {
				voices++
			}
		case at >= sourceMark && at < sourceMark+4: // a source that was silent comes back softly
			if max := int16(soundMark); sample < 0 || sample > max || sample > 0 && !allowed(fmt.Sprintf("s%d", at-sourceMark)) {
				t.Fatalf("tick %d: %s heard %d of source %d", tick, id, sample, at-sourceMark)
			}
		case at == playMark:
			if sample < 0 || sample > soundMark || sample > 0 && !w.plays[id] {
				t.Fatalf("tick %d: %s heard %d of a play", tick, id, sample)
			}
		case sample != 0:
			t.Fatalf("tick %d: %s heard %d from nowhere (%d)", tick, id, sample, at)
		}
	}
	if room == "" && port.some {
		t.Fatalf("tick %d: %s is in no room and was given a frame", tick, id)
	}
	return voices
}
