package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

const (
	blocks       = 150 // 3 s: as long may the disk stand still before audio is lost
	frameBytes   = media.FrameSamples * 4
	bytesPerMs   = media.Rate * 4 / 1000
	drainEvery   = 200 * time.Millisecond
	drainAtOnce  = 16 // frames in one write
	rawSuffix    = ".raw"
	factsSuffix  = ".json"
	partSuffix   = ".part"
	causeFull    = "disk_full"
	causeWrite   = "write"
	causeEncode  = "encode"
	causeEmpty   = "empty"
	codecOpus    = "opus"
	codecWAV     = "wav"
	opusBitsRate = "48k"
)

// block is one tick of both channels.
type block struct {
	left, right media.Frame
	lost        int // ticks that found no free block before this one: silence keeps the time right
}

// Tape is one recording under way. The tick calls Push or Skip, its owner Close; the Recorder writes.
type Tape struct {
	id, room string
	file     *os.File
	full     chan *block
	free     chan *block
	skipped  atomic.Int64 // ticks left out on purpose
	lost     int          // of the tick
	closed   atomic.Bool

	// Of the writing goroutine.
	facts   facts
	seen    int64 // ms of pause at the last look
	missed  int64 // ticks of silence in the place of lost audio
	failed  bool
	scratch []byte
}

// Push takes what both sides said in this tick; nil is silence. It never blocks and allocates nothing: when
// the disk has stood still for 3 s, audio is lost and silence stands in its place.
func (t *Tape) Push(left, right *media.Frame) {
	var b *block
	select {
	case b = <-t.free:
	default:
		t.lost++
		return
	}
	copyOr(&b.left, left)
	copyOr(&b.right, right)
	b.lost, t.lost = t.lost, 0
	t.full <- b // there are no more blocks than it holds
}

// Skip leaves this tick out of the recording: nothing said in it is kept anywhere.
func (t *Tape) Skip() { t.skipped.Add(1) }

// Close ends the recording; it is encoded and told when its turn comes.
func (t *Tape) Close() { t.closed.Store(true) }

func copyOr(to, from *media.Frame) {
	if from == nil {
		clear(to[:])
	} else {
		*to = *from
	}
}

// openTape begins a spool, or goes on with one that an earlier process left.
func openTape(folder, id, room string) (*Tape, error) {
	t := &Tape{id: id, room: room, full: make(chan *block, blocks), free: make(chan *block, blocks)}
	memory := make([]block, blocks)
	for i := range memory {
		t.free <- &memory[i]
	}
	path := filepath.Join(folder, id)
	left, found, err := readFacts(path + factsSuffix)
	if err != nil {
		return nil, err
	}
	if !found {
		left = facts{Recording: id, Room: room}
		if err := left.write(path + factsSuffix); err != nil {
			return nil, err
		}
	}
	t.facts = left
	t.skipped.Store(left.PausedMillis / media.FrameMillis)
	t.file, err = os.OpenFile(path+rawSuffix, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the spool: %w", err)
	}
	if info, err := t.file.Stat(); err == nil && info.Size()%4 != 0 { // the process died in the middle of a write
		if err := t.file.Truncate(info.Size() - info.Size()%4); err != nil {
			_ = t.file.Close()
			return nil, fmt.Errorf("mend the spool: %w", err)
		}
	}
	return t, nil
}

// drain writes what is waiting. The answer is why the recording fails, once; after that it only makes room.
func (t *Tape) drain() (failure string) {
	for waiting := true; waiting; {
		t.scratch = t.scratch[:0]
		for waiting && len(t.scratch) < drainAtOnce*frameBytes {
			select {
			case b := <-t.full:
				t.take(b)
				t.free <- b
			default:
				waiting = false
			}
		}
		if t.failed || len(t.scratch) == 0 {
			continue
		}
		if _, err := t.file.Write(t.scratch); err != nil {
			t.failed = true
			failure = cause(err)
		}
	}
	return failure
}

func (t *Tape) take(b *block) {
	t.missed += int64(b.lost)
	for range min(b.lost, 60*1000/media.FrameMillis) {
		t.scratch = append(t.scratch, make([]byte, frameBytes)...)
	}
	for i := range b.left {
		l, r := uint16(b.left[i]), uint16(b.right[i])
		t.scratch = append(t.scratch, byte(l), byte(l>>8), byte(r), byte(r>>8))
	}
}

// note keeps how long the recording has been paused, for the case that the process ends: once a pause is over,
// or now.
func (t *Tape) note(folder string, now bool) error {
	paused := t.skipped.Load() * media.FrameMillis
	over := now || paused == t.seen
	t.seen = paused
	if !over || paused == t.facts.PausedMillis {
		return nil
	}
	t.facts.PausedMillis = paused
	return t.facts.write(filepath.Join(folder, t.id+factsSuffix))
}

func cause(err error) string {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return causeFull
	}
	return causeWrite
}

func (t *Tape) event(kind string) protocol.Event {
	return protocol.Event{Kind: kind, Recording: t.id, Room: t.room}
}
