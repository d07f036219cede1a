package control_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"guichet/mediaserver/internal/control"
	"guichet/mediaserver/internal/protocol"
)

func event(t *testing.T, frame []byte) protocol.Event {
	t.Helper()
	var read protocol.Event
	if err := json.Unmarshal(frame, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// A reader that comes and goes at random sees each event once and in order, or is told of a gap: never less.
func TestJournalLosesNothingAndDoublesNothing(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		length := 1 + random.IntN(40)
		journal := control.NewJournal(length)
		var emitted, read uint64
		for range 400 {
			switch random.IntN(3) {
			case 0:
				for range random.IntN(length + length/4 + 1) {
					journal.Emit(protocol.Event{Kind: protocol.Talking, Count: int(emitted) + 1})
					emitted++
				}
			default:
				behind := emitted - read
				frames, known := journal.After(read, 1+random.IntN(10))
				if known != (behind <= uint64(length)) {
					t.Fatalf("seed %d: %d behind in a journal of %d, known is %v", seed, behind, length, known)
				}
				if !known {
					read = journal.Seq()
				}
				if known && behind > 0 && len(frames) == 0 {
					t.Fatalf("seed %d: nothing given, %d behind", seed, behind)
				}
				for _, frame := range frames {
					read++
					if got := event(t, frame); got.Seq != read || got.Count != int(read) || got.Epoch != journal.Epoch() {
						t.Fatalf("seed %d: after %d came %+v", seed, read-1, got)
					}
				}
			}
		}
	}
}

func TestJournalOfTheFuture(t *testing.T) {
	journal := control.NewJournal(4)
	if _, known := journal.After(0, 9); !known {
		t.Fatal("the beginning is unknown")
	}
	if _, known := journal.After(1, 9); known {
		t.Fatal("an event that is not yet is known")
	}
}

func TestJournalTakesAnEventThatJSONCannotHold(t *testing.T) {
	journal := control.NewJournal(4)
	journal.Emit(protocol.Event{Kind: protocol.Quality, Endpoint: "in-a", Loss: math.NaN()})
	frames, _ := journal.After(0, 9)
	if got := event(t, frames[0]); got.Endpoint != "in-a" || got.Loss != 0 {
		t.Fatalf("%+v", got)
	}
}

func TestEmittersAndReadersAtOnce(t *testing.T) {
	const emitters, each = 8, 500
	journal := control.NewJournal(emitters * each)
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() {
			woken, done := journal.Reading()
			defer done()
			for read := uint64(0); read < emitters*each; {
				frames, known := journal.After(read, 64)
				if !known {
					t.Error("a gap")
					return
				}
				read += uint64(len(frames))
				if len(frames) == 0 {
					<-woken
				}
			}
		})
	}
	for range emitters {
		work.Go(func() {
			for range each {
				journal.Emit(protocol.Event{Kind: protocol.Talking})
			}
		})
	}
	work.Wait()
	if journal.Readers() != 0 || journal.Seq() != emitters*each {
		t.Fatalf("%d readers, seq %d", journal.Readers(), journal.Seq())
	}
}
