package record

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guichet/mediaserver/internal/protocol"
)

// encoderScript is a program that passes for ffmpeg: it notes what it is asked, its priority, and whether
// another one runs.
func encoderScript(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	script := "#!/bin/sh\ncase \"$*\" in *-encoders*) echo libopus; exit;; esac\nfor last; do :; done\n" + body
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheEncoderIsNicedAndAlone(t *testing.T) {
	notes := t.TempDir()
	script := encoderScript(t, fmt.Sprintf(`mkdir %[1]s/busy || echo two >> %[1]s/wrong
sleep 0.2
nice > "$last"
rmdir %[1]s/busy
`, notes))
	b := newBed(t, t.TempDir(), script)
	b.run()
	for _, id := range []string{"a", "b", "c"} {
		tape := b.start(id)
		say(tape, 0, 5)
		tape.Close()
	}
	for range 3 {
		if data := b.checkHash(b.next(protocol.RecordingReady)); strings.TrimSpace(string(data)) != "19" {
			t.Fatalf("a nice value of %s", data)
		}
	}
	if wrong, err := os.ReadFile(filepath.Join(notes, "wrong")); err == nil {
		t.Fatalf("two at once: %s", wrong)
	}
}

func TestAnEncoderThatFailsLeavesTheSpool(t *testing.T) {
	folder := t.TempDir()
	b := newBed(t, folder, encoderScript(t, "echo half > \"$last\"; exit 1\n"))
	b.run()
	tape := b.start("r1")
	say(tape, 0, 5)
	tape.Close()
	if e := b.next(protocol.RecordingFailed); e.Cause != "encode" || e.Room != "room" {
		t.Fatalf("%+v", e)
	}
	b.stop()
	if files := b.files(); files != "r1.json r1.raw" {
		t.Fatalf("left: %s", files)
	}
	again := newBed(t, folder, "/nowhere")
	again.run()
	if e := again.next(protocol.RecordingReady); e.Millis != 100 {
		t.Fatalf("%+v", e)
	}
}

func TestTheEncoderEndsWithTheServer(t *testing.T) {
	notes := t.TempDir()
	b := newBed(t, t.TempDir(), encoderScript(t, fmt.Sprintf("echo $$ > %s/pid.part; mv %[1]s/pid.part %[1]s/pid; exec sleep 60\n", notes)))
	b.run()
	tape := b.start("r1")
	say(tape, 0, 5)
	tape.Close()
	var pid []byte
	for pid == nil {
		time.Sleep(5 * time.Millisecond)
		pid, _ = os.ReadFile(filepath.Join(notes, "pid"))
	}
	b.stop()
	if _, err := os.Stat("/proc/" + strings.TrimSpace(string(pid))); err == nil {
		t.Fatal("it outlives the recorder")
	}
	if files := b.files(); files != "r1.json r1.raw" {
		t.Fatalf("left: %s", files)
	}
	if len(b.events) != 0 {
		t.Fatalf("told %+v", <-b.events)
	}
}
