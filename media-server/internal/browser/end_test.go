package browser

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"guichet/mediaserver/internal/protocol"
)

func TestNothingRunsAfterClose(t *testing.T) {
	before := runtime.NumGoroutine()
	h := newHouse(t, testConfig())
	a := newPage(t, h, "a", pageOptions{videos: 2}).join()
	b := newPage(t, h, "b", pageOptions{videos: 2, tcp: true}).join()
	newPage(t, h, "never", pageOptions{videos: 2}).connect(nil)
	a.film(0)
	a.talk(440)
	h.SetForwards(forwards(protocol.Forward{From: "a", Kind: "camera", To: "b"}))
	b.until("a picture", patience, func() bool { return len(b.seen["camera"]) > 0 })
	h.stop()
	if _, err := h.Offer("c", newPage(t, h, "c", pageOptions{}).offer(nil)); err == nil {
		t.Error("an offer is taken after the end")
	}
	a.until("the page notices", patience, func() bool { return a.over })
	for _, p := range h.pages {
		p.close()
	}
	fewAgain(t, before)
}

// fewAgain waits until no more goroutines run than before.
func fewAgain(t *testing.T, before int) {
	t.Helper()
	for limit := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// Neither test is parallel: they count the goroutines of the whole process.
func TestComingAndGoingLeavesNothingBehind(t *testing.T) {
	h := newHouse(t, testConfig())
	before := runtime.NumGoroutine()
	for round := range 3 {
		var crowd sync.WaitGroup
		for n := range 10 {
			id := fmt.Sprintf("r%d-%d", round, n)
			p, again := newPage(t, h, id, pageOptions{videos: 2, tcp: n%3 == 0}), newPage(t, h, id, pageOptions{})
			first, second := p.offer(nil), again.offer(nil)
			crowd.Go(func() {
				if _, err := h.Offer(id, first); err != nil {
					t.Error(err)
				}
				h.SetForwards(forwards(protocol.Forward{From: id, Kind: "camera", To: fmt.Sprintf("r%d-%d", round, (n+1)%10)}))
				time.Sleep(time.Duration(n) * 3 * time.Millisecond) // all stages of connecting
				if n%2 == 0 {
					if _, err := h.Offer(id, second); err != nil {
						t.Error(err)
					}
				}
				if err := h.HangUp(id, protocol.Ending{}); err != nil {
					t.Error(err)
				}
				p.close()
				again.close()
			})
		}
		crowd.Wait()
	}
	fewAgain(t, before)
	h.mixing.Lock()
	defer h.mixing.Unlock()
	if len(h.Endpoints()) != 0 || len(h.ports) != 0 || h.attached != 30 {
		t.Errorf("%d endpoints, %d of %d ports are left", len(h.Endpoints()), len(h.ports), h.attached)
	}
}
