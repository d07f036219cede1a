package control

import (
	"context"
	"net/http"
	"strings"
	"time"

	"guichet/mediaserver/internal/protocol"
)

const (
	parkAfter = 3 * time.Second
	tendEvery = 250 * time.Millisecond
)

// Parking says what becomes of calls while nobody reads events: How is early, answer or off.
type Parking struct {
	How    string
	Prompt string
}

// tend parks calls, and tells when a draining server is empty.
func (s *Server) tend(ctx context.Context) {
	parking := &parking{server: s, waiting: map[string]time.Time{}, rooms: map[string]string{}}
	for _, room := range s.deps.Mixer.Rooms() {
		if call, parked := strings.CutPrefix(room.ID, protocol.ParkedRoom); parked {
			parking.rooms[call] = room.ID
		}
	}
	ticker := time.NewTicker(tendEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			parking.due(now)
			parking.drop()
			if s.isDraining() && s.isEmpty() {
				close(s.drained)
				return
			}
		}
	}
}

// parking gives the default prompt to calls that come in while nobody reads events. Guichet takes such a
// call by putting it into a room of its own; the parked room then goes.
type parking struct {
	server  *Server
	waiting map[string]time.Time
	rooms   map[string]string // by call
}

func (p *parking) due(now time.Time) {
	deps := p.server.deps
	if deps.Parking.How == "off" || deps.Journal.Readers() > 0 {
		clear(p.waiting)
		return
	}
	there, taken := map[string]bool{}, p.taken()
	for _, call := range deps.Phone.Endpoints() {
		if !call.Incoming || call.State != "offered" && call.State != "ringing" || taken[call.ID] {
			continue
		}
		there[call.ID] = true
		since, known := p.waiting[call.ID]
		switch {
		case !known:
			p.waiting[call.ID] = now
		case now.Sub(since) >= parkAfter:
			p.waiting[call.ID] = now // should it still stand there, try again later
			if err := p.call(call.ID); err != nil {
				deps.Log.Warn("a call could not be parked", "endpoint", call.ID, "error", err)
			}
		}
	}
	for id := range p.waiting {
		if !there[id] {
			delete(p.waiting, id)
		}
	}
}

// taken are the calls that Guichet has put into rooms: there they stay, whatever becomes of Guichet.
func (p *parking) taken() map[string]bool {
	calls := map[string]bool{}
	for _, room := range p.server.deps.Mixer.Rooms() {
		for _, call := range room.Endpoints {
			calls[call] = room.ID != protocol.ParkedRoom+call
		}
	}
	return calls
}

func (p *parking) call(id string) error {
	deps := p.server.deps
	prompt := protocol.Source{Tone: "ringback"}
	if deps.Parking.Prompt != "" {
		prompt = protocol.Source{Files: []string{deps.Parking.Prompt}}
	}
	room := protocol.Room{
		ID: protocol.ParkedRoom + id, Rev: 1, Endpoints: []string{id},
		Hears: map[string][]string{id: {"prompt"}}, Sources: map[string]protocol.Source{"prompt": prompt},
	}
	if err := deps.Mixer.Apply([]protocol.Room{room}); err != nil {
		return err
	}
	p.rooms[id] = room.ID
	take := deps.Phone.Early
	if deps.Parking.How == "answer" {
		take = deps.Phone.Answer
	}
	if err := take(id); err != nil {
		return err
	}
	deps.Journal.Emit(protocol.Event{Kind: protocol.Parked, Endpoint: id, Room: room.ID})
	return nil
}

// drop closes the parked rooms whose call is over, or was taken into another room.
func (p *parking) drop() {
	if len(p.rooms) == 0 {
		return
	}
	there := map[string]bool{}
	for _, call := range p.server.deps.Phone.Endpoints() {
		there[call.ID] = true
	}
	standing := map[string]protocol.Room{}
	for _, room := range p.server.deps.Mixer.Rooms() {
		standing[room.ID] = room
	}
	for call, id := range p.rooms {
		room, open := standing[id]
		if open && there[call] && len(room.Endpoints) > 0 {
			continue
		}
		delete(p.rooms, call)
		if !open {
			continue
		}
		if err := p.server.deps.Mixer.Apply([]protocol.Room{{ID: id, Rev: room.Rev + 1, Closed: true}}); err != nil {
			p.server.deps.Log.Warn("a parked room could not be closed", "error", err)
		}
	}
}

// drain lets nothing new in; the server ends when its last call has.
func (s *Server) drain(w http.ResponseWriter, _ *http.Request) error {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	s.deps.Phone.Drain()
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// Drained is closed when a server that was asked to drain is empty.
func (s *Server) Drained() <-chan struct{} { return s.drained }

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// isEmpty: no call is left, nobody is in a room, all recordings are encoded. Browsers that only wait come back
// to the next server.
func (s *Server) isEmpty() bool {
	if s.deps.Busy() {
		return false
	}
	there := map[string]bool{}
	for _, endpoint := range s.endpoints() {
		if endpoint.Kind == "phone" {
			return false
		}
		there[endpoint.ID] = true
	}
	for _, room := range s.deps.Mixer.Rooms() {
		for _, endpoint := range room.Endpoints {
			if there[endpoint] {
				return false
			}
		}
	}
	return true
}
