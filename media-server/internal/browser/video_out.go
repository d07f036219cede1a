package browser

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// videoOut is the camera or screen that a browser sees: one track for the whole of its connection, on which
// the pictures of changing sources go out as one unbroken stream. It begins with a keyframe of each.
type videoOut struct {
	link *link
	kind string
	kbps atomic.Int64 // what the room allows, 0: the default
	way  congestion

	mu sync.Mutex
	// codec is the one the browser named first; what comes in another one is not forwarded. "": no section yet.
	codec   string
	to      webrtc.TrackLocalWriter
	ssrc    uint32
	pt      uint8
	from    *videoIn
	waiting bool // for a keyframe of from
	// What was added to from's numbers, where it began, and what was sent last.
	addSequence  uint16
	addTimestamp uint32
	begun        uint16
	sent         bool
	sequence     uint16
	timestamp    uint32
	at           time.Duration
	header       rtp.Header
}

// Bind implements webrtc.TrackLocal.
func (o *videoOut) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, codec := range ctx.CodecParameters() {
		if !strings.EqualFold(codec.MimeType, o.codec) {
			continue
		}
		o.to, o.ssrc, o.pt = ctx.WriteStream(), uint32(ctx.SSRC()), uint8(codec.PayloadType)
		return codec, nil
	}
	return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
}

// Unbind implements webrtc.TrackLocal.
func (o *videoOut) Unbind(webrtc.TrackLocalContext) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to = nil
	return nil
}

// ID implements webrtc.TrackLocal.
func (o *videoOut) ID() string { return o.kind }

// RID implements webrtc.TrackLocal.
func (o *videoOut) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (o *videoOut) StreamID() string { return o.kind }

// Kind implements webrtc.TrackLocal.
func (o *videoOut) Kind() webrtc.RTPCodecType { return webrtc.RTPCodecTypeVideo }

// offered takes the codec of a new section; false: there was one already, or there is none.
func (o *videoOut) offered(codec string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.codec != "" || codec == "" {
		return false
	}
	o.codec = codec
	return true
}

// takes tells whether pictures of this codec could be shown. Nothing known yet: they could.
func (o *videoOut) takes(codec string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return codec == "" || o.codec == "" || strings.EqualFold(codec, o.codec)
}

// show takes its pictures from now on from this source; nil: nothing more goes out.
func (o *videoOut) show(from *videoIn) {
	o.mu.Lock()
	changed := o.from != from
	o.from, o.waiting = from, from != nil && (changed || o.waiting)
	o.mu.Unlock()
	if changed && from != nil {
		from.askKey()
	}
}

// limit is what the room allows, in kbit a second.
func (o *videoOut) limit() uint64 {
	if kbps := o.kbps.Load(); kbps > 0 {
		return uint64(kbps)
	}
	return defaultKbps
}

// source tells what is shown, and whether its first keyframe is still to come.
func (o *videoOut) source() (from *videoIn, waiting bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.from, o.waiting
}

// forward sends one packet of in, if that is what is shown.
func (o *videoOut) forward(in *videoIn, packet *rtp.Packet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.from != in || o.to == nil {
		return
	}
	now := o.link.server.since()
	if o.waiting {
		if !keyframe(o.codec, packet.Payload) {
			return
		}
		o.begin(packet, now)
	} else if int16(packet.SequenceNumber-o.begun) < 0 && o.sequence-(o.begun+o.addSequence) < 1<<14 {
		return // from before the first keyframe, late: its number belongs to the source shown before
	}
	sequence, timestamp := packet.SequenceNumber+o.addSequence, packet.Timestamp+o.addTimestamp
	if !o.sent || int16(sequence-o.sequence) > 0 {
		o.sequence, o.timestamp, o.at, o.sent = sequence, timestamp, now, true
	}
	o.header = rtp.Header{Version: 2, Marker: packet.Marker, Padding: packet.Padding, PaddingSize: packet.Header.PaddingSize,
		PayloadType: o.pt, SequenceNumber: sequence, Timestamp: timestamp, SSRC: o.ssrc}
	// A packet that cannot be sent is a lost packet.
	n, _ := o.to.WriteRTP(&o.header, packet.Payload)
	o.way.count(now, n)
}

// begin continues the numbers of what was shown before with those of the new source.
func (o *videoOut) begin(packet *rtp.Packet, now time.Duration) {
	o.waiting, o.begun = false, packet.SequenceNumber
	if !o.sent {
		o.addSequence, o.addTimestamp = 0, 0
		return
	}
	gap := max(uint32((now-o.at)*90/time.Millisecond), 90) // in 1/90000 s, forwards in any case
	o.addSequence = o.sequence + 1 - packet.SequenceNumber
	o.addTimestamp = o.timestamp + gap - packet.Timestamp
}

// readReports takes what the browser that sees this tells: requests for keyframes go to the source.
func (o *videoOut) readReports(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch p := packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				if from, _ := o.source(); from != nil {
					from.askKey()
				}
			case *rtcp.ReceiverReport:
				for _, each := range p.Reports {
					if each.SSRC == o.ssrc { // not of what is sent again
						o.way.report(o.link.server.since(), float64(each.FractionLost)/256, roundTrip(each, time.Now()))
					}
				}
			}
		}
	}
}
