// Package record writes two-channel recordings: a raw spool while a call goes on, encoded afterwards, one at a
// time, by a process of low priority.
//
// In the spool folder, <id>.raw is the audio (s16le, 16 kHz, left and right interleaved), <id>.json the facts,
// and <id>.ogg (or .wav) the result. A recording is finished when its facts say so and its raw audio is gone; who
// has taken it over removes the result, then the facts. Nothing finished is ever touched again here, so that what
// lies there is the truth, whoever dies. A spool whose process died is encoded at the next start, or gone on with
// when its room still asks for it.
package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// ErrDone refuses to record under the id of a recording that is finished.
var ErrDone = errors.New("a recording of this id is finished: give the next one another id")

// Deps is what a Recorder needs.
type Deps struct {
	Emit protocol.Emit
	// Folder is where recordings lie; it is made when it is missing.
	Folder string
	// FFmpeg is the program that encodes; empty: ffmpeg of the path, if there is one.
	FFmpeg string
	Log    *slog.Logger
}

// Recorder writes all tapes from one goroutine and encodes in another.
type Recorder struct {
	deps Deps
	wake chan struct{} // there may be something to encode

	left []string // until Run: spools that an earlier process left, by id

	mu    sync.Mutex
	tapes map[string]*Tape // under way, by id
	ready []string         // ids to encode
	busy  bool             // one that was of them is being encoded
	told  map[string]bool  // ids whose encoding failed and was told
}

// New makes a Recorder and its folder, and looks what an earlier one left there.
func New(deps Deps) (*Recorder, error) {
	folder, err := filepath.Abs(deps.Folder) // events name it to another process
	if err != nil {
		return nil, fmt.Errorf("find the spool folder: %w", err)
	}
	deps.Folder = folder
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the spool folder: %w", err)
	}
	r := &Recorder{deps: deps, wake: make(chan struct{}, 1), tapes: map[string]*Tape{}, told: map[string]bool{}}
	if err := r.findLeft(); err != nil {
		return nil, err
	}
	return r, nil
}

// Pending counts the recordings under way and those not yet encoded; one whose encoding failed is not among them.
func (r *Recorder) Pending() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy {
		return len(r.tapes) + len(r.ready) + 1
	}
	return len(r.tapes) + len(r.ready)
}

// Free tells whether a recording may begin under this id; ErrDone: there is one that has ended.
func (r *Recorder) Free(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	tape := r.tapes[id]
	if tape != nil && !tape.closed.Load() {
		return fmt.Errorf("recording %s is under way in another room", id)
	}
	if tape != nil || slices.Contains(r.ready, id) {
		return ErrDone
	}
	if finished, _ := r.finished(id); finished {
		return ErrDone
	}
	return nil
}

// Start begins a recording, or goes on with what a process that died left of it.
func (r *Recorder) Start(id, room string) (*Tape, error) {
	if err := r.Free(id); err != nil {
		return nil, err
	}
	tape, err := openTape(r.deps.Folder, id, room)
	if err != nil {
		return nil, fmt.Errorf("begin recording %s: %w", id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tapes[id] = tape
	return tape, nil
}

// Failed tells the outside that a recording could not begin.
func (r *Recorder) Failed(id, room string, err error) {
	r.deps.Log.Error("a recording cannot begin", "recording", id, "room", room, "error", err)
	r.deps.Emit(protocol.Event{Kind: protocol.RecordingFailed, Recording: id, Room: room, Cause: cause(err)})
}

// Run writes and encodes until ctx is done; tapes that are under way then are gone on with at the next start.
func (r *Recorder) Run(ctx context.Context) error {
	r.takeUp()
	var encoding sync.WaitGroup
	encoding.Go(func() { r.encodeAll(ctx) })
	defer encoding.Wait()
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			r.drain(true)
			return nil
		case <-ticker.C:
			r.drain(false)
		}
	}
}

// drain writes what all tapes hold, and ends those that are closed.
func (r *Recorder) drain(stopping bool) {
	r.mu.Lock()
	tapes := make([]*Tape, 0, len(r.tapes))
	for _, tape := range r.tapes {
		tapes = append(tapes, tape)
	}
	r.mu.Unlock()
	for _, tape := range tapes {
		closed := tape.closed.Load() // before the last look: what was pushed before Close is written
		if failure := tape.drain(); failure != "" {
			r.deps.Log.Error("a recording fails", "recording", tape.id, "room", tape.room, "cause", failure)
			event := tape.event(protocol.RecordingFailed)
			event.Cause = failure
			r.deps.Emit(event)
		}
		if err := tape.note(r.deps.Folder, closed || stopping); err != nil && !tape.failed {
			r.deps.Log.Warn("the pause of a recording is not kept", "recording", tape.id, "error", err)
		}
		if closed || stopping {
			r.finish(tape, closed)
		}
	}
}

func (r *Recorder) finish(tape *Tape, closed bool) {
	if err := tape.file.Close(); err != nil {
		r.deps.Log.Error("a spool does not close", "recording", tape.id, "error", err)
	}
	if tape.missed > 0 {
		r.deps.Log.Warn("the disk was too slow for a recording: silence stands in it",
			"recording", tape.id, "ms", tape.missed*media.FrameMillis)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tapes, tape.id)
	if closed {
		r.encodeLater(tape.id)
	}
}

// encodeLater puts an id in the queue; r.mu is held.
func (r *Recorder) encodeLater(id string) {
	r.ready = append(r.ready, id)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// findLeft lists the spools that a process before this one left, before anything is added. It clears up what
// belongs to nothing.
func (r *Recorder) findLeft() error {
	entries, err := os.ReadDir(r.deps.Folder)
	if err != nil {
		return fmt.Errorf("read the spool folder: %w", err)
	}
	names := map[string]bool{}
	for _, entry := range entries {
		names[entry.Name()] = true
	}
	for _, entry := range entries {
		name := entry.Name()
		remove := strings.HasSuffix(name, partSuffix)
		if id, isRaw := strings.CutSuffix(name, rawSuffix); isRaw {
			finished, _ := r.finished(id)
			if remove = finished; !finished { // else the process died just before it would have removed it
				r.left = append(r.left, id)
			}
		} else if id, isFacts := strings.CutSuffix(name, factsSuffix); isFacts {
			finished, err := r.finished(id)
			remove = err == nil && !finished && !names[id+rawSuffix]
		}
		if remove {
			_ = os.Remove(filepath.Join(r.deps.Folder, name))
		}
	}
	return nil
}

// finished tells whether the facts of a recording say that it is.
func (r *Recorder) finished(id string) (bool, error) {
	facts, _, err := readFacts(filepath.Join(r.deps.Folder, id+factsSuffix))
	return facts.finished(), err
}

// takeUp has the spools encoded with which no room goes on.
func (r *Recorder) takeUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range r.left {
		if r.tapes[id] == nil {
			r.encodeLater(id)
		}
	}
	r.left = nil
}

// facts are what is known of a recording beside its audio.
type facts struct {
	Recording    string `json:"recording"`
	Room         string `json:"room"`
	PausedMillis int64  `json:"paused_ms,omitempty"`
	// Of the result, once there is one.
	File   string `json:"file,omitempty"`
	Codec  string `json:"codec,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	Millis int64  `json:"millis,omitempty"`
	// Why there is none, and will be none.
	Failed string `json:"failed,omitempty"`
}

func (f facts) finished() bool { return f.SHA256 != "" || f.Failed != "" }

func (f facts) event(folder string) protocol.Event {
	if f.Failed != "" {
		return protocol.Event{Kind: protocol.RecordingFailed, Recording: f.Recording, Room: f.Room, Cause: f.Failed}
	}
	return protocol.Event{Kind: protocol.RecordingReady, Recording: f.Recording, Room: f.Room, Codec: f.Codec,
		Path: filepath.Join(folder, f.File), SHA256: f.SHA256, Bytes: f.Bytes, Millis: f.Millis, PausedMillis: f.PausedMillis}
}

func readFacts(path string) (out facts, found bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return facts{}, false, nil
	}
	if err != nil {
		return facts{}, false, fmt.Errorf("read the facts of a recording: %w", err)
	}
	if err := json.Unmarshal(data, &out); err != nil { // a host that lost power: the audio is worth more
		return facts{}, false, nil
	}
	return out, true, nil
}

func (f facts) write(path string) error {
	data, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("write down the facts of a recording: %w", err)
	}
	if err := os.WriteFile(path+partSuffix, data, 0o600); err != nil {
		return fmt.Errorf("save the facts of a recording: %w", err)
	}
	if f.finished() { // the raw audio is removed after it: not even a host that loses power may lose both
		if err := syncAll(path + partSuffix); err != nil {
			return err
		}
	}
	if err := os.Rename(path+partSuffix, path); err != nil {
		return fmt.Errorf("save the facts of a recording: %w", err)
	}
	if f.finished() {
		return syncAll(filepath.Dir(path))
	}
	return nil
}

// syncAll brings a file, or the names in a folder, to the disk.
func syncAll(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open what is to be synced: %w", err)
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		return fmt.Errorf("sync a recording: %w", err)
	}
	return nil
}
