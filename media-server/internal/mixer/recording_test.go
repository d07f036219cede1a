package mixer

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// recorded runs the recorder of a bed; the answer ends it.
func (b *bed) recorded() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.recorder.Run(ctx) }()
	return func() { cancel(); <-done }
}

// await waits for the nth event of a kind.
func (b *bed) awaitEvent(kind string, n int) protocol.Event {
	b.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if got := b.happened(kind); len(got) >= n {
			return got[n-1]
		}
	}
	b.t.Fatalf("no %s", kind)
	panic("unreachable")
}

func recording(rev uint64, paused bool) protocol.Room {
	room := full("r", rev, "a", "b", "c")
	room.Recording = &protocol.Recording{ID: "n1", Left: []string{"a"}, Right: []string{"b", "c"}, Paused: paused}
	return room
}

// samples reads a result as left and right: the value in the middle of each frame.
func samples(t *testing.T, e protocol.Event) (left, right []int16) {
	t.Helper()
	var data []byte
	var err error
	if e.Codec == "wav" {
		data, err = os.ReadFile(e.Path)
		data = data[44:]
	} else {
		data, err = exec.Command("ffmpeg", "-v", "error", "-i", e.Path, "-f", "s16le", "-ar", "16000", "-").Output()
	}
	if err != nil {
		t.Fatal(err)
	}
	for at := 160 * 4; at+4 <= len(data); at += media.FrameSamples * 4 {
		left = append(left, int16(binary.LittleEndian.Uint16(data[at:])))
		right = append(right, int16(binary.LittleEndian.Uint16(data[at+2:])))
	}
	return left, right
}

// TestARecordingSurvivesPauseAndRestart: what is said while it pauses is nowhere, and after a restart the room
// goes on with the same recording.
func TestARecordingSurvivesPauseAndRestart(t *testing.T) {
	t.Setenv("PATH", "/nowhere") // WAV: every sample can be judged
	folder, keeper := t.TempDir(), &memory{}
	b := newBedIn(t, folder, keeper)
	say := func(b *bed, left int16) {
		b.port("a", steady(left))
		b.port("b", steady(10))
		b.port("c", steady(5))
	}
	stop := b.recorded()
	say(b, 100)
	b.apply(recording(1, false))
	b.ticks(20)
	b.apply(recording(2, true))
	say(b, 4444) // a card number
	b.ticks(30)
	say(b, 200)
	b.apply(recording(3, false))
	b.ticks(10)
	stop() // the server ends

	again := newBedIn(t, folder, keeper)
	if err := again.Restore(); err != nil {
		t.Fatal(err)
	}
	defer again.recorded()()
	say(again, 300)
	again.ticks(15)
	again.apply(full("r", 4, "a", "b", "c"))
	e := again.awaitEvent(protocol.RecordingReady, 1)
	if e.Millis != 45*media.FrameMillis || e.PausedMillis != 30*media.FrameMillis || e.Room != "r" || e.Recording != "n1" {
		t.Fatalf("%+v", e)
	}
	left, right := samples(t, e)
	for i := range left {
		want := int16(100)
		if i >= 20 {
			want = 200
		}
		if i >= 30 {
			want = 300
		}
		if left[i] != want || right[i] != 15 {
			t.Fatalf("frame %d: %d and %d", i, left[i], right[i])
		}
	}
	refused(t, again.Apply([]protocol.Room{recording(5, false)}), 409, "recording_id", "rooms[0].recording.id")
}

// TestNobodyIsNotRecorded: a room that stays open when its calls are over, as Guichet is away, fills no disk.
func TestNobodyIsNotRecorded(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	b := newBed(t)
	defer b.recorded()()
	b.port("a", steady(100))
	b.apply(recording(1, false))
	b.ticks(20)
	b.Detach("a")
	b.ticks(30)
	b.port("b", steady(15))
	b.ticks(10)
	b.apply(full("r", 2, "a", "b", "c"))
	if e := b.awaitEvent(protocol.RecordingReady, 1); e.Millis != 30*media.FrameMillis || e.PausedMillis != 30*media.FrameMillis {
		t.Fatalf("%+v", e)
	}
}

func TestACallGoesOnWithoutItsRecording(t *testing.T) {
	folder := t.TempDir()
	b := newBedIn(t, folder, &memory{})
	if err := os.RemoveAll(filepath.Join(folder, "spool")); err != nil {
		t.Fatal(err)
	}
	a := b.port("a", nil)
	b.port("b", steady(10))
	b.apply(recording(1, false))
	b.ticks(1)
	if a.heard[0] != 10 {
		t.Fatal("the call has ended")
	}
	if e := b.awaitEvent(protocol.RecordingFailed, 1); e.Recording != "n1" || e.Room != "r" || e.Cause != "write" {
		t.Fatalf("%+v", e)
	}
	if err := os.Mkdir(filepath.Join(folder, "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	defer b.recorded()()
	b.apply(recording(2, false)) // the next put tries again
	b.ticks(5)
	b.apply(protocol.Room{ID: "r", Rev: 3, Closed: true})
	if e := b.awaitEvent(protocol.RecordingReady, 1); e.Millis != 100 {
		t.Fatalf("%+v", e)
	}
}

func TestAnotherIDIsAnotherRecording(t *testing.T) {
	b := newBed(t)
	defer b.recorded()()
	b.port("a", steady(100))
	room := recording(1, false)
	b.apply(room)
	b.ticks(10)
	room = recording(2, false)
	room.Recording.ID = "n2"
	b.apply(room)
	b.ticks(20)
	b.apply(full("r", 3, "a"))
	b.awaitEvent(protocol.RecordingReady, 2)
	for _, e := range b.happened(protocol.RecordingReady) {
		if want := map[string]int64{"n1": 200, "n2": 400}[e.Recording]; e.Millis != want {
			t.Fatalf("%+v", e)
		}
	}
}
