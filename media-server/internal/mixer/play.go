package mixer

import (
	"slices"
	"sync/atomic"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/prompt"
	"guichet/mediaserver/internal/protocol"
)

// How a play ended.
const (
	done = int32(iota + 1)
	stopped
	interrupted
)

var causes = map[int32]string{done: "done", stopped: "stopped", interrupted: "interrupted"}

const (
	playsAtOnce = 16 // in a room
	playsKnown  = 64 // ended plays of a room whose ids are remembered, so that an act put again is known
)

// play is something played to some endpoints of a room, over what they hear otherwise.
type play struct {
	doc           protocol.Play
	room          string
	clip          *prompt.Clip
	hearers       map[string]bool // of the Mixer, under mu: who hears it still
	interruptible bool
	ended         atomic.Int32 // why, once it has

	// Of the tick.
	player  *player
	sounded bool
	over    bool
	out     *media.Frame
	buf     media.Frame
}

// end gives the play its cause, if it has none yet.
func (p *play) end(cause int32) { p.ended.CompareAndSwap(0, cause) }

// Play plays something once, or in a loop, to endpoints of a room; the event "played" tells how it ended. Who
// hears another play hears this one from now on. The same play put again changes nothing. Refusals are
// *protocol.Refusal.
func (m *Mixer) Play(roomID string, doc protocol.Play) error {
	if err := doc.Check(); err != nil {
		return err
	}
	m.mu.Lock()
	again, err := m.mayPlay(roomID, doc)
	m.mu.Unlock()
	if err != nil || again {
		return err
	}
	clip, err := m.clipOf(doc.File, doc.Tone) // without the lock: it may take a second
	if err != nil {
		field := "file"
		if doc.Tone != "" {
			field = "tone"
		}
		return protocol.BadField(field, err.Error())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if again, err := m.mayPlay(roomID, doc); err != nil || again {
		m.prompts.Release(clip)
		return err
	}
	r := m.rooms[roomID]
	p := &play{doc: doc, room: roomID, clip: clip, hearers: map[string]bool{}, interruptible: doc.Interruptible,
		player: newPlayer([]*prompt.Clip{clip}, doc.Loop, 0)}
	for _, endpoint := range doc.HeardBy {
		p.hearers[endpoint] = true
		m.deafen(r, endpoint)
	}
	r.plays = append(r.plays, p)
	m.publish(r)
	return nil
}

// mayPlay refuses a play that does not fit what stands; again: it is known already. m.mu is held.
func (m *Mixer) mayPlay(roomID string, doc protocol.Play) (again bool, err error) {
	r := m.rooms[roomID]
	if r == nil {
		return false, protocol.Unknown("room")
	}
	if slices.Contains(r.played, doc.Play) {
		return true, nil
	}
	for _, p := range r.plays {
		if p.doc.Play == doc.Play {
			return true, nil
		}
	}
	if len(r.plays) >= playsAtOnce {
		return false, protocol.Unavailable("too_many_plays", "stop one of the room's plays first")
	}
	for _, endpoint := range doc.HeardBy {
		if m.where[endpoint] != roomID {
			return false, protocol.BadField("heard_by", "each must be an endpoint of this room: put the room first")
		}
	}
	return false, nil
}

// StopPlay ends a play; it is no error when it has ended by itself.
func (m *Mixer) StopPlay(room, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rooms[room]
	if r == nil {
		return protocol.Unknown("room")
	}
	for _, p := range r.plays {
		if p.doc.Play == id {
			p.end(stopped)
			return nil
		}
	}
	if !slices.Contains(r.played, id) {
		return protocol.Unknown("play")
	}
	return nil
}

// Digit tells that the endpoint pressed a key: interruptible plays that it hears end. Which key is not the
// mixer's business. It never blocks: ports may call it in the tick.
func (m *Mixer) Digit(endpoint string) {
	select {
	case m.digits <- endpoint:
	default: // over a thousand keys in a moment: whoever it is, it is heard soon enough
	}
}

// pressed ends what a digit of the endpoint interrupts.
func (m *Mixer) pressed(endpoint string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rooms[m.where[endpoint]]
	if r == nil {
		return
	}
	for _, p := range r.plays {
		if p.interruptible && p.hearers[endpoint] {
			p.end(interrupted)
		}
	}
}

// deafen takes the endpoint from the plays of a room; one that nobody hears any more is stopped. m.mu is held.
func (m *Mixer) deafen(r *room, endpoint string) {
	for _, p := range slices.Clone(r.plays) {
		if delete(p.hearers, endpoint); len(p.hearers) == 0 {
			p.end(stopped)
			m.finishPlay(r, p)
		}
	}
}

// finishPlay takes an ended play from its room and tells of it, once. m.mu is held; the caller publishes.
func (m *Mixer) finishPlay(r *room, p *play) {
	at := slices.Index(r.plays, p)
	if at < 0 {
		return
	}
	r.plays = slices.Delete(r.plays, at, at+1)
	r.played = append(r.played, p.doc.Play)
	if len(r.played) > playsKnown {
		r.played = r.played[1:]
	}
	m.prompts.Release(p.clip)
	m.deps.Emit(protocol.Event{Kind: protocol.Played, Room: p.room, Play: p.doc.Play, Cause: causes[p.ended.Load()]})
}

func (m *Mixer) clipOf(file, tone string) (*prompt.Clip, error) {
	if tone != "" {
		return m.prompts.Tone(tone)
	}
	return m.prompts.File(file)
}
