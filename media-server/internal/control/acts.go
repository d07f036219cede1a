package control

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"sync"

	"guichet/mediaserver/internal/protocol"
)

// actsKept bounds the memory for acts that were done.
const actsKept = 16_384

// acts remembers what was done, so that an act that is asked for again is answered and not done again.
type acts struct {
	mu    sync.Mutex
	known map[string]*act
	order []string // a ring of the keys that succeeded, oldest at next
	next  int
}

type act struct {
	body [sha256.Size]byte
	done chan struct{}
	err  error
}

func newActs() *acts { return &acts{known: map[string]*act{}} }

// once does what was not done under this key. The same key with another body is refused. One who asks while
// it is being done gets the same outcome; what failed is forgotten and may be tried again.
func (a *acts) once(key string, body []byte, do func() error) error {
	mine := &act{body: sha256.Sum256(bytes.TrimSpace(body)), done: make(chan struct{})}
	a.mu.Lock()
	if known := a.known[key]; known != nil {
		a.mu.Unlock()
		if known.body != mine.body {
			return protocol.Refuse(http.StatusConflict, "act_reused", "", "this act was asked for with another body: give a new act a new id")
		}
		<-known.done
		return known.err
	}
	a.known[key] = mine
	a.mu.Unlock()
	defer close(mine.done)
	mine.err = protocol.Unavailable("failed", "the act ended without an outcome: try it again") // should do panic
	defer a.settle(key, mine)
	mine.err = do()
	return mine.err
}

func (a *acts) settle(key string, done *act) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case done.err != nil:
		delete(a.known, key)
	case len(a.order) < actsKept:
		a.order = append(a.order, key)
	default:
		delete(a.known, a.order[a.next])
		a.order[a.next] = key
		a.next = (a.next + 1) % actsKept
	}
}
