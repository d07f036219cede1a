package mixer

import (
	"os"
	"path/filepath"
	"testing"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/prompt"
	"guichet/mediaserver/internal/protocol"
)

func TestRevisions(t *testing.T) {
	b := newBed(t)
	b.apply(full("r", 3, "a", "b"))
	b.apply(full("r", 3, "a", "b")) // the same again
	refused(t, b.Apply([]protocol.Room{full("r", 2, "a")}), 409, "old_rev", "rooms[0].rev")
	refused(t, b.Apply([]protocol.Room{full("r", 3, "a")}), 409, "old_rev", "rooms[0].rev")
	b.apply(protocol.Room{ID: "r", Rev: 4, Closed: true})
	b.apply(protocol.Room{ID: "r", Rev: 4, Closed: true})
	refused(t, b.Apply([]protocol.Room{full("r", 4, "a")}), 409, "old_rev", "rooms[0].rev")
	refused(t, b.Apply([]protocol.Room{full("r", 3, "a")}), 409, "old_rev", "rooms[0].rev")
	if rooms := b.Rooms(); len(rooms) != 0 || b.RoomOf("a") != "" {
		t.Fatalf("a closed room stands: %v", rooms)
	}
	b.apply(full("r", 5, "a"))
	if b.RoomOf("a") != "r" {
		t.Fatal("a newer revision does not open it again")
	}
}

func TestOneBadRoomSpoilsThePut(t *testing.T) {
	b := newBed(t)
	a := b.port("a", steady(100))
	z := b.port("b", nil)
	b.apply(full("r", 1, "a", "b"))
	bad := protocol.Room{ID: "q", Rev: 1, Sources: map[string]protocol.Source{"m": {Files: []string{"ok.raw", "missing.wav"}}}}
	b.file("ok.raw", constant(1000, 1))
	refused(t, b.Apply([]protocol.Room{{ID: "r", Rev: 2, Closed: true}, bad}), 422, "bad_field", "rooms[1].sources.m.files[1]")
	b.ticks(1)
	if z.heard[0] != 100 || a.some || b.RoomOf("a") != "r" {
		t.Fatal("half of a put was applied")
	}
	if b.Mixer.prompts.Bytes() == 0 {
		t.Fatal("the test loaded nothing")
	}
	refused(t, b.Apply([]protocol.Room{
		{ID: "x", Rev: 1, Endpoints: []string{"a"}, Recording: &protocol.Recording{ID: "n", Left: []string{"a"}}},
		{ID: "y", Rev: 1, Endpoints: []string{"b"}, Recording: &protocol.Recording{ID: "n", Left: []string{"b"}}},
	}), 422, "bad_field", "rooms[1].recording.id")
}

func TestAnEndpointMovesWithoutAGap(t *testing.T) {
	b := newBed(t)
	b.port("agent", steady(7))
	b.port("one", steady(100))
	b.port("two", steady(200))
	agent := b.Mixer.slots["agent"].port.(*fakePort)
	b.apply(full("r1", 1, "agent", "one"), full("r2", 1, "two"))
	b.ticks(1)
	if agent.heard[0] != 100 {
		t.Fatalf("hears %d", agent.heard[0])
	}
	b.apply(full("r1", 2, "one"), full("r2", 2, "agent", "two"))
	b.ticks(1)
	if agent.heard[0] != 200 || agent.count != 2 {
		t.Fatalf("hears %d after %d frames", agent.heard[0], agent.count)
	}
	// Taken by another room's put alone, which tells the first nothing.
	b.apply(full("r3", 1, "agent"))
	b.ticks(1)
	if agent.some || b.RoomOf("agent") != "r3" {
		t.Fatal("heard in a room that it left")
	}
	for _, room := range b.Rooms() {
		if room.ID == "r2" && len(room.Endpoints) != 1 {
			t.Fatalf("r2 still shows %v", room.Endpoints)
		}
	}
	b.apply(full("r2", 2, "agent", "two")) // an old put again does not take it back
	if b.RoomOf("agent") != "r3" {
		t.Fatal("a put that changes nothing moved an endpoint")
	}
}

func TestRoomsSurviveTheProcess(t *testing.T) {
	folder, keeper := t.TempDir(), &memory{}
	b := newBedIn(t, folder, keeper)
	b.file("music.raw", constant(16000, 50))
	music := map[string]protocol.Source{"music": {Files: []string{"music.raw"}}}
	r1 := protocol.Room{ID: "r1", Rev: 4, Endpoints: []string{"a", "b"}, Sources: music,
		Hears: map[string][]string{"a": {"b", "music"}, "b": {"a"}}}
	b.apply(r1, full("gone", 1, "x"), full("r0", 9, "c"))
	b.apply(full("r0", 10, "a", "c")) // takes a
	b.apply(protocol.Room{ID: "gone", Rev: 2, Closed: true})
	want := b.Rooms()

	again := newBedIn(t, folder, keeper)
	if err := again.Restore(); err != nil {
		t.Fatal(err)
	}
	if got := again.Rooms(); len(got) != 2 || !alike(got[0], want[0]) || !alike(got[1], want[1]) {
		t.Fatalf("%+v became %+v", want, got)
	}
	if again.RoomOf("a") != "r0" || again.RoomOf("b") != "r1" || again.RoomOf("x") != "" {
		t.Fatal("endpoints are elsewhere")
	}
	again.apply(r1) // the same revision, put again after the restart
	if again.RoomOf("a") != "r0" {
		t.Fatal("the same put moved an endpoint")
	}
	again.apply(full("r0", 11, "c"), protocol.Room{ID: "r1", Rev: 5, Endpoints: []string{"a"}, Sources: music,
		Hears: map[string][]string{"a": {"music"}}})
	a := again.port("a", nil)
	again.ticks(1)
	if a.some {
		t.Fatal("music before it is loaded")
	}
	again.loadRestored()
	again.ticks(1)
	if a.heard[200] != 50 {
		t.Fatalf("after loading it hears %d", a.heard[200])
	}
}

func TestARestoredSourceThatIsGoneIsTold(t *testing.T) {
	folder, keeper := t.TempDir(), &memory{}
	b := newBedIn(t, folder, keeper)
	b.file("music.raw", constant(16000, 50))
	b.apply(protocol.Room{ID: "r", Rev: 1, Sources: map[string]protocol.Source{"music": {Files: []string{"music.raw"}}}})
	if err := os.Remove(filepath.Join(b.prompts, "music.raw")); err != nil {
		t.Fatal(err)
	}
	again := newBedIn(t, folder, keeper)
	if err := again.Restore(); err != nil {
		t.Fatal(err)
	}
	again.loadRestored()
	if got := again.happened(protocol.Played); len(got) != 1 || got[0].Cause != "failed" || got[0].Play != "music" || got[0].Room != "r" {
		t.Fatalf("told %+v", got)
	}
}

func TestAFullStateFolderStopsNoCall(t *testing.T) {
	b := newBed(t)
	b.keeper.fail = true
	b.port("a", steady(5))
	z := b.port("z", nil)
	b.apply(full("r", 1, "a", "z"))
	b.ticks(1)
	if z.heard[0] != 5 {
		t.Fatal("no audio")
	}
}

// TestWhatCouldNotBeKeptIsNotRestored: after a restart nobody hears by a matrix that had been replaced before it.
func TestWhatCouldNotBeKeptIsNotRestored(t *testing.T) {
	folder, keeper := t.TempDir(), &memory{}
	b := newBedIn(t, folder, keeper)
	b.apply(full("r", 1, "customer", "agent"))
	keeper.fail = true
	b.apply(protocol.Room{ID: "r", Rev: 2, Endpoints: []string{"customer", "agent"}}) // on hold: the disk is full

	again := newBedIn(t, folder, keeper)
	if err := again.Restore(); err != nil {
		t.Fatal(err)
	}
	again.port("agent", steady(5))
	customer := again.port("customer", nil)
	again.ticks(1)
	if customer.some {
		t.Fatal("the customer hears the agent, who had put them on hold")
	}
}

// TestAParkedRoomTakesNobodyFromARoom: Guichet may take a call in the moment in which it is to be parked.
func TestAParkedRoomTakesNobodyFromARoom(t *testing.T) {
	b := newBed(t)
	b.apply(full("r", 1, "customer", "agent"))
	err := b.Apply([]protocol.Room{{ID: protocol.ParkedRoom + "customer", Rev: 1, Endpoints: []string{"customer"}}})
	refused(t, err, 409, "endpoint_taken", "rooms[0].endpoints[0]")
	if b.RoomOf("customer") != "r" {
		t.Fatal("the customer was taken out of the room")
	}
}

func TestClipsAreGivenBack(t *testing.T) {
	b := newBed(t)
	small, err := prompt.Open(b.prompts, 50_000)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	b.Mixer.prompts = small
	b.file("music.raw", constant(16000, 50))
	b.file("other.raw", constant(16000, 50))
	music := map[string]protocol.Source{"m": {Files: []string{"music.raw", "music.raw"}, Announcement: "music.raw", EveryMillis: 2000}}
	b.apply(protocol.Room{ID: "r", Rev: 1, Endpoints: []string{"a"}, Sources: music})
	play := func(file string) error {
		return b.Play("r", protocol.Play{Play: "p-" + file, HeardBy: []string{"a"}, File: file})
	}
	if err := play("music.raw"); err != nil {
		t.Fatal(err)
	}
	refused(t, play("other.raw"), 422, "bad_field", "file") // there is room for one
	b.apply(protocol.Room{ID: "r", Rev: 2, Endpoints: []string{"a"}})
	refused(t, play("other.raw"), 422, "bad_field", "file") // the play has it still
	b.apply(protocol.Room{ID: "r", Rev: 3, Closed: true}, full("r2", 1, "a"))
	if _, err := small.File("other.raw"); err != nil {
		t.Fatal(err)
	}
}

func TestSumIsExactBelowTheKneeAndNeverWraps(t *testing.T) {
	var a, b, c, out media.Frame
	for i := range a {
		a[i], b[i], c[i] = int16(i*40), int16(-i*20), 12000
	}
	got := sum([]*media.Frame{&a, &b, &c}, &out)
	for i := range got {
		if got[i] != a[i]+b[i]+c[i] {
			t.Fatalf("%d: %d", i, got[i])
		}
	}
	last := int16(0)
	for x := int32(0); x < 80*32768; x += 13 {
		y := limit(x)
		if y < last || x <= knee && int32(y) != x || limit(-x) != -y {
			t.Fatalf("limit(%d) is %d after %d", x, y, last)
		}
		last = y
	}
	if one := sum([]*media.Frame{&a}, &out); one != &a {
		t.Fatal("a single voice is copied")
	}
	if sum(nil, &out) != nil {
		t.Fatal("nobody is heard as silence")
	}
}
