package control

import (
	"crypto/rand"
	"encoding/json"
	"sync"
	"time"

	"guichet/mediaserver/internal/protocol"
)

// JournalLength is how many events a reader may be behind before it has to read /v1/state.
const JournalLength = 65_536

// Journal numbers events and keeps the last of them, written down, for readers that come back.
type Journal struct {
	epoch   string
	length  int
	mu      sync.Mutex
	last    uint64
	frames  [][]byte // the frame of seq s is at (s-1) % length
	readers map[chan struct{}]bool
}

// NewJournal begins a new epoch with room for length events.
func NewJournal(length int) *Journal {
	return &Journal{epoch: rand.Text(), length: length, readers: map[chan struct{}]bool{}}
}

// Emit is a protocol.Emit: it numbers the event and wakes the readers, and waits for none of them.
func (j *Journal) Emit(event protocol.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	event.Epoch, event.Seq, event.At = j.epoch, j.last+1, time.Now().UnixMilli()
	frame, err := json.Marshal(event)
	if err != nil { // an infinite figure of quality: the event is worth more than the figure
		event.Loss, event.JitterMillis, event.DelayMillis = 0, 0, 0
		frame, _ = json.Marshal(event)
	}
	if at := int(j.last % uint64(j.length)); at < len(j.frames) {
		j.frames[at] = frame
	} else {
		j.frames = append(j.frames, frame)
	}
	j.last++
	for reader := range j.readers {
		select {
		case reader <- struct{}{}:
		default:
		}
	}
}

// Epoch names this run.
func (j *Journal) Epoch() string { return j.epoch }

// Oldest is the number of the event before the first that is kept.
func (j *Journal) Oldest() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last - uint64(len(j.frames))
}

// Seq is the number of the last event; 0 before the first.
func (j *Journal) Seq() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// After gives at most limit frames that follow seq, in their order. It is false when they cannot be given
// without a gap: some are forgotten, or seq is not yet.
func (j *Journal) After(seq uint64, limit int) ([][]byte, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if seq > j.last || j.last-seq > uint64(len(j.frames)) {
		return nil, false
	}
	count := min(int(j.last-seq), limit)
	frames := make([][]byte, count)
	for i := range frames {
		frames[i] = j.frames[(seq+uint64(i))%uint64(j.length)]
	}
	return frames, true
}

// Reading counts as a reader until done is called; woken has something when there are new events.
func (j *Journal) Reading() (woken <-chan struct{}, done func()) {
	reader := make(chan struct{}, 1)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.readers[reader] = true
	return reader, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.readers, reader)
	}
}

// Readers counts them.
func (j *Journal) Readers() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.readers)
}
