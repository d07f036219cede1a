package browser

import (
	"strings"
	"sync/atomic"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/stream"
)

// audioNames are what we speak with browsers, best first: G.722 is wideband, and every browser has it.
var audioNames = [...]string{"G722", "PCMA", "PCMU"}

const events = "audio/telephone-event"

func audioCodecs() []webrtc.RTPCodecParameters {
	static := map[string]webrtc.PayloadType{"G722": 9, "PCMA": 8, "PCMU": 0}
	var all []webrtc.RTPCodecParameters
	for _, name := range audioNames {
		all = append(all, webrtc.RTPCodecParameters{PayloadType: static[name],
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/" + name, ClockRate: 8000}})
	}
	return append(all, webrtc.RTPCodecParameters{PayloadType: 101,
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: events, ClockRate: 8000, SDPFmtpLine: "0-15"}})
}

// voice is the audio of one connection, both ways; it is also the track on which we send.
type voice struct {
	link     *link
	ssrc     uint32
	to       webrtc.TrackLocalWriter
	receiver *stream.Receiver
	sender   *stream.Sender
	codec    string
}

// audioTrack makes the voice once pion has agreed on its codec.
type audioTrack struct {
	link  *link
	voice atomic.Pointer[voice]
}

// Bind implements webrtc.TrackLocal.
func (t *audioTrack) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	chosen, format := choose(ctx.CodecParameters())
	if format.Codec == "" {
		return chosen, webrtc.ErrUnsupportedCodec
	}
	v := &voice{link: t.link, ssrc: uint32(ctx.SSRC()), to: ctx.WriteStream(), codec: format.Codec}
	var err error
	if v.receiver, err = stream.NewReceiver(format, t.link.notices()); err != nil {
		return chosen, err
	}
	if v.sender, err = stream.NewSender(format, v); err != nil {
		return chosen, err
	}
	t.voice.Store(v)
	return chosen, nil
}

// choose takes our best codec of those both sides have.
func choose(offered []webrtc.RTPCodecParameters) (chosen webrtc.RTPCodecParameters, format stream.Format) {
	for _, name := range audioNames {
		for _, codec := range offered {
			if format.Codec == "" && strings.EqualFold(codec.MimeType, "audio/"+name) {
				chosen, format.Codec, format.PT = codec, name, uint8(codec.PayloadType)
			}
		}
	}
	for _, codec := range offered {
		if strings.EqualFold(codec.MimeType, events) && codec.ClockRate == 8000 {
			format.EventPT = uint8(codec.PayloadType)
		}
	}
	return chosen, format
}

// Unbind implements webrtc.TrackLocal.
func (t *audioTrack) Unbind(webrtc.TrackLocalContext) error {
	t.voice.Store(nil)
	return nil
}

// ID implements webrtc.TrackLocal.
func (t *audioTrack) ID() string { return "audio" }

// RID implements webrtc.TrackLocal.
func (t *audioTrack) RID() string { return "" }

// StreamID implements webrtc.TrackLocal: audio and video are not played in step, as the audio is mixed.
func (t *audioTrack) StreamID() string { return "audio" }

// Kind implements webrtc.TrackLocal.
func (t *audioTrack) Kind() webrtc.RTPCodecType { return webrtc.RTPCodecTypeAudio }

// WriteRTP implements stream.Sink.
func (v *voice) WriteRTP(packet *rtp.Packet) error {
	packet.SSRC = v.ssrc
	_, err := v.to.WriteRTP(&packet.Header, packet.Payload)
	return err
}

// Say implements media.Port.
func (e *endpoint) Say(f *media.Frame) bool {
	v := e.voice()
	return v != nil && v.receiver.Say(f)
}

// Hear implements media.Port.
func (e *endpoint) Hear(f *media.Frame) {
	if v := e.voice(); v != nil {
		v.sender.Hear(f)
	}
}

// voice is nil before the browser is connected.
func (e *endpoint) voice() *voice {
	l := e.link.Load()
	if l == nil || !l.up.Load() {
		return nil
	}
	return l.audio.voice.Load()
}
