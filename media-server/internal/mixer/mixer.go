// Package mixer decides in every tick of 20 ms who hears whom, and moves the audio.
//
// Changes come from any goroutine, under a lock that the tick never takes: each makes a new plan, and the tick
// takes up the latest plan when it begins. So a change of many rooms is one change, and the tick waits for
// nobody. What the tick notices (somebody talks, a play is over) goes the other way, to a goroutine that tells.
package mixer

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/prompt"
	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/record"
)

const (
	samplesPerMs = media.Rate / 1000
	framesAtMost = protocol.MaxEndpoints + protocol.MaxSources + 1 // in one mix, a beep among them
)

// Deps is what a Mixer needs.
type Deps struct {
	Emit protocol.Emit
	Keep media.Keeper
	// Prompts is the only folder from which files are played, Spool where recordings are written.
	Prompts string
	Spool   string
	Log     *slog.Logger
}

// Mixer holds the rooms. All its methods may be called from any goroutine, before Run too.
type Mixer struct {
	deps     Deps
	prompts  *prompt.Store
	recorder *record.Recorder
	beepClip *prompt.Clip
	clock    clock

	mu          sync.Mutex // never taken by the tick
	rooms       map[string]*room
	where       map[string]string // endpoint -> room; in one at a time
	slots       map[string]*slot
	closed      map[string]uint64 // revisions of closed rooms
	closedOrder []string
	puts        uint64

	plan    atomic.Pointer[plan]
	running atomic.Bool
	post    post
	digits  chan string // endpoints that pressed a key
	figures figures

	// Of the tick.
	count  uint64
	frames []*media.Frame // room for the parts of one mix
	news   []news
}

// New makes a Mixer; it fails when the folder of prompts or recordings cannot be had.
func New(deps Deps) (*Mixer, error) {
	prompts, err := prompt.Open(deps.Prompts, prompt.DefaultBytes)
	if err != nil {
		return nil, fmt.Errorf("start the mixer: %w", err)
	}
	recorder, err := record.New(record.Deps{Emit: deps.Emit, Folder: deps.Spool, Log: deps.Log})
	if err != nil {
		return nil, fmt.Errorf("start the mixer: %w", err)
	}
	beep, err := prompts.Tone("beep")
	if err != nil {
		return nil, fmt.Errorf("start the mixer: %w", err)
	}
	m := &Mixer{
		deps: deps, prompts: prompts, recorder: recorder, beepClip: beep, clock: machine{time.Now()},
		rooms: map[string]*room{}, where: map[string]string{}, slots: map[string]*slot{}, closed: map[string]uint64{},
		post: post{wake: make(chan struct{}, 1)}, digits: make(chan string, 1024), frames: make([]*media.Frame, 0, framesAtMost),
	}
	m.plan.Store(&plan{taken: make(chan struct{})})
	return m, nil
}

// Run ticks until ctx is done. What is recorded then goes on at the next start.
func (m *Mixer) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { m.tell(ctx) })
	all.Go(m.loadRestored)
	all.Go(func() { m.beat(ctx) })
	err := m.recorder.Run(ctx)
	all.Wait()
	return err
}

// beat is the loop of the tick, in a thread of its own that ends with it.
func (m *Mixer) beat(ctx context.Context) {
	runtime.LockOSThread() // for good: its priority must not go to others
	granted := realtime()
	m.figures.realtime.Store(granted)
	m.deps.Log.Info("the mixer ticks", "realtime", granted)
	m.running.Store(true)
	defer m.running.Store(false)
	times := beat{clock: m.clock}
	for ctx.Err() == nil {
		late, gap, skipped := times.wait()
		m.figures.tick(late, gap, skipped)
		if skipped > 0 {
			m.skip(skipped)
		}
		m.tick()
	}
}

// await returns once a tick has begun on the plan, or none runs.
func (m *Mixer) await(p *plan) {
	if !m.running.Load() {
		return
	}
	timeout := time.NewTimer(takenWithin)
	defer timeout.Stop()
	select {
	case <-p.taken:
	case <-timeout.C: // the server is stopping
	}
}

// Attach lets the port speak and hear from the next tick on. A port of the same id is replaced.
func (m *Mixer) Attach(port media.Port) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := port.ID()
	m.slots[id] = &slot{id: id, port: port}
	m.publish(m.roomsOf(id)...)
}

// Detach ends that, and takes the endpoint out of its plays. The tick that is under way may still call the
// port once.
func (m *Mixer) Detach(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slots[id] == nil {
		return
	}
	delete(m.slots, id)
	rooms := m.roomsOf(id)
	for _, r := range rooms {
		m.deafen(r, id)
	}
	m.publish(rooms...)
}

func (m *Mixer) roomsOf(endpoint string) []*room {
	if r := m.rooms[m.where[endpoint]]; r != nil {
		return []*room{r}
	}
	return nil
}

// Rooms are the rooms as they stand, by id; one that lost an endpoint to another room shows it no more.
func (m *Mixer) Rooms() []protocol.Room {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]protocol.Room, 0, len(m.rooms))
	for _, r := range m.rooms {
		doc := r.doc
		doc.Endpoints = slices.DeleteFunc(slices.Clone(doc.Endpoints), func(e string) bool { return r.lost[e] })
		out = append(out, doc)
	}
	slices.SortFunc(out, func(a, b protocol.Room) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Levels of all attached endpoints over the last whole 200 ms, by endpoint: poll it at 5 Hz.
func (m *Mixer) Levels() []protocol.Level {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]protocol.Level, 0, len(m.slots))
	for id, s := range m.slots {
		level := protocol.Level{Endpoint: id, Room: m.where[id]}
		level.DB, level.Talking = s.voice.read()
		out = append(out, level)
	}
	slices.SortFunc(out, func(a, b protocol.Level) int { return cmp.Compare(a.Endpoint, b.Endpoint) })
	return out
}

// Stats are the figures of the tick.
func (m *Mixer) Stats() Stats {
	m.mu.Lock()
	ports, rooms := len(m.slots), len(m.rooms)
	m.mu.Unlock()
	out := m.figures.read()
	out.Ports, out.Rooms, out.Recordings = ports, rooms, m.recorder.Pending()
	return out
}
