package browser

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"guichet/mediaserver/internal/protocol"
)

const (
	keyEvery     = 300 * time.Millisecond // at most one keyframe request to a browser in this time
	maxChanges   = 100                    // of codec in one video; a browser makes none, each costs a look at all forwards
	stoppedAfter = 3 * time.Second        // a still screen sends one frame a second
)

// videoIn is a camera or screen that comes from a browser. It is there before and after anything is sent.
type videoIn struct {
	link *link
	kind string

	track  atomic.Pointer[webrtc.TrackRemote]
	outs   atomic.Pointer[[]*videoOut]
	last   atomic.Int64 // when a packet came, nanoseconds since the server's start
	active atomic.Bool
	asked  atomic.Int64 // when a keyframe was asked for
	wanted atomic.Bool  // a keyframe is to be asked for as soon as keyEvery allows
}

func newVideoIn(l *link, kind string) *videoIn {
	v := &videoIn{link: l, kind: kind}
	v.outs.Store(&[]*videoOut{})
	return v
}

// codec is "" as long as nothing was sent.
func (v *videoIn) codec() string {
	if track := v.track.Load(); track != nil {
		return track.Codec().MimeType
	}
	return ""
}

// read forwards until the track ends.
func (v *videoIn) read(track *webrtc.TrackRemote) {
	buffer := make([]byte, receiveMTU)
	var packet rtp.Packet
	for format, changes := -1, 0; changes < maxChanges; {
		n, _, err := track.Read(buffer)
		if err != nil && n == 0 {
			return
		}
		if err != nil || packet.Unmarshal(buffer[:n]) != nil {
			continue
		}
		if int(packet.PayloadType) != format {
			format, changes = int(packet.PayloadType), changes+1
			v.link.server.reroute() // who sees it must know the codec
		}
		if len(packet.Payload) > 0 {
			v.last.Store(int64(v.link.server.since()))
			if v.active.CompareAndSwap(false, true) {
				v.tell(protocol.VideoStarted)
			}
		}
		for _, out := range *v.outs.Load() {
			out.forward(v, &packet)
		}
	}
}

// tick is the part of the housekeeping.
func (v *videoIn) tick(now time.Duration) {
	v.ask(now)
	if now-time.Duration(v.last.Load()) > stoppedAfter {
		v.stop()
	}
}

func (v *videoIn) stop() {
	if v.active.CompareAndSwap(true, false) {
		v.tell(protocol.VideoStopped)
	}
}

func (v *videoIn) tell(kind string) {
	v.link.emit(protocol.Event{Kind: kind, Track: v.kind})
}

// askKey asks the browser for a keyframe, now or as soon as it may be asked again.
func (v *videoIn) askKey() {
	v.wanted.Store(true)
	v.ask(v.link.server.since())
}

func (v *videoIn) ask(now time.Duration) {
	track := v.track.Load()
	if track == nil || !v.wanted.Load() {
		return
	}
	last := v.asked.Load()
	if now-time.Duration(last) < keyEvery && last != 0 || !v.asked.CompareAndSwap(last, int64(now)) {
		return
	}
	v.wanted.Store(false)
	v.link.send(&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())})
}

// limit tells the browser how much it may send altogether.
func (l *link) limit(bitsPerSecond float32) {
	report := &rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: bitsPerSecond}
	for _, in := range l.in {
		if track := in.track.Load(); track != nil {
			report.SSRCs = append(report.SSRCs, uint32(track.SSRC()))
		}
	}
	if len(report.SSRCs) > 0 {
		l.send(report)
	}
}

// keyframe tells whether a keyframe begins in this packet.
func keyframe(codec string, payload []byte) bool {
	if strings.EqualFold(codec, webrtc.MimeTypeH264) {
		return keyH264(payload)
	}
	return keyVP8(payload)
}

// keyVP8 reads the payload descriptor (RFC 7741): the first packet of the first partition, and the inverse
// key frame flag after it.
func keyVP8(p []byte) bool {
	if len(p) < 1 || p[0]&0x10 == 0 || p[0]&0x07 != 0 {
		return false
	}
	header := 1
	if p[0]&0x80 != 0 {
		if len(p) < 2 {
			return false
		}
		header = 2
		if p[1]&0x80 != 0 { // picture id, of one byte or two
			header++
			if len(p) > 2 && p[2]&0x80 != 0 {
				header++
			}
		}
		if p[1]&0x40 != 0 {
			header++
		}
		if p[1]&0x30 != 0 {
			header++
		}
	}
	return len(p) > header && p[header]&0x01 == 0
}

// keyH264 looks for a sequence parameter set or an IDR slice (RFC 6184): alone, first in an aggregate, or at
// the start of a fragment.
func keyH264(p []byte) bool {
	const idr, sps, stapA, fuA = 5, 7, 24, 28
	if len(p) < 4 {
		return false
	}
	kind := p[0] & 0x1f
	switch kind {
	case stapA:
		kind = p[3] & 0x1f
	case fuA:
		if p[1]&0x80 == 0 {
			return false
		}
		kind = p[1] & 0x1f
	}
	return kind == sps || kind == idr
}
