package mixer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"guichet/mediaserver/internal/prompt"
	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/record"
)

const (
	keptKind    = "rooms"
	closedKnown = 4096 // closed rooms whose revision is remembered, so that a late put does not open them again
	takenWithin = 1500 * time.Millisecond
)

// room is one conversation: what is desired, and what runs for it. All of it is under m.mu.
type room struct {
	doc      protocol.Room
	put      uint64          // the put that set it; of two that name an endpoint, the later has it
	lost     map[string]bool // endpoints that another room has taken since
	sources  map[string]*source
	plays    []*play
	played   []string // ids of plays that ended
	tape     *record.Tape
	beep     *beep
	compiled *roomPlan
}

// source is a Source at work.
type source struct {
	spec   protocol.Source
	clips  []*prompt.Clip
	player *player // nil: its files are still being loaded
}

// kept is a room as it is saved.
type kept struct {
	Put  uint64        `json:"put"`
	Room protocol.Room `json:"room"`
	Lost []string      `json:"lost,omitempty"`
}

// Apply puts whole rooms: all of them change between the same two ticks, or a *protocol.Refusal says why
// nothing did. It returns when no tick runs on what stood before.
func (m *Mixer) Apply(docs []protocol.Room) error {
	if err := (protocol.Rooms{Rooms: docs}).Check(); err != nil {
		return err
	}
	m.mu.Lock()
	_, err := m.fresh(docs)
	m.mu.Unlock()
	if err != nil {
		return err
	}
	loaded, err := m.load(docs) // without the lock: it may take a second
	if err != nil {
		return err
	}
	m.mu.Lock()
	fresh, err := m.fresh(docs)
	if err != nil {
		m.mu.Unlock()
		m.unload(loaded)
		return err
	}
	changed := m.install(fresh, loaded)
	p := m.publish(changed...)
	for _, r := range changed {
		m.keep(r)
	}
	m.mu.Unlock()
	m.unload(loaded) // what was not needed
	m.await(p)
	return nil
}

// fresh are those of docs that change something; a refusal when one of them must not. m.mu is held.
func (m *Mixer) fresh(docs []protocol.Room) ([]protocol.Room, error) {
	var out []protocol.Room
	recordings := map[string]int{}
	for i, doc := range docs {
		path := fmt.Sprintf("rooms[%d]", i)
		rev, same := m.closed[doc.ID], doc.Closed
		if r := m.rooms[doc.ID]; r != nil {
			rev, same = r.doc.Rev, alike(r.doc, doc)
		}
		switch {
		case doc.Rev < rev, doc.Rev == rev && !same:
			return nil, protocol.OldRev(path+".rev", rev)
		case doc.Rev == rev:
			continue
		}
		if bad := m.takes(doc, path); bad != nil {
			return nil, bad
		}
		if err := m.mayRecord(doc); err != nil {
			return nil, protocol.Refuse(http.StatusConflict, "recording_id", path+".recording.id", err.Error())
		}
		if doc.Recording != nil {
			if recordings[doc.Recording.ID]++; recordings[doc.Recording.ID] > 1 {
				return nil, protocol.BadField(path+".recording.id", "a recording belongs to one room")
			}
		}
		out = append(out, doc)
	}
	return out, nil
}

// takes refuses a room of the server's own that would take an endpoint from where Guichet has put it. m.mu is held.
func (m *Mixer) takes(doc protocol.Room, path string) *protocol.Refusal {
	if !strings.HasPrefix(doc.ID, protocol.ParkedRoom) {
		return nil
	}
	for i, endpoint := range doc.Endpoints {
		if in := m.where[endpoint]; in != "" && in != doc.ID {
			return protocol.Refuse(http.StatusConflict, "endpoint_taken", fmt.Sprintf("%s.endpoints[%d]", path, i),
				"it is in a room of its own: leave it there")
		}
	}
	return nil
}

// alike tells whether two rooms say the same: what is empty may be absent.
func alike(a, b protocol.Room) bool {
	one, err := json.Marshal(a)
	other, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(one, other)
}

// mayRecord refuses the id of a recording that has ended, or runs elsewhere. m.mu is held.
func (m *Mixer) mayRecord(doc protocol.Room) error {
	r := m.rooms[doc.ID]
	if doc.Recording == nil || r != nil && r.tape != nil && r.doc.Recording.ID == doc.Recording.ID {
		return nil
	}
	return m.recorder.Free(doc.Recording.ID)
}

// install makes docs what stands, and answers the rooms to be drawn up anew. m.mu is held.
func (m *Mixer) install(docs []protocol.Room, loaded map[string]*source) []*room {
	m.puts++
	changed := map[*room]bool{}
	for _, doc := range docs { // first all leave, then all enter: what is in one of docs stays there
		for _, endpoint := range doc.Endpoints {
			if from := m.rooms[m.where[endpoint]]; from != nil && from.doc.ID != doc.ID {
				from.lost[endpoint] = true
				m.deafen(from, endpoint)
				changed[from] = true
			}
		}
		if r := m.rooms[doc.ID]; r != nil {
			for _, endpoint := range r.doc.Endpoints {
				if m.where[endpoint] == doc.ID {
					delete(m.where, endpoint)
				}
			}
		}
	}
	for _, doc := range docs {
		if doc.Closed {
			m.close(doc)
			continue
		}
		r := m.rooms[doc.ID]
		if r == nil {
			r = &room{sources: map[string]*source{}}
			m.rooms[doc.ID] = r
			delete(m.closed, doc.ID)
		}
		m.setRecording(r, doc)
		m.setSources(r, doc, loaded)
		r.doc, r.put, r.lost = doc, m.puts, map[string]bool{}
		for _, endpoint := range doc.Endpoints {
			m.where[endpoint] = doc.ID
		}
		for _, play := range slices.Clone(r.plays) {
			for endpoint := range play.hearers {
				if m.where[endpoint] != doc.ID {
					m.deafen(r, endpoint)
				}
			}
		}
		changed[r] = true
	}
	var out []*room
	for r := range changed {
		if m.rooms[r.doc.ID] == r {
			out = append(out, r)
		}
	}
	return out
}

// close ends a room.
func (m *Mixer) close(doc protocol.Room) {
	m.closed[doc.ID] = doc.Rev
	m.closedOrder = append(m.closedOrder, doc.ID)
	if len(m.closedOrder) > closedKnown {
		if first := m.closedOrder[0]; !slices.Contains(m.closedOrder[1:], first) {
			delete(m.closed, first)
		}
		m.closedOrder = m.closedOrder[1:]
	}
	r := m.rooms[doc.ID]
	if r == nil {
		return
	}
	delete(m.rooms, doc.ID)
	for _, play := range slices.Clone(r.plays) {
		play.end(stopped)
		m.finishPlay(r, play)
	}
	m.setRecording(r, doc)
	for _, source := range r.sources {
		m.release(source)
	}
	if err := m.deps.Keep.Drop(keptKind, doc.ID); err != nil {
		m.deps.Log.Error("a closed room is not forgotten", "room", doc.ID, "error", err)
	}
}

// setRecording begins, ends or goes on with the recording of r; r.doc is still what stood before.
func (m *Mixer) setRecording(r *room, doc protocol.Room) {
	was, want := r.doc.Recording, doc.Recording
	if r.tape != nil && (want == nil || want.ID != was.ID) {
		r.tape.Close()
		r.tape, r.beep = nil, nil
	}
	if want == nil {
		return
	}
	if r.tape == nil {
		tape, err := m.recorder.Start(want.ID, doc.ID)
		if err != nil {
			m.recorder.Failed(want.ID, doc.ID, err)
			return
		}
		r.tape = tape
	}
	if want.BeepEveryMillis == 0 {
		r.beep = nil
	} else if r.beep == nil || was == nil || was.BeepEveryMillis != want.BeepEveryMillis {
		r.beep = newBeep(m.beepClip, want.BeepEveryMillis)
	}
}

// setSources takes the sources of doc: those that stay the same play on where they are.
func (m *Mixer) setSources(r *room, doc protocol.Room, loaded map[string]*source) {
	next := make(map[string]*source, len(doc.Sources))
	for name, spec := range doc.Sources {
		if old := r.sources[name]; old != nil && reflect.DeepEqual(old.spec, spec) {
			next[name] = old
			delete(r.sources, name)
			continue
		}
		key := doc.ID + "\n" + name
		if next[name] = loaded[key]; next[name] == nil {
			next[name] = &source{spec: spec} // it comes later
		}
		delete(loaded, key)
	}
	for _, old := range r.sources {
		m.release(old)
	}
	r.sources = next
}

// load gets the clips of all sources that are new, by room and name.
func (m *Mixer) load(docs []protocol.Room) (map[string]*source, error) {
	loaded := map[string]*source{}
	for i, doc := range docs {
		for name, spec := range doc.Sources {
			if m.runs(doc.ID, name, spec) {
				continue
			}
			source, field, err := m.newSource(spec)
			if err != nil {
				m.unload(loaded)
				return nil, protocol.BadField(fmt.Sprintf("rooms[%d].sources.%s.%s", i, name, field), err.Error())
			}
			loaded[doc.ID+"\n"+name] = source
		}
	}
	return loaded, nil
}

func (m *Mixer) runs(roomID, name string, spec protocol.Source) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rooms[roomID]
	return r != nil && r.sources[name] != nil && reflect.DeepEqual(r.sources[name].spec, spec)
}

// newSource loads a source; field is the one at fault.
func (m *Mixer) newSource(spec protocol.Source) (_ *source, field string, _ error) {
	out := &source{spec: spec}
	get := func(at, file, tone string) error {
		clip, err := m.clipOf(file, tone)
		if err != nil {
			field = at
			m.release(out)
			return err
		}
		out.clips = append(out.clips, clip)
		return nil
	}
	if spec.Tone != "" {
		if err := get("tone", "", spec.Tone); err != nil {
			return nil, field, err
		}
	}
	for i, file := range spec.Files {
		if err := get(fmt.Sprintf("files[%d]", i), file, ""); err != nil {
			return nil, field, err
		}
	}
	out.player = newPlayer(slices.Clone(out.clips), true, spec.Gain)
	if spec.Announcement != "" {
		if err := get("announcement", spec.Announcement, ""); err != nil {
			return nil, field, err
		}
		out.player.announcement = out.clips[len(out.clips)-1]
		out.player.every = spec.EveryMillis * samplesPerMs
	}
	return out, "", nil
}

func (m *Mixer) unload(sources map[string]*source) {
	for _, source := range sources {
		m.release(source)
	}
}

func (m *Mixer) release(s *source) {
	for _, clip := range s.clips {
		m.prompts.Release(clip)
	}
	s.clips = nil
}
