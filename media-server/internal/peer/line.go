package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	every     = 20 * time.Millisecond
	turns     = 10 // callers are spread over the 20 ms
	perLine   = 50
	batch     = 64
	roomBytes = 4 << 20
	lateAfter = 5 * time.Millisecond
	largest   = 1500
)

// line is a socket that some callers share: few system calls, and still no queue that overflows. The other side
// tells them apart by its own ports.
type line struct {
	local netip.AddrPort
	conn  *ipv4.PacketConn

	mu      sync.Mutex
	calls   map[netip.AddrPort]*call
	turns   [turns][]*call
	sent    uint64
	said    []int64
	heard   []int64
	gaps    *gaps
	dropped uint64 // so far
	before  uint64 // dropped before the counting began
}

func newLine(host netip.Addr) (*line, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: host.AsSlice()})
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	if err := prepare(conn); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("prepare a socket: %w", err)
	}
	local, _ := netip.ParseAddrPort(conn.LocalAddr().String()) // a bound socket has one
	return &line{local: local, conn: ipv4.NewPacketConn(conn), calls: map[netip.AddrPort]*call{}, gaps: new(gaps)}, nil
}

func (l *line) add(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[c.remote] = c
	l.turns[c.turn] = append(l.turns[c.turn], c)
}

func (l *line) remove(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls[c.remote] != c {
		return
	}
	delete(l.calls, c.remote)
	for i, each := range l.turns[c.turn] {
		if each == c {
			l.turns[c.turn] = append(l.turns[c.turn][:i:i], l.turns[c.turn][i+1:]...)
		}
	}
}

// read takes packets in until the socket is closed.
func (l *line) read() {
	messages := make([]ipv4.Message, batch)
	for i := range messages {
		messages[i] = ipv4.Message{Buffers: [][]byte{make([]byte, largest)}, OOB: make([]byte, 128)}
	}
	for {
		n, err := l.conn.ReadBatch(messages, 0)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		l.mu.Lock()
		for _, m := range messages[:n] {
			l.take(m)
		}
		l.mu.Unlock()
	}
}

func (l *line) take(m ipv4.Message) {
	at, dropped := notes(m.OOB[:m.NN])
	l.dropped = max(l.dropped, uint64(dropped))
	if at == 0 {
		at = time.Now().UnixNano()
	}
	from := m.Addr.(*net.UDPAddr).AddrPort()
	c := l.calls[netip.AddrPortFrom(from.Addr().Unmap(), from.Port())]
	if c == nil {
		return
	}
	gap, ok, burst := c.listen(m.Buffers[0][:m.N], at)
	if ok {
		l.gaps.add(gap)
	}
	if burst != 0 {
		l.heard = append(l.heard, burst)
	}
}

// send lets the callers of a turn say their next 20 ms.
func (l *line) send(turn int, messages []ipv4.Message) (sent int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages = messages[:0]
	now := time.Now().UnixNano()
	for _, c := range l.turns[turn] {
		packet, began := c.next()
		if packet == nil {
			continue
		}
		if began {
			l.said = append(l.said, now-int64(every))
		}
		messages = append(messages, ipv4.Message{Buffers: [][]byte{packet}, Addr: net.UDPAddrFromAddrPort(c.remote)})
	}
	for rest := messages; len(rest) > 0; {
		n, err := l.conn.WriteBatch(rest, 0)
		if err != nil || n <= 0 {
			n = 1 // nobody is there for this one, perhaps for the next
		}
		rest = rest[n:]
	}
	l.sent += uint64(len(messages))
	return len(messages)
}

// begin starts the counting anew.
func (l *line) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		c.heard.begin()
	}
	l.sent, l.said, l.heard, l.gaps, l.before = 0, nil, nil, new(gaps), l.dropped
}

// report adds the line's figures to a report.
func (l *line) report(r *Report, all *gaps, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		c.heard.settle()
		r.Calls++
		r.Received += c.heard.received
		r.Lost += c.heard.lost
		r.Sounding += c.heard.sounding
		if c.heard.received == 0 {
			r.Silent++
		}
		if c.heard.at != 0 {
			all.max = max(all.max, time.Duration(now-c.heard.at)) // one that has not ended yet
		}
	}
	r.Sent += l.sent
	r.Dropped += l.dropped - l.before
	for _, at := range l.said {
		r.Said = append(r.Said, float64(at)/1e9)
	}
	for _, at := range l.heard {
		r.Heard = append(r.Heard, float64(at)/1e9)
	}
	all.merge(l.gaps)
}

// pacer lets the callers of all lines speak at their time, on a thread of its own.
type pacer struct {
	mu    sync.Mutex
	lines []*line
	late  atomic.Uint64
}

func (p *pacer) all() []*line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines
}

// run speaks until over is closed.
func (p *pacer) run(over <-chan struct{}) {
	runtime.LockOSThread()
	messages := make([]ipv4.Message, 0, perLine)
	start := time.Now()
	for turn := int64(0); ; turn++ {
		due := time.Duration(turn) * every / turns
		for {
			left := due - time.Since(start)
			if left <= 0 {
				break
			}
			sleep(left)
		}
		select {
		case <-over:
			return
		default:
		}
		for _, l := range p.all() {
			sent := l.send(int(turn%turns), messages)
			if time.Since(start)-due > lateAfter {
				p.late.Add(uint64(sent))
			}
		}
	}
}
