package mixer

import (
	"testing"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// playRoom is a room of three in which a and b hear c, and c hears nobody.
func playRoom(t *testing.T) (b *bed, a, z *fakePort) {
	b = newBed(t)
	b.file("long.raw", constant(50*media.FrameSamples, 1000))
	b.file("short.raw", constant(3*media.FrameSamples, 500))
	a, z = b.port("a", nil), b.port("b", nil)
	b.port("c", steady(30))
	b.apply(protocol.Room{ID: "r", Rev: 1, Endpoints: []string{"a", "b", "c"}, Hears: map[string][]string{"a": {"c"}, "b": {"c"}}})
	return b, a, z
}

func (b *bed) play(id, file string, loop, interruptible bool, by ...string) {
	b.t.Helper()
	err := b.Play("r", protocol.Play{Play: id, HeardBy: by, File: file, Loop: loop, Interruptible: interruptible})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) played(t *testing.T, n int, id, cause string) {
	t.Helper()
	got := b.happened(protocol.Played)
	if len(got) != n || got[n-1].Play != id || got[n-1].Cause != cause || got[n-1].Room != "r" {
		t.Fatalf("told %+v", got)
	}
}

func TestAPlayTakesThePlaceOfTheRest(t *testing.T) {
	b, a, z := playRoom(t)
	b.play("p", "short.raw", false, false, "a")
	b.ticks(2)
	if a.heard[200] != 500 || z.heard[200] != 30 {
		t.Fatalf("a hears %d, b %d", a.heard[200], z.heard[200])
	}
	if len(b.happened(protocol.Played)) != 0 {
		t.Fatal("told too early")
	}
	b.ticks(1)
	b.played(t, 1, "p", "done")
	b.ticks(1)
	if a.heard[200] != 30 {
		t.Fatalf("afterwards a hears %d", a.heard[200])
	}
	b.play("p", "short.raw", false, false, "a") // the same act again
	b.ticks(5)
	b.played(t, 1, "p", "done")
	if err := b.StopPlay("r", "p"); err != nil {
		t.Fatal(err)
	}
}

func TestAPlayIsStoppedSoftly(t *testing.T) {
	b, a, _ := playRoom(t)
	b.play("p", "long.raw", true, false, "a", "b")
	b.ticks(120) // more than the file is long
	if a.heard[100] != 1000 || len(b.happened(protocol.Played)) != 0 {
		t.Fatalf("hears %d", a.heard[100])
	}
	if err := b.StopPlay("r", "p"); err != nil {
		t.Fatal(err)
	}
	b.ticks(1)
	for i := 1; i < media.FrameSamples; i++ {
		if step := a.heard[i-1] - a.heard[i]; step < 0 || step > 8 {
			t.Fatalf("%d falls to %d", a.heard[i-1], a.heard[i])
		}
	}
	b.played(t, 1, "p", "stopped")
	b.ticks(1)
	if a.heard[0] != 30 {
		t.Fatalf("hears %d", a.heard[0])
	}
}

func TestDigitAndSpeechInterrupt(t *testing.T) {
	b, a, _ := playRoom(t)
	b.play("stays", "long.raw", true, false, "b")
	b.play("goes", "long.raw", true, true, "a")
	b.ticks(3)
	b.Digit("b")
	b.Digit("nobody")
	b.ticks(3)
	if len(b.happened(protocol.Played)) != 0 {
		t.Fatal("another one's digit ended it")
	}
	b.Digit("a")
	b.ticks(2)
	b.played(t, 1, "goes", "interrupted")
	b.play("spoken", "long.raw", true, true, "a")
	b.ticks(10)
	a.says = steady(3000)
	b.ticks(10)
	b.played(t, 2, "spoken", "interrupted")
	if got := b.happened(protocol.Talking); len(got) != 1 || got[0].Endpoint != "a" || !got[0].On || got[0].Room != "r" {
		t.Fatalf("talking: %+v", got)
	}
}

func TestTheLatestPlayIsHeard(t *testing.T) {
	b, a, z := playRoom(t)
	b.play("first", "long.raw", true, false, "a", "b")
	b.ticks(2)
	b.play("second", "short.raw", true, false, "a")
	b.ticks(2)
	if a.heard[200] != 500 || z.heard[200] != 1000 {
		t.Fatalf("a hears %d, b %d", a.heard[200], z.heard[200])
	}
	b.play("third", "short.raw", true, false, "b")
	b.ticks(1)
	b.played(t, 1, "first", "stopped")
}

func TestAPlayEndsWithThoseWhoHearIt(t *testing.T) {
	b, _, _ := playRoom(t)
	b.play("left", "long.raw", true, false, "a")
	b.play("moved", "long.raw", true, false, "b")
	b.play("closed", "long.raw", true, false, "c")
	b.Detach("a")
	b.ticks(1)
	b.played(t, 1, "left", "stopped")
	b.apply(full("other", 1, "b"))
	b.ticks(1)
	b.played(t, 2, "moved", "stopped")
	b.apply(protocol.Room{ID: "r", Rev: 2, Closed: true})
	b.played(t, 3, "closed", "stopped")
}

func TestAPlayWaitsForItsHearer(t *testing.T) {
	b, _, _ := playRoom(t)
	b.Detach("a")
	b.play("p", "short.raw", false, false, "a")
	b.ticks(10)
	if len(b.happened(protocol.Played)) != 0 {
		t.Fatal("it ran without anybody")
	}
	a := b.port("a", nil)
	b.ticks(3)
	if a.heard[0] != 500 {
		t.Fatalf("hears %d", a.heard[0])
	}
	b.played(t, 1, "p", "done")
}

func TestPlaysAreRefused(t *testing.T) {
	b, _, _ := playRoom(t)
	play := func(room string, p protocol.Play) error { return b.Play(room, p) }
	refused(t, play("none", protocol.Play{Play: "p", HeardBy: []string{"a"}, File: "long.raw"}), 404, "unknown_room", "")
	refused(t, play("r", protocol.Play{Play: "p", HeardBy: []string{"x"}, File: "long.raw"}), 422, "bad_field", "heard_by")
	refused(t, play("r", protocol.Play{Play: "p", HeardBy: []string{"a"}, File: "none.wav"}), 422, "bad_field", "file")
	refused(t, play("r", protocol.Play{Play: "p", HeardBy: []string{"a"}, File: "../x.raw"}), 422, "bad_field", "file")
	refused(t, play("r", protocol.Play{Play: "p", HeardBy: []string{"a"}, Tone: "9/9/9"}), 422, "bad_field", "tone")
	refused(t, b.StopPlay("r", "none"), 404, "unknown_play", "")
	refused(t, b.StopPlay("none", "p"), 404, "unknown_room", "")
	for i := range playsAtOnce {
		b.play(string(rune('a'+i)), "long.raw", true, false, []string{"a", "b", "c"}[i%3])
	}
	b.ticks(1)
	if open := len(b.Mixer.rooms["r"].plays); open != 3 {
		t.Fatalf("%d plays are open for three hearers", open)
	}
}
