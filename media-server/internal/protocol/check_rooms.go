package protocol

import (
	"fmt"
	"slices"
)

// Check refuses a document whose fields are out of bounds or contradict each other, before anything of it
// applies. Whether a revision is old, or a prompt readable, is for those who know what stands.
func (r Rooms) Check() error {
	if len(r.Rooms) > MaxRooms {
		return BadField("rooms", fmt.Sprintf("at most %d in one put: split it", MaxRooms))
	}
	rooms := make(map[string]bool, len(r.Rooms))
	where := map[string]string{}
	for i, room := range r.Rooms {
		path := fmt.Sprintf("rooms[%d]", i)
		if bad := room.check(); bad != nil {
			return bad.under(path)
		}
		if rooms[room.ID] {
			return BadField(path+".id", "a room stands once in a put")
		}
		rooms[room.ID] = true
		for j, endpoint := range room.Endpoints {
			if other := where[endpoint]; other != "" {
				return BadField(fmt.Sprintf("%s.endpoints[%d]", path, j),
					"an endpoint is in one room at a time, and this one is also in "+other)
			}
			where[endpoint] = room.ID
		}
	}
	return nil
}

func (r Room) check() *Refusal {
	if r.Closed {
		empty := len(r.Endpoints)+len(r.Hears)+len(r.Sources)+len(r.Video) == 0 && r.Recording == nil
		return pick(id(r.ID, "id"), unless(r.Rev > 0, "rev", "counts from 1"),
			unless(empty, "closed", "a closed room has nothing but id and rev"))
	}
	return pick(id(r.ID, "id"), unless(r.Rev > 0, "rev", "counts from 1"),
		ids(r.Endpoints, MaxEndpoints, "endpoints"), r.checkSources(), r.checkHears(), r.checkVideo(),
		r.Recording.check().under("recording"))
}

func (r Room) checkSources() *Refusal {
	if len(r.Sources) > MaxSources {
		return BadField("sources", fmt.Sprintf("at most %d in a room", MaxSources))
	}
	for name, source := range r.Sources {
		if bad := pick(id(name, ""), source.check()); bad != nil {
			return bad.under(fmt.Sprintf("sources[%.64q]", name))
		}
		if slices.Contains(r.Endpoints, name) {
			return BadField("sources."+name, "an endpoint of the room has this id: name the source otherwise")
		}
	}
	return nil
}

func (s Source) check() *Refusal {
	if len(s.Files) > MaxFiles {
		return BadField("files", fmt.Sprintf("at most %d", MaxFiles))
	}
	for i, name := range s.Files {
		if bad := file(name, ""); bad != nil {
			return bad.under(fmt.Sprintf("files[%d]", i))
		}
	}
	if (len(s.Files) > 0) == (s.Tone != "") {
		return BadField("files", "either files or a tone")
	}
	if s.Tone != "" {
		if bad := tone(s.Tone, "tone"); bad != nil {
			return bad
		}
	}
	if s.Announcement != "" {
		if bad := pick(file(s.Announcement, "announcement"), within(s.EveryMillis, 1000, 3_600_000, "every_ms", "ms")); bad != nil {
			return bad
		}
	}
	return pick(unless(s.Announcement != "" || s.EveryMillis == 0, "every_ms", "only with an announcement"),
		unless(s.Gain >= -40 && s.Gain <= 12, "gain_db", "-40 to 12 dB"))
}

func (r Room) checkHears() *Refusal {
	for hearer, heard := range r.Hears {
		path := fmt.Sprintf("hears[%.64q]", hearer)
		if !slices.Contains(r.Endpoints, hearer) {
			return BadField(path, "who hears must be in endpoints")
		}
		if bad := ids(heard, MaxEndpoints+MaxSources, ""); bad != nil {
			return bad.under(path)
		}
		for i, source := range heard {
			if _, named := r.Sources[source]; !named && !slices.Contains(r.Endpoints, source) {
				return BadField(fmt.Sprintf("%s[%d]", path, i), "what is heard must be in endpoints or sources of this room")
			}
		}
	}
	return nil
}

func (r Room) checkVideo() *Refusal {
	if len(r.Video) > MaxForwards {
		return BadField("video", fmt.Sprintf("at most %d in a room", MaxForwards))
	}
	for i, forward := range r.Video {
		bad := pick(
			unless(slices.Contains(r.Endpoints, forward.From), "from", "must be in endpoints"),
			unless(slices.Contains(r.Endpoints, forward.To), "to", "must be in endpoints"),
			unless(forward.From != forward.To, "to", "another endpoint than from"),
			oneOf(forward.Kind, "kind", "camera", "screen"),
			zeroOr(forward.MaxKbps, 50, 50_000, "max_kbps", "kbit/s"),
		)
		if bad != nil {
			return bad.under(fmt.Sprintf("video[%d]", i))
		}
	}
	return nil
}

func (r *Recording) check() *Refusal {
	if r == nil {
		return nil
	}
	return pick(id(r.ID, "id"), ids(r.Left, MaxEndpoints, "left"), ids(r.Right, MaxEndpoints, "right"),
		unless(len(r.Left)+len(r.Right) > 0, "left", "somebody must be on left or right"),
		zeroOr(r.BeepEveryMillis, 1000, 600_000, "beep_every_ms", "ms"))
}

// Check refuses a play out of bounds.
func (p Play) Check() error {
	if bad := pick(id(p.Play, "play"), ids(p.HeardBy, MaxEndpoints, "heard_by"),
		unless(len(p.HeardBy) > 0, "heard_by", "at least one endpoint"),
		unless((p.File == "") != (p.Tone == ""), "file", "either a file or a tone")); bad != nil {
		return bad
	}
	if p.File != "" {
		return first(file(p.File, "file"))
	}
	return first(tone(p.Tone, "tone"))
}
