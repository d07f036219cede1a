package mixer

import (
	"context"
	"sync"

	"guichet/mediaserver/internal/protocol"
)

// Listener is a port that wants to know who of those it hears is talking. Talks never blocks.
type Listener interface {
	Talks(endpoint string, on bool)
}

// news is what the tick noticed: an endpoint began or ceased to talk, or a play is over.
type news struct {
	slot *slot
	on   bool
	play *play
}

// post carries news from the tick to a goroutine that may wait.
type post struct {
	mu    sync.Mutex
	items []news
	wake  chan struct{}
}

// handOver gives away what this tick noticed; if the other side holds the lock, the next tick does.
func (m *Mixer) handOver() {
	if len(m.news) == 0 || !m.post.mu.TryLock() {
		return
	}
	m.post.items = append(m.post.items, m.news...)
	m.post.mu.Unlock()
	clear(m.news)
	m.news = m.news[:0]
	select {
	case m.post.wake <- struct{}{}:
	default:
	}
}

// tell turns news into events, and digits into the end of plays, until ctx is done.
func (m *Mixer) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.post.wake:
			m.tellAll()
		case endpoint := <-m.digits:
			m.pressed(endpoint)
		}
	}
}

func (m *Mixer) tellAll() {
	m.post.mu.Lock()
	items := m.post.items
	m.post.items = nil
	m.post.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, item := range items {
		if item.play == nil {
			m.tellTalking(item.slot, item.on)
		} else if r := m.rooms[item.play.room]; r != nil {
			m.finishPlay(r, item.play)
			m.publish(r)
		}
	}
}

// tellTalking tells the journal, and the programs that hear the endpoint.
func (m *Mixer) tellTalking(s *slot, on bool) {
	if m.slots[s.id] != s {
		return // it has left since
	}
	r := m.rooms[m.where[s.id]]
	event := protocol.Event{Kind: protocol.Talking, Endpoint: s.id, On: on}
	if r == nil {
		m.deps.Emit(event)
		return
	}
	event.Room = r.doc.ID
	m.deps.Emit(event)
	for hearer, heard := range r.doc.Hears {
		for _, name := range heard {
			if slot := m.here(r, hearer); name == s.id && slot != nil {
				if listener, ok := slot.port.(Listener); ok {
					listener.Talks(s.id, on)
				}
			}
		}
	}
}
