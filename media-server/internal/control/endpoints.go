package control

import (
	"net/http"

	"guichet/mediaserver/internal/protocol"
)

// act does one of the acts on an endpoint, once.
func (s *Server) act(w http.ResponseWriter, r *http.Request) error {
	id, name := r.PathValue("id"), r.PathValue("act")
	if err := protocol.ID(id, "id"); err != nil {
		return err
	}
	key, data, do, err := s.prepare(w, r, id, name)
	if err != nil {
		return err
	}
	if key == "" {
		err = do()
	} else {
		err = s.acts.once(key, data, do)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// prepare reads the body of an act and says under which key it counts as the same act; none: it is what is to be
// from now on, and may be asked for again and again.
func (s *Server) prepare(w http.ResponseWriter, r *http.Request, id, name string) (key string, data []byte, do func() error, err error) {
	key = id + "/" + name
	phone := s.deps.Phone
	plain := func(act func(string) error) func() error { return func() error { return act(id) } }
	switch name {
	case "ring", "early", "answer":
		data, err = body(w, r, &struct{}{})
		do = plain(map[string]func(string) error{"ring": phone.Ring, "early": phone.Early, "answer": phone.Answer}[name])
	case "dial":
		var dial protocol.Dial
		data, err = body(w, r, &dial)
		do = func() error {
			if call, there := s.endpoint(id); there && call.Kind == "phone" && !call.Incoming && call.Trunk == dial.Trunk {
				return nil // dialled before a restart of this server
			}
			if err := s.newID(id); err != nil {
				return err
			}
			return phone.Dial(id, dial)
		}
	case "reject", "hangup":
		var ending protocol.Ending
		data, err = body(w, r, &ending)
		if name == "hangup" {
			data = nil // for whatever cause: it is over
		}
		do = func() error { return s.end(id, name, ending) }
	case "digits":
		var digits protocol.Digits
		data, err = body(w, r, &digits)
		key += "/" + digits.Act
		do = func() error { return phone.Digits(id, digits) }
	case "hold", "resume":
		key = ""
		data, err = body(w, r, &struct{}{})
		do = func() error { return phone.Hold(id, name == "hold") }
	case "refer":
		var refer protocol.Refer
		data, err = body(w, r, &refer)
		key += "/" + refer.Act
		do = func() error { return phone.Refer(id, refer) }
	default:
		err = protocol.Refuse(http.StatusNotFound, "unknown_act", "", "dial, ring, early, answer, reject, hangup, hold, resume, refer, digits or offer")
	}
	return key, data, do, err
}

func (s *Server) end(id, name string, ending protocol.Ending) error {
	if name == "reject" {
		return s.deps.Phone.Reject(id, ending)
	}
	endpoint, _ := s.endpoint(id)
	switch endpoint.Kind {
	case "browser":
		return s.deps.Browser.HangUp(id, ending)
	case "socket":
		return s.deps.Sockets.HangUp(id, ending)
	default:
		return s.deps.Phone.HangUp(id, ending)
	}
}

// newID refuses the id of an endpoint that is there, and every new endpoint while the server drains.
func (s *Server) newID(id string) error {
	if s.isDraining() {
		return protocol.Unavailable("draining", "this server takes nothing new any more: ask another one")
	}
	if standing, there := s.endpoint(id); there {
		return protocol.Refuse(http.StatusConflict, "endpoint_used", "", "a "+standing.Kind+" has this id: take a new one")
	}
	return nil
}

func (s *Server) endpoint(id string) (protocol.Endpoint, bool) {
	for _, endpoint := range s.endpoints() {
		if endpoint.ID == id {
			return endpoint, true
		}
	}
	return protocol.Endpoint{}, false
}

func (s *Server) offer(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := protocol.ID(id, "id"); err != nil {
		return err
	}
	var offer protocol.Offer
	if _, err := body(w, r, &offer); err != nil {
		return err
	}
	if standing, _ := s.endpoint(id); standing.Kind != "browser" {
		if err := s.newID(id); err != nil {
			return err
		}
	}
	sdp, err := s.deps.Browser.Offer(id, offer.SDP)
	if err != nil {
		return err
	}
	answer(w, protocol.Offer{SDP: sdp})
	return nil
}

func (s *Server) pcm(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := protocol.ID(id, "id"); err != nil {
		return err
	}
	if err := s.newID(id); err != nil {
		return err
	}
	s.deps.Sockets.Serve(w, r, id)
	return nil
}

func (s *Server) play(w http.ResponseWriter, r *http.Request) error {
	room := r.PathValue("room")
	if err := protocol.ID(room, "room"); err != nil {
		return err
	}
	var play protocol.Play
	data, err := body(w, r, &play)
	if err != nil {
		return err
	}
	if err := s.acts.once("rooms/"+room+"/"+play.Play, data, func() error { return s.deps.Mixer.Play(room, play) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) stopPlay(w http.ResponseWriter, r *http.Request) error {
	if err := s.deps.Mixer.StopPlay(r.PathValue("room"), r.PathValue("play")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
