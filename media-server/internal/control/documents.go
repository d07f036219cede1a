package control

import (
	"maps"
	"net/http"
	"reflect"
	"slices"

	"guichet/mediaserver/internal/protocol"
)

func (s *Server) putRooms(w http.ResponseWriter, r *http.Request) error {
	var rooms protocol.Rooms
	if _, err := body(w, r, &rooms); err != nil {
		return err
	}
	if err := s.deps.Mixer.Apply(rooms.Rooms); err != nil {
		return err
	}
	s.Forward(slices.ContainsFunc(rooms.Rooms, func(r protocol.Room) bool { return len(r.Video) > 0 }))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Forward tells the browsers which video goes where, as the rooms stand: who was moved to another room is
// seen in the old one no more. While there is no video, and none came now, it does nothing.
func (s *Server) Forward(now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !now && len(s.forwards) == 0 {
		return
	}
	next := map[string][]protocol.Forward{}
	for _, room := range s.deps.Mixer.Rooms() {
		for _, forward := range room.Video {
			if slices.Contains(room.Endpoints, forward.From) && slices.Contains(room.Endpoints, forward.To) {
				next[room.ID] = append(next[room.ID], forward)
			}
		}
	}
	if !reflect.DeepEqual(next, s.forwards) {
		s.deps.Browser.SetForwards(maps.Clone(next))
	}
	s.forwards = next
}

func (s *Server) putTrunks(w http.ResponseWriter, r *http.Request) error {
	var trunks protocol.Trunks
	if _, err := body(w, r, &trunks); err != nil {
		return err
	}
	if err := s.deps.Phone.SetTrunks(trunks); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// state reads the number of the last event first: what happens meanwhile is in the state, and comes as an
// event too.
func (s *Server) state(w http.ResponseWriter, _ *http.Request) error {
	state := protocol.State{Epoch: s.deps.Journal.Epoch(), Seq: s.deps.Journal.Seq()}
	state.Endpoints = s.endpoints()
	state.Rooms = append([]protocol.Room{}, s.deps.Mixer.Rooms()...)
	state.TrunksRev = s.deps.Phone.TrunksRev()
	rooms := map[string]string{}
	for _, room := range state.Rooms {
		for _, endpoint := range room.Endpoints {
			rooms[endpoint] = room.ID
		}
	}
	for i := range state.Endpoints {
		state.Endpoints[i].Room = rooms[state.Endpoints[i].ID]
	}
	answer(w, state)
	return nil
}

func (s *Server) endpoints() []protocol.Endpoint {
	all := slices.Concat(s.deps.Phone.Endpoints(), s.deps.Browser.Endpoints(), s.deps.Sockets.Endpoints())
	return append([]protocol.Endpoint{}, all...) // an empty list, never null
}

func (s *Server) stats(w http.ResponseWriter, _ *http.Request) error {
	figures := map[string]any{
		"epoch": s.deps.Journal.Epoch(), "seq": s.deps.Journal.Seq(), "readers": s.deps.Journal.Readers(),
	}
	counts := map[string]int{}
	for _, endpoint := range s.endpoints() {
		counts[endpoint.Kind+"_"+endpoint.State]++
	}
	figures["endpoints"] = counts
	maps.Copy(figures, s.deps.Figures())
	answer(w, figures)
	return nil
}
