package mixer

import (
	"slices"
	"strings"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/record"
)

// slot is an attached port, and what the tick knows of it.
type slot struct {
	id     string
	port   media.Port
	spoke  bool // in this tick: frame is what it said
	begins bool // it began to talk in this tick
	frame  media.Frame
	voice  voice
}

// plan is all that a tick works on. A plan does not change: changes make a new one, which the tick takes up
// when it begins. What plans point to goes over from one to the next and belongs to the tick.
type plan struct {
	slots []*slot
	rooms []*roomPlan
	idle  []*slot // in no room: they hear nothing

	taken chan struct{} // closed when a tick begins on this plan
	begun bool          // of the tick
	prev  *plan         // of the tick: plans never begun are taken with the one that replaced them
}

// begin marks the plan as the one at work.
func (p *plan) begin() {
	for q := p; q != nil && !q.begun; q = q.prev {
		q.begun = true
		close(q.taken)
	}
	p.prev = nil
}

type roomPlan struct {
	mixes []mix
	plays []playing
	tap   *tap // nil: not recorded
}

// mix is one set of sources, and all who hear just that.
type mix struct {
	slots   []*slot
	sources []*player
	hearers []hearer

	out *media.Frame // of this tick
	buf media.Frame
}

type hearer struct {
	slot *slot
	play *play // nil: none
}

// playing is a play, and whether one who is to hear it is attached: else it stands still.
type playing struct {
	*play
	heard bool
}

// tap takes a room's recording.
type tap struct {
	tape        *record.Tape
	left, right []*slot
	paused      bool
	beep        *beep // nil: none

	sides [2]media.Frame // room for mixes of one side
}

// publish makes a new plan of what stands, the rooms named drawn up anew, for the next tick. m.mu is held.
func (m *Mixer) publish(changed ...*room) *plan {
	for _, r := range changed {
		r.compiled = m.compile(r)
	}
	next := &plan{
		slots: make([]*slot, 0, len(m.slots)), rooms: make([]*roomPlan, 0, len(m.rooms)),
		taken: make(chan struct{}),
	}
	if m.running.Load() {
		next.prev = m.plan.Load()
	}
	for id, slot := range m.slots {
		next.slots = append(next.slots, slot)
		if m.where[id] == "" {
			next.idle = append(next.idle, slot)
		}
	}
	for _, r := range m.rooms {
		next.rooms = append(next.rooms, r.compiled)
	}
	m.plan.Store(next)
	return next
}

// compile draws a room up for the tick. m.mu is held.
func (m *Mixer) compile(r *room) *roomPlan {
	out := &roomPlan{}
	listens := map[string]*play{}
	for _, play := range r.plays {
		heard := false
		for endpoint := range play.hearers {
			listens[endpoint] = play
			heard = heard || m.here(r, endpoint) != nil
		}
		out.plays = append(out.plays, playing{play, heard})
	}
	at := map[string]int{} // in out.mixes, by what is heard
	for _, endpoint := range r.doc.Endpoints {
		slot := m.here(r, endpoint)
		if slot == nil {
			continue
		}
		slots, sources, key := m.heardBy(r, endpoint)
		i, found := at[key]
		if !found {
			i = len(out.mixes)
			at[key] = i
			out.mixes = append(out.mixes, mix{slots: slots, sources: sources})
		}
		out.mixes[i].hearers = append(out.mixes[i].hearers, hearer{slot, listens[endpoint]})
	}
	if r.tape != nil {
		left, right := m.allHere(r, r.doc.Recording.Left), m.allHere(r, r.doc.Recording.Right)
		nobody := len(left)+len(right) == 0 // silence for days would fill the disk
		out.tap = &tap{tape: r.tape, paused: r.doc.Recording.Paused || nobody, beep: r.beep, left: left, right: right}
	}
	return out
}

// heardBy is what an endpoint of the room is to hear and what of it is there, with a key that is the same for
// the same set.
func (m *Mixer) heardBy(r *room, endpoint string) (slots []*slot, sources []*player, key string) {
	heard := slices.Clone(r.doc.Hears[endpoint])
	slices.Sort(heard)
	for _, name := range heard {
		if slot := m.here(r, name); slot != nil {
			slots = append(slots, slot)
		} else if source := r.sources[name]; source != nil && source.player != nil {
			sources = append(sources, source.player)
		}
	}
	return slots, sources, strings.Join(heard, "\n")
}

// here is the slot of an endpoint that is in this room and attached, or nil.
func (m *Mixer) here(r *room, endpoint string) *slot {
	if m.where[endpoint] != r.doc.ID {
		return nil
	}
	return m.slots[endpoint]
}

func (m *Mixer) allHere(r *room, endpoints []string) []*slot {
	var out []*slot
	for _, endpoint := range endpoints {
		if slot := m.here(r, endpoint); slot != nil {
			out = append(out, slot)
		}
	}
	return out
}
