package browser

import (
	"slices"
	"time"

	"guichet/mediaserver/internal/protocol"
)

// governEvery is how often a browser is told what it may send.
const governEvery = time.Second

// SetForwards puts which videos go to whom, for all rooms: what is not named is not forwarded. It may name
// browsers, and videos, that are not there yet. Where two are named for the same place (one browser sees one
// camera and one screen), the first counts, rooms in the order of their ids.
func (s *Server) SetForwards(rooms map[string][]protocol.Forward) {
	names := make([]string, 0, len(rooms))
	for name := range rooms {
		names = append(names, name)
	}
	slices.Sort(names)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forwards = nil
	for _, name := range names {
		s.forwards = append(s.forwards, rooms[name]...)
	}
	s.route()
}

func (s *Server) reroute() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.route()
}

// route connects sources, places and marks as the forwards say. The caller holds mu.
func (s *Server) route() {
	shown := map[*videoOut]*videoIn{}
	outs := map[*videoIn][]*videoOut{}
	partners := map[*link][]*link{}
	for _, f := range s.forwards {
		n := slices.Index(kinds[:], f.Kind)
		from, to := s.link(f.From), s.link(f.To)
		if from == nil || to == nil || n < 0 {
			continue
		}
		if !slices.Contains(partners[from], to) {
			partners[from] = append(partners[from], to)
			partners[to] = append(partners[to], from)
		}
		in, out := from.in[n], to.out[n]
		if shown[out] != nil {
			continue
		}
		if codec := in.codec(); !out.takes(codec) {
			s.deps.Log.Warn("a video is not forwarded: the two browsers prefer different codecs",
				"from", f.From, "to", f.To, "kind", f.Kind, "sent", codec)
			continue
		}
		shown[out] = in
		outs[in] = append(outs[in], out)
		out.kbps.Store(int64(f.MaxKbps))
	}
	for _, e := range s.endpoints {
		l := e.link.Load()
		if l == nil {
			continue
		}
		for n := range kinds {
			list := outs[l.in[n]]
			l.in[n].outs.Store(&list)
		}
		list := partners[l]
		l.marks.to.Store(&list)
	}
	for _, e := range s.endpoints {
		if l := e.link.Load(); l != nil {
			for _, out := range l.out {
				out.show(shown[out])
			}
		}
	}
}

// link is the connection of an endpoint, or nil.
func (s *Server) link(id string) *link {
	if e := s.endpoints[id]; e != nil {
		return e.link.Load()
	}
	return nil
}

// govern tells the browser, once a second, how much video it may send: what the rooms allow, and no more than
// the way to those who see it carries. For what nobody sees it is told nothing.
func (l *link) govern(now time.Duration) {
	if now-l.governed < governEvery {
		return
	}
	l.governed = now
	var allowed, room uint64
	for _, in := range l.in {
		outs := *in.outs.Load()
		if len(outs) == 0 {
			continue
		}
		kbps := uint64(0)
		for _, out := range outs {
			kbps = lower(kbps, out.limit())
			room = lower(room, out.way.room())
		}
		allowed += kbps * 1000
	}
	if allowed > 0 {
		l.limit(float32(lower(allowed, room)))
	}
}

// lower is the lesser of the two that is not 0.
func lower(a, b uint64) uint64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
