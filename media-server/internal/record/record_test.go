package record

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// bed is a Recorder of which the events can be awaited.
type bed struct {
	*Recorder
	t      *testing.T
	folder string
	events chan protocol.Event
	stop   func()
}

func newBed(t *testing.T, folder, ffmpeg string) *bed {
	t.Helper()
	b := &bed{t: t, folder: folder, events: make(chan protocol.Event, 100)}
	var err error
	b.Recorder, err = New(Deps{Emit: func(e protocol.Event) { b.events <- e }, Folder: folder, FFmpeg: ffmpeg,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bed) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.Run(ctx) }()
	b.stop = func() { cancel(); <-done }
	b.t.Cleanup(b.stop)
}

func (b *bed) start(id string) *Tape {
	b.t.Helper()
	tape, err := b.Start(id, "room")
	if err != nil {
		b.t.Fatal(err)
	}
	return tape
}

// next is the next event, which is of this kind.
func (b *bed) next(kind string) protocol.Event {
	b.t.Helper()
	select {
	case e := <-b.events:
		if e.Kind != kind || e.Recording == "" {
			b.t.Fatalf("told %+v", e)
		}
		return e
	case <-time.After(20 * time.Second):
		b.t.Fatal("nothing is told")
		panic("unreachable")
	}
}

// say pushes n frames of two tones, which go on from frame number from.
func say(tape *Tape, from, n int) {
	for k := from; k < from+n; k++ {
		left, right := tone(k, 440), tone(k, 1000)
		tape.Push(&left, &right)
	}
}

func tone(frame int, hertz float64) (f media.Frame) {
	for i := range f {
		f[i] = int16(8000 * math.Sin(2*math.Pi*hertz*float64(frame*media.FrameSamples+i)/media.Rate))
	}
	return f
}

// strength is the amplitude of a frequency in one channel of interleaved audio.
func strength(data []byte, channel int, hertz float64) float64 {
	var re, im float64
	n := len(data) / 4
	for i := range n {
		sample := float64(int16(binary.LittleEndian.Uint16(data[4*i+2*channel:])))
		re += sample * math.Cos(2*math.Pi*hertz*float64(i)/media.Rate)
		im += sample * math.Sin(2*math.Pi*hertz*float64(i)/media.Rate)
	}
	return 2 * math.Hypot(re, im) / float64(n)
}

func (b *bed) checkHash(e protocol.Event) []byte {
	b.t.Helper()
	data, err := os.ReadFile(e.Path)
	if err != nil {
		b.t.Fatal(err)
	}
	if hash := sha256.Sum256(data); hex.EncodeToString(hash[:]) != e.SHA256 || int64(len(data)) != e.Bytes {
		b.t.Fatalf("another file than told: %+v", e)
	}
	if info, err := os.Stat(e.Path); err != nil || info.Mode().Perm() != 0o600 {
		b.t.Fatalf("others may read it: %v", info.Mode())
	}
	return data
}

func (b *bed) files() string {
	entries, _ := os.ReadDir(b.folder)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

func TestOpusKeepsBothSidesApart(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("there is no ffmpeg here")
	}
	b := newBed(t, t.TempDir(), "")
	tape := b.start("r1")
	say(tape, 0, 100)
	b.run()
	tape.Close()
	e := b.next(protocol.RecordingReady)
	if e.Codec != "opus" || e.Millis != 2000 || e.Room != "room" || e.Recording != "r1" || filepath.Ext(e.Path) != ".ogg" {
		t.Fatalf("%+v", e)
	}
	b.checkHash(e)
	pcm, err := exec.Command(ffmpeg, "-v", "error", "-i", e.Path, "-f", "s16le", "-ar", "16000", "-").Output()
	if err != nil || len(pcm) < 1900*bytesPerMs {
		t.Fatalf("%d bytes, %v", len(pcm), err)
	}
	pcm = pcm[300*bytesPerMs : 1800*bytesPerMs]
	for channel, own := range []float64{440, 1000} {
		other := 1440 - own
		if loud, leak := strength(pcm, channel, own), strength(pcm, channel, other); loud < 6000 || leak > 40 {
			t.Fatalf("channel %d: own tone %.0f, the other's %.0f", channel, loud, leak)
		}
	}
	if files := b.files(); files != "r1.json r1.ogg" {
		t.Fatalf("left: %s", files)
	}
	if _, err := b.Start("r1", "room"); !errors.Is(err, ErrDone) {
		t.Fatalf("recorded over: %v", err)
	}
}

func TestWithoutFFmpegItIsWAV(t *testing.T) {
	b := newBed(t, t.TempDir(), "/nowhere/ffmpeg")
	tape := b.start("r1")
	say(tape, 0, 10)
	for range 25 {
		tape.Skip()
	}
	say(tape, 10, 10)
	tape.Push(nil, nil)
	b.run()
	tape.Close()
	e := b.next(protocol.RecordingReady)
	if e.Codec != "wav" || e.Millis != 420 || e.PausedMillis != 500 {
		t.Fatalf("%+v", e)
	}
	data := b.checkHash(e)
	if string(data[:4]) != "RIFF" || string(data[8:16]) != "WAVEfmt " || len(data) != wavHeader+420*bytesPerMs ||
		binary.LittleEndian.Uint32(data[40:]) != 420*bytesPerMs {
		t.Fatalf("a header of % x", data[:wavHeader])
	}
	for k := range 20 { // the pause left no gap
		left, right := tone(k, 440), tone(k, 1000)
		for i := range left {
			at := wavHeader + (k*media.FrameSamples+i)*4
			l, r := int16(binary.LittleEndian.Uint16(data[at:])), int16(binary.LittleEndian.Uint16(data[at+2:]))
			if l != left[i] || r != right[i] {
				t.Fatalf("frame %d, sample %d: %d %d", k, i, l, r)
			}
		}
	}
	if !bytes.Equal(data[len(data)-frameBytes:], make([]byte, frameBytes)) {
		t.Fatal("silence is not silent")
	}
}

// TestADiskThatStandsStill: the tick goes on, and the time in the recording stays right.
func TestADiskThatStandsStill(t *testing.T) {
	b := newBed(t, t.TempDir(), "/nowhere")
	tape := b.start("r1")
	say(tape, 0, blocks+40) // nobody writes yet
	b.run()
	for len(tape.free) < blocks { // until it is written
		time.Sleep(time.Millisecond)
	}
	say(tape, blocks+40, 1)
	tape.Close()
	e := b.next(protocol.RecordingReady)
	if e.Millis != (blocks+41)*media.FrameMillis {
		t.Fatalf("%d ms", e.Millis)
	}
	data := b.checkHash(e)
	last := data[len(data)-frameBytes:]
	if want := tone(blocks+40, 440); int16(binary.LittleEndian.Uint16(last[40:])) != want[10] {
		t.Fatal("the last frame is not at its time")
	}
}

func TestPushNeverAllocates(t *testing.T) {
	b := newBed(t, t.TempDir(), "/nowhere")
	tape := b.start("r1")
	left := tone(0, 440)
	if n := testing.AllocsPerRun(2*blocks, func() { tape.Push(&left, nil); tape.Skip() }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
	_ = tape.file.Close()
}

func TestAFullDiskEndsTheRecordingAlone(t *testing.T) {
	folder := t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(folder, "full"+rawSuffix)); err != nil {
		t.Fatal(err)
	}
	b := newBed(t, folder, "/nowhere")
	full, well := b.start("full"), b.start("well")
	b.run()
	say(full, 0, 20)
	say(well, 0, 20)
	if e := b.next(protocol.RecordingFailed); e.Cause != "disk_full" || e.Recording != "full" || e.Room != "room" {
		t.Fatalf("%+v", e)
	}
	say(full, 20, blocks*2) // the call goes on
	for len(full.free) < blocks {
		time.Sleep(time.Millisecond)
	}
	well.Close()
	if e := b.next(protocol.RecordingReady); e.Recording != "well" || e.Millis != 400 {
		t.Fatalf("%+v", e)
	}
	full.Close()
	if e := b.next(protocol.RecordingFailed); e.Cause != "empty" || e.Recording != "full" {
		t.Fatalf("%+v", e)
	}
}

func TestWhatAKilledProcessLeft(t *testing.T) {
	folder := t.TempDir()
	b := newBed(t, folder, "/nowhere")
	for _, id := range []string{"left", "goes-on"} {
		tape := b.start(id)
		say(tape, 0, 50)
		tape.Skip()
		tape.drain()
		if err := tape.note(folder, true); err != nil {
			t.Fatal(err)
		}
		if _, err := tape.file.Write([]byte{1, 2, 3}); err != nil { // killed in the middle of a sample
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"orphan.json": `{"recording":"orphan"}`, "x.ogg.part": "half", "torn.raw": strings.Repeat("a", 64*100), "torn.json": "{",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	again := newBed(t, folder, "/nowhere")
	tape := again.start("goes-on") // its room asks for it
	again.run()
	if e := again.next(protocol.RecordingReady); e.Recording != "left" || e.Millis != 1000 || e.PausedMillis != 20 {
		t.Fatalf("%+v", e)
	}
	if e := again.next(protocol.RecordingReady); e.Recording != "torn" || e.Millis != 100 {
		t.Fatalf("%+v", e)
	}
	say(tape, 50, 10)
	tape.Close()
	e := again.next(protocol.RecordingReady)
	if e.Recording != "goes-on" || e.Millis != 1200 || e.PausedMillis != 20 || e.Room != "room" {
		t.Fatalf("%+v", e)
	}
	if files := again.files(); files != "goes-on.json goes-on.wav left.json left.wav torn.json torn.wav" {
		t.Fatalf("left: %s", files)
	}
}

// TestWhatIsFinishedIsNotTouched: it lies there until somebody takes it over, however often the server starts, and
// however it ended.
func TestWhatIsFinishedIsNotTouched(t *testing.T) {
	folder := t.TempDir()
	b := newBed(t, folder, "/nowhere")
	b.run()
	full, empty := b.start("full"), b.start("empty")
	say(full, 0, 10)
	full.Close()
	ready := b.next(protocol.RecordingReady)
	empty.Close()
	if e := b.next(protocol.RecordingFailed); e.Recording != "empty" || e.Room != "room" || e.Cause != "empty" {
		t.Fatalf("%+v", e)
	}
	b.stop()
	if err := os.WriteFile(filepath.Join(folder, "full.raw"), []byte("killed before"), 0o600); err != nil {
		t.Fatal(err) // it could remove this
	}
	facts, err := os.ReadFile(filepath.Join(folder, "full.json"))
	if err != nil {
		t.Fatal(err)
	}

	again := newBed(t, folder, "/nowhere")
	again.run()
	for _, id := range []string{"full", "empty"} {
		if _, err := again.Start(id, "room"); !errors.Is(err, ErrDone) {
			t.Fatalf("recorded over: %v", err)
		}
	}
	tape := again.start("next")
	say(tape, 0, 5)
	tape.Close()
	if e := again.next(protocol.RecordingReady); e.Recording != "next" { // nothing is before it
		t.Fatalf("%+v", e)
	}
	again.checkHash(ready)
	if now, err := os.ReadFile(filepath.Join(folder, "full.json")); err != nil || !bytes.Equal(now, facts) {
		t.Fatalf("%s, %v", now, err)
	}
	if files := again.files(); files != "empty.json full.json full.wav next.json next.wav" {
		t.Fatalf("left: %s", files)
	}
	want := `{"recording":"empty","room":"room","failed":"empty"}`
	if facts, err := os.ReadFile(filepath.Join(folder, "empty.json")); err != nil || string(facts) != want {
		t.Fatalf("%s, %v", facts, err)
	}
}

func TestAnIDIsRecordedOnce(t *testing.T) {
	b := newBed(t, t.TempDir(), "/nowhere")
	tape := b.start("r1")
	if err := b.Free("r1"); err == nil || errors.Is(err, ErrDone) {
		t.Fatalf("%v", err)
	}
	tape.Close()
	if err := b.Free("r1"); !errors.Is(err, ErrDone) {
		t.Fatalf("%v", err)
	}
	if err := b.Free("r2"); err != nil {
		t.Fatal(err)
	}
	_ = tape.file.Close()
}
