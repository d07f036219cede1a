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
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.deps.Mixer.Apply(rooms.Rooms); err != nil {
		return err
	}
	s.forward(rooms.Rooms)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// forward tells the browsers which video goes where, when these rooms changed that. Who moved to another
// room is not seen in the old one any more, whether that one was put again or not.
func (s *Server) forward(rooms []protocol.Room) {
	next := maps.Clone(s.forwards)
	moved := map[string]bool{}
	for _, room := range rooms {
		delete(next, room.ID)
		for _, endpoint := range room.Endpoints {
			moved[endpoint] = true
		}
	}
	for id, forwards := range next {
		next[id] = slices.DeleteFunc(slices.Clone(forwards), func(f protocol.Forward) bool { return moved[f.From] || moved[f.To] })
	}
	for _, room := range rooms {
		if len(room.Video) > 0 {
			next[room.ID] = room.Video
		}
	}
	maps.DeleteFunc(next, func(_ string, forwards []protocol.Forward) bool { return len(forwards) == 0 })
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

// RestoreForwards takes up the video of rooms that an earlier process was told.
func (s *Server) RestoreForwards() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forward(s.deps.Mixer.Rooms())
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
	return slices.Concat([]protocol.Endpoint{}, s.deps.Phone.Endpoints(), s.deps.Browser.Endpoints(), s.deps.Sockets.Endpoints())
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
