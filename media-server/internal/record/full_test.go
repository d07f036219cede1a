package record

import (
	"syscall"
	"testing"
	"time"

	"guichet/mediaserver/internal/protocol"
)

// TestADiskThatFillsUp: what was written until then is kept, and encoded once there is room again.
func TestADiskThatFillsUp(t *testing.T) {
	folder := t.TempDir()
	mount := func(flags uintptr, size string) error {
		return syscall.Mount("guichet-test", folder, "tmpfs", flags, "size="+size)
	}
	if err := mount(0, "256k"); err != nil {
		t.Skipf("only who may mount can try this: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) })
	b := newBed(t, folder, "/nowhere")
	b.run()
	tape := b.start("r1")
	for from := 0; from < 300; from += 100 { // 6 s want 384 kB
		for len(tape.free) < blocks {
			time.Sleep(time.Millisecond)
		}
		say(tape, from, 100)
	}
	if e := b.next(protocol.RecordingFailed); e.Cause != "disk_full" {
		t.Fatalf("%+v", e)
	}
	tape.Close()
	if e := b.next(protocol.RecordingFailed); e.Cause != "encode" {
		t.Fatalf("%+v", e)
	}
	b.stop()
	if err := mount(syscall.MS_REMOUNT, "2m"); err != nil {
		t.Fatal(err)
	}
	again := newBed(t, folder, "/nowhere")
	again.run()
	e := again.next(protocol.RecordingReady)
	if e.Millis < 3500 || e.Millis > 4096 {
		t.Fatalf("%+v", e)
	}
	again.checkHash(e)
	again.stop()
}
