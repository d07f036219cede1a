package socket

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/coder/websocket"

	"guichet/mediaserver/internal/media"
)

const (
	frameBytes = 2 * media.FrameSamples
	maxFrames  = 50 // in one message: 1 s
	maxMessage = maxFrames * frameBytes
	causeBad   = "bad_message"
)

// asked is a text message of the program.
type asked struct {
	Clear bool `json:"clear"`
}

// read takes what the program sends until it ends; the answer is why.
func (l *link) read(ctx context.Context) error {
	for {
		kind, data, err := l.conn.Read(ctx)
		if err != nil {
			return ended(err)
		}
		if kind == websocket.MessageText {
			var ask asked
			if json.Unmarshal(data, &ask) != nil || !ask.Clear {
				return over{"them", causeBad}
			}
			l.port.notice(clearedNotice(l.port.clear()))
			continue
		}
		if len(data) == 0 || len(data)%frameBytes != 0 {
			return over{"them", causeBad}
		}
		for ; len(data) > 0; data = data[frameBytes:] {
			l.port.queue(data[:frameBytes])
		}
	}
}

// ended tells a program that hung up from one that is gone.
func ended(err error) error {
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway:
		return over{"them", "hangup"}
	case websocket.StatusMessageTooBig:
		return over{"them", causeBad}
	}
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return over{"them", causeBad}
	}
	return over{"network", "lost"}
}

// write sends what the program is to hear, and notices, until the end or until it reads no more.
func (l *link) write(ctx context.Context, end <-chan struct{}) error {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	bytes := make([]byte, frameBytes)
	next := int64(0) // the number of the frame that is due
	for {
		var err error
		select {
		case <-end:
			return nil
		case text := <-l.port.notices:
			err = l.send(ctx, websocket.MessageText, text)
		case f := <-l.port.out:
			for i, sample := range f.frame {
				binary.LittleEndian.PutUint16(bytes[2*i:], uint16(sample))
			}
			lost := f.number - next
			next = f.number + 1
			l.port.outFree <- f
			if lost > 0 {
				err = l.send(ctx, websocket.MessageText, lostNotice(lost))
			}
			if err == nil {
				err = l.send(ctx, websocket.MessageBinary, bytes)
			}
		case <-ping.C: // a program that is gone without a word
			limited, cancel := context.WithTimeout(ctx, writeWithin)
			err = l.conn.Ping(limited)
			cancel()
		}
		if err != nil {
			return over{"network", "lost"}
		}
	}
}

func (l *link) send(ctx context.Context, kind websocket.MessageType, data []byte) error {
	limited, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	return l.conn.Write(limited, kind, data)
}
