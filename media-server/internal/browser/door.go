package browser

import (
	"net"
	"sync"
)

// door lets in so many TCP connections at a time and closes the others at once: strangers who only connect must
// not use up the files of the process, on which phone calls depend.
type door struct {
	net.Listener
	places chan struct{}
}

func newDoor(listener net.Listener, places int) *door {
	return &door{Listener: listener, places: make(chan struct{}, places)}
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case d.places <- struct{}{}:
			return &guest{Conn: conn, leave: sync.OnceFunc(func() { <-d.places })}, nil
		default:
			_ = conn.Close()
		}
	}
}

// guest frees its place when it is closed.
type guest struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.leave()
	return g.Conn.Close()
}
