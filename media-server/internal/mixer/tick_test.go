package mixer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// pairs attaches n ports, two to a room, hearing each other; with recording in the first rooms.
func pairs(b *bed, n, recorded int) {
	noise := rand.New(rand.NewPCG(1, 1))
	rooms := make([]protocol.Room, 0, n/2)
	for i := range n {
		var frame media.Frame
		for j := range frame {
			frame[j] = int16(noise.IntN(6000) - 3000)
		}
		b.Attach(&fakePort{id: fmt.Sprintf("e%d", i), says: func(f *media.Frame) bool { *f = frame; return true }})
	}
	for i := range n / 2 {
		room := full(fmt.Sprintf("r%d", i), 1, fmt.Sprintf("e%d", 2*i), fmt.Sprintf("e%d", 2*i+1))
		if i < recorded {
			room.Recording = &protocol.Recording{ID: room.ID, Left: room.Endpoints[:1], Right: room.Endpoints[1:]}
		}
		rooms = append(rooms, room)
	}
	b.apply(rooms...)
}

func TestTheTickAllocatesNothing(t *testing.T) {
	b := newBed(t)
	b.file("music.raw", constant(4*media.Rate+17, 900))
	b.file("wait.raw", constant(media.Rate/2+11, 700))
	pairs(b, 20, 3)
	conference := full("c", 1, "c0", "c1", "c2", "c3", "c4")
	conference.Sources = map[string]protocol.Source{
		"m": {Files: []string{"music.raw"}, Announcement: "wait.raw", EveryMillis: 1000, Gain: -6}, "t": {Tone: "busy"}}
	conference.Hears["c1"] = append(conference.Hears["c1"], "m", "t")
	conference.Recording = &protocol.Recording{ID: "c", Left: []string{"c0", "c1"}, Right: []string{"c2", "c3"}, BeepEveryMillis: 1000}
	for _, e := range conference.Endpoints {
		b.port(e, steady(2000))
	}
	b.apply(conference)
	if err := b.Play("c", protocol.Play{Play: "p", HeardBy: []string{"c4"}, File: "music.raw", Loop: true}); err != nil {
		t.Fatal(err)
	}
	b.ticks(50) // those who talk have been told of
	if n := testing.AllocsPerRun(400, b.tick); n != 0 {
		t.Fatalf("%v allocations a tick", n)
	}
}

func TestTheBeepIsHeardByAllOfTheRoom(t *testing.T) {
	b := newBed(t)
	a, z := b.port("a", nil), b.port("z", nil)
	room := protocol.Room{ID: "r", Rev: 1, Endpoints: []string{"a", "z"}, Hears: map[string][]string{"a": {"z"}},
		Recording: &protocol.Recording{ID: "n", Left: []string{"a"}, Right: []string{"z"}, BeepEveryMillis: 1000}}
	b.apply(room)
	beeps := func(ticks int) (frames int) {
		for range ticks {
			b.ticks(1)
			if a.some != z.some {
				t.Fatal("one of them hears it")
			}
			if a.some && energy(&a.heard) > startEnergy {
				frames++
			}
		}
		return frames
	}
	once := beeps(50)
	if once < 8 || once > 16 { // 250 ms
		t.Fatalf("a beep of %d frames", once)
	}
	if again := beeps(100); again != 2*once {
		t.Fatalf("in two seconds %d frames of beep", again)
	}
	room.Rev, room.Recording = 2, &protocol.Recording{ID: "n", Left: []string{"a"}, Right: []string{"z"}, BeepEveryMillis: 1000, Paused: true}
	b.apply(room)
	if paused := beeps(100); paused != 0 {
		t.Fatalf("%d frames of beep while the recording pauses", paused)
	}
}

// TestEverythingAtOnce lets all that may happen happen beside the ticking of a real clock.
func TestEverythingAtOnce(t *testing.T) {
	b := newBed(t)
	b.file("music.raw", constant(media.Rate, 900))
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for worker := range 4 {
		all.Go(func() {
			chance := rand.New(rand.NewPCG(uint64(worker), 7))
			for n := 0; ctx.Err() == nil; n++ {
				a, z := fmt.Sprintf("a%d", chance.IntN(6)), fmt.Sprintf("z%d", chance.IntN(6))
				id := fmt.Sprintf("r%d-%d", worker, n/5)
				room := full(id, uint64(n%5+1), a, z)
				room.Sources = map[string]protocol.Source{"m": {Files: []string{"music.raw"}}}
				room.Hears[a] = append(room.Hears[a], "m")
				if n%3 == 0 {
					room.Recording = &protocol.Recording{ID: fmt.Sprintf("%s-%d", id, n), Left: []string{a}, Right: []string{z}}
				}
				if n%5 == 4 {
					room = protocol.Room{ID: id, Rev: 5, Closed: true}
				}
				if err := b.Apply([]protocol.Room{room}); err != nil {
					t.Error(err)
				}
				b.Attach(&fakePort{id: a, says: steady(int16(chance.IntN(5000)))})
				_ = b.Play(id, protocol.Play{Play: fmt.Sprint(n), HeardBy: []string{z}, Tone: "busy", Interruptible: true})
				b.Digit(z)
				b.Levels()
				b.Rooms()
				if chance.IntN(3) == 0 {
					b.Detach(z)
				} else {
					b.Attach(&fakePort{id: z})
				}
				b.Stats()
			}
		})
	}
	time.AfterFunc(1500*time.Millisecond, cancel)
	all.Wait()
	stats := b.Stats()
	if stats.Ticks+stats.Skipped < 60 {
		t.Fatalf("%+v", stats)
	}
	t.Logf("%+v", stats)
}

// TestWhatWasAnsweredIsHeard: once Apply has returned, no tick works on what stood before.
func TestWhatWasAnsweredIsHeard(t *testing.T) {
	b := newBed(t)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = b.Run(ctx) })
	defer running.Wait()
	defer cancel()
	b.port("a", steady(1000))
	heard := make(chan bool, 1000)
	b.Attach(&hearing{"z", heard})
	for rev := uint64(1); rev < 20; rev += 2 {
		b.apply(full("r", rev, "a", "z"))
		for !<-heard { // until it hears
		}
		b.apply(protocol.Room{ID: "r", Rev: rev + 1, Endpoints: []string{"a", "z"}})
		for len(heard) > 0 {
			<-heard
		}
		// One frame may be under way in the tick that began on the new plan: it hears nothing by then.
		for range 2 {
			if <-heard {
				t.Fatal("heard after the answer")
			}
		}
	}
}

// hearing tells of each frame whether there was one.
type hearing struct {
	id    string
	heard chan bool
}

func (p *hearing) ID() string            { return p.id }
func (p *hearing) Say(*media.Frame) bool { return false }
func (p *hearing) Hear(f *media.Frame)   { p.heard <- f != nil }

// stalled is a port that is told of ticks that were left out.
type stalled struct {
	fakePort
	skipped uint64
}

func (p *stalled) Skip(ticks uint64) { p.skipped += ticks }

// leaping is a clock that leaps a second ahead in its fifth sleep, and ends the test in its tenth.
type leaping struct {
	byHand
	end func()
}

func (c *leaping) sleep(d time.Duration) {
	c.byHand.sleep(d)
	if c.slept == 10 {
		c.end()
	}
}

func TestPortsAreToldOfTicksLeftOut(t *testing.T) {
	b := newBed(t)
	port := &stalled{fakePort: fakePort{id: "a"}}
	b.Attach(port)
	ctx, end := context.WithCancel(context.Background())
	b.clock = &leaping{byHand{jumps: map[int]time.Duration{5: time.Second}}, end}
	done := make(chan struct{})
	go func() { defer close(done); b.beat(ctx) }()
	<-done
	if stats := b.Stats(); port.skipped != 49 || stats.Skipped != 49 || port.count != int(stats.Ticks) {
		t.Fatalf("the port was told of %d: %+v", port.skipped, stats)
	}
}

func BenchmarkTick(b *testing.B) {
	for _, n := range []int{100, 400, 1000} {
		b.Run(fmt.Sprintf("paired/%d", n), func(b *testing.B) {
			bed := newBed(b)
			pairs(bed, n, 0)
			bed.ticks(60)
			benchmark(b, bed, n)
		})
	}
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprintf("waiting/%d", n), func(b *testing.B) { // each in a room of its own, the same file
			bed := newBed(b)
			bed.file("music.raw", constant(60*media.Rate, 900))
			music := map[string]protocol.Source{"m": {Files: []string{"music.raw"}}}
			rooms := make([]protocol.Room, 0, n)
			for i := range n {
				id := fmt.Sprintf("e%d", i)
				bed.port(id, nil)
				rooms = append(rooms, protocol.Room{ID: id + "r", Rev: 1, Endpoints: []string{id}, Hears: map[string][]string{id: {"m"}}, Sources: music})
			}
			bed.apply(rooms...)
			benchmark(b, bed, n)
		})
	}
	b.Run("conference/60", func(b *testing.B) {
		bed := newBed(b)
		ids := []string{}
		for i := range 60 {
			ids = append(ids, fmt.Sprintf("e%d", i))
			bed.port(ids[i], steady(100))
		}
		bed.apply(full("r", 1, ids...))
		benchmark(b, bed, 60)
	})
}

func benchmark(b *testing.B, bed *bed, ports int) {
	b.ReportAllocs()
	for b.Loop() {
		bed.tick()
	}
	perTick := float64(b.Elapsed().Microseconds()) / float64(b.N)
	b.ReportMetric(perTick/float64(ports)/200, "%core/port") // of 20,000 us
}
