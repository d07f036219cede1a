package mixer

import (
	"time"

	"guichet/mediaserver/internal/media"
)

// tick moves 20 ms of audio: every port says once, every mix is made once, every port hears once. It runs in
// one goroutine, waits for nothing and allocates nothing while nothing changes.
func (m *Mixer) tick() {
	p := m.plan.Load()
	if !p.begun {
		p.begin()
	}
	m.count++
	start := time.Now()
	for _, s := range p.slots {
		m.say(s)
	}
	said := time.Now()
	for _, r := range p.rooms {
		m.mix(r)
	}
	mixed := time.Now()
	for _, r := range p.rooms {
		r.hear()
	}
	for _, s := range p.idle {
		s.port.Hear(nil)
	}
	heard := time.Now()
	for _, r := range p.rooms {
		if r.tap != nil {
			m.record(r.tap)
		}
	}
	m.handOver()
	m.figures.busy(said.Sub(start), mixed.Sub(said), heard.Sub(mixed), time.Since(heard))
}

// skip tells the ports that ticks were left out.
func (m *Mixer) skip(ticks uint64) {
	for _, s := range m.plan.Load().slots {
		if port, ok := s.port.(media.Skipper); ok {
			port.Skip(ticks)
		}
	}
}

func (m *Mixer) say(s *slot) {
	s.spoke = s.port.Say(&s.frame)
	loud := int64(0)
	if s.spoke {
		loud = energy(&s.frame)
	}
	s.begins = false
	if s.voice.hear(loud) {
		s.begins = s.voice.on
		m.news = append(m.news, news{slot: s, on: s.voice.on})
	}
	if m.count%window == 0 {
		s.voice.show()
	}
}

// mix makes all that is heard in a room.
func (m *Mixer) mix(r *roomPlan) {
	var beep *media.Frame
	if r.tap != nil && r.tap.beep != nil && !r.tap.paused {
		beep = r.tap.beep.frame(m.count)
	}
	for i := range r.plays {
		m.play(&r.plays[i], beep)
	}
	for i := range r.mixes {
		x := &r.mixes[i]
		x.out = nil
		if !x.wanted() {
			continue
		}
		frames := m.frames[:0]
		for _, s := range x.slots {
			if s.spoke {
				frames = append(frames, &s.frame)
			}
		}
		for _, source := range x.sources {
			frames = append(frames, source.frame(m.count))
		}
		if beep != nil {
			frames = append(frames, beep)
		}
		x.out = sum(frames, &x.buf)
	}
}

// wanted tells whether somebody hears the mix now: not all of them listen to a play. What begins to talk ends
// a play that may be interrupted.
func (x *mix) wanted() bool {
	wanted := false
	for _, h := range x.hearers {
		switch {
		case h.play == nil || h.play.out == nil:
			wanted = true
		case h.play.interruptible && h.slot.begins:
			h.play.end(interrupted)
		}
	}
	return wanted
}

func (r *roomPlan) hear() {
	for i := range r.mixes {
		x := &r.mixes[i]
		for _, h := range x.hearers {
			if h.play != nil && h.play.out != nil {
				h.slot.port.Hear(h.play.out)
			} else {
				h.slot.port.Hear(x.out)
			}
		}
	}
}

// play makes the next frame of a play, and tells when it is over.
func (m *Mixer) play(p *playing, beep *media.Frame) {
	p.out = nil
	switch {
	case p.over:
		return
	case p.ended.Load() != 0: // from outside: one frame more, that falls silent
		p.over = true
		if p.sounded && p.heard {
			p.out = p.player.fadeOut(p.player.frame(m.count))
		}
	case p.heard:
		p.sounded = true
		p.out = p.player.frame(m.count)
		if p.player.done {
			p.over = true
			p.end(done)
		}
	}
	if p.over {
		m.news = append(m.news, news{play: p.play})
	}
	if p.out != nil && beep != nil {
		p.out = sum(append(m.frames[:0], p.out, beep), &p.buf)
	}
}

func (m *Mixer) record(t *tap) {
	if t.paused {
		t.tape.Skip()
		return
	}
	t.tape.Push(m.side(t.left, &t.sides[0]), m.side(t.right, &t.sides[1]))
}

func (m *Mixer) side(slots []*slot, buf *media.Frame) *media.Frame {
	frames := m.frames[:0]
	for _, s := range slots {
		if s.spoke {
			frames = append(frames, &s.frame)
		}
	}
	return sum(frames, buf)
}
