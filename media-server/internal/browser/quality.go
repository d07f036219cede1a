package browser

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"guichet/mediaserver/internal/protocol"
)

const qualityEvery = 5 * time.Second

// quality is what the browser's RTCP tells about the audio it hears, and when we last told about both ways.
type quality struct {
	told      time.Duration
	loss      atomic.Uint32 // of 256 packets
	jitter    atomic.Uint32 // in 1/8000 s
	roundTrip atomic.Int64  // nanoseconds
}

// read takes the reports about what we send, until the connection ends.
func (q *quality) read(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		now := time.Now()
		for _, packet := range packets {
			switch p := packet.(type) {
			case *rtcp.ReceiverReport:
				q.take(p.Reports, now)
			case *rtcp.SenderReport:
				q.take(p.Reports, now)
			}
		}
	}
}

func (q *quality) take(reports []rtcp.ReceptionReport, now time.Time) {
	for _, each := range reports {
		q.loss.Store(uint32(each.FractionLost))
		q.jitter.Store(each.Jitter)
		if trip := roundTrip(each, now); trip > 0 {
			q.roundTrip.Store(int64(trip))
		}
	}
}

// roundTrip of our report and the browser's answer to it (RFC 3550, 6.4.1); 0: not known.
func roundTrip(report rtcp.ReceptionReport, now time.Time) time.Duration {
	units := ntpMiddle(now) - report.LastSenderReport - report.Delay // of 1/65536 s
	if report.LastSenderReport == 0 || units > 10<<16 {
		return 0
	}
	return time.Duration(units) * time.Second / 65536
}

// ntpMiddle is the middle half of an NTP timestamp, as reports use it (RFC 3550, 6.4.1).
func ntpMiddle(t time.Time) uint32 {
	const epochs = 2208988800 // seconds from 1900 to 1970
	seconds := uint64(t.Unix() + epochs)
	return uint32(seconds<<16 | uint64(t.Nanosecond())<<16/uint64(time.Second))
}

// tick tells the quality every five seconds, from the first five seconds of media on.
func (q *quality) tick(l *link, now time.Duration) {
	switch {
	case !l.up.Load():
	case q.told == 0:
		q.told = now
	case now-q.told >= qualityEvery:
		q.told = now
		q.tell(l)
	}
}

// tell emits the worse of both ways for loss (percent) and jitter; the delay is how long a word takes from
// the browser to the mixer.
func (q *quality) tell(l *link) {
	v := l.audio.voice.Load()
	if v == nil || !l.up.Load() {
		return
	}
	stats := v.receiver.Stats()
	l.emit(protocol.Event{
		Kind:         protocol.Quality,
		Loss:         math.Max(stats.LossPercent, float64(q.loss.Load())*100/256),
		JitterMillis: math.Max(stats.JitterMillis, float64(q.jitter.Load())/8),
		DelayMillis:  stats.DelayMillis + float64(q.roundTrip.Load())/2e6,
	})
}
