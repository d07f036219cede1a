package mixer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"guichet/mediaserver/internal/protocol"
)

// keep saves a room; a failure costs nothing now, and is told in the log. What was saved before goes then: after a
// restart nobody hears anything, which is better than by a matrix that had been replaced.
func (m *Mixer) keep(r *room) {
	doc := kept{Put: r.put, Room: r.doc, Lost: slices.Sorted(maps.Keys(r.lost))}
	if err := m.deps.Keep.Keep(keptKind, r.doc.ID, doc); err != nil {
		m.deps.Log.Error("a room is not kept: it would not survive a restart", "room", r.doc.ID, "error", err)
		if err := m.deps.Keep.Drop(keptKind, r.doc.ID); err != nil {
			m.deps.Log.Error("a room is kept as it was before", "room", r.doc.ID, "error", err)
		}
	}
}

// Restore takes up the rooms that were kept by an earlier process, before Run. Their files are loaded once Run
// runs: calls go on at once, music a moment later.
func (m *Mixer) Restore() error {
	var found []kept
	err := m.deps.Keep.Each(keptKind, func(id string, data json.RawMessage) error {
		var doc kept
		if err := json.Unmarshal(data, &doc); err != nil || doc.Room.ID != id {
			m.deps.Log.Error("a kept room cannot be read", "room", id, "error", err)
			return nil
		}
		if err := (protocol.Rooms{Rooms: []protocol.Room{doc.Room}}).Check(); err != nil {
			m.deps.Log.Error("a kept room is not valid any more", "room", id, "error", err)
			return nil
		}
		found = append(found, doc)
		return nil
	})
	if err != nil {
		return fmt.Errorf("restore rooms: %w", err)
	}
	slices.SortFunc(found, func(a, b kept) int { return cmp.Compare(a.Put, b.Put) })
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, doc := range found {
		m.install([]protocol.Room{doc.Room}, nil)
		room := m.rooms[doc.Room.ID]
		room.put, m.puts = doc.Put, doc.Put
		for _, endpoint := range doc.Lost {
			if m.where[endpoint] == doc.Room.ID {
				delete(m.where, endpoint)
			}
			room.lost[endpoint] = true
		}
	}
	m.publish(slices.Collect(maps.Values(m.rooms))...)
	return nil
}

// loadRestored loads what restored rooms play.
func (m *Mixer) loadRestored() {
	for {
		r, name, spec := m.unloaded()
		if r == nil {
			return
		}
		loaded, _, err := m.newSource(spec)
		m.mu.Lock()
		waiting := r.sources[name]
		switch {
		case waiting == nil || waiting.player != nil: // the room changed meanwhile
			if err == nil {
				m.release(loaded)
			}
		case err != nil:
			delete(r.sources, name)
			m.deps.Log.Error("a restored room cannot play its source", "room", r.doc.ID, "source", name, "error", err)
			m.deps.Emit(protocol.Event{Kind: protocol.Played, Room: r.doc.ID, Play: name, Cause: "failed"})
		default:
			r.sources[name] = loaded
			m.publish(r)
		}
		m.mu.Unlock()
	}
}

func (m *Mixer) unloaded() (*room, string, protocol.Source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rooms {
		for name, source := range r.sources {
			if source.player == nil {
				return r, name, source.spec
			}
		}
	}
	return nil, "", protocol.Source{}
}
