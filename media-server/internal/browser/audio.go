package browser

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/stream"
)

// spoken are the codecs we speak with browsers, best first. Opus is there only in a build that has it; G.722 is
// wideband too, and every browser has it.
var spoken = [...]webrtc.RTPCodecParameters{
	speak("opus", 111, 48000, 2, "minptime=10;useinbandfec=1"),
	speak("G722", 9, 8000, 0, ""),
	speak("PCMA", 8, 8000, 0, ""),
	speak("PCMU", 0, 8000, 0, ""),
}

// quietAfter ticks without anything to hear we stop sending.
const quietAfter = 10

const events = "telephone-event"

func speak(name string, pt webrtc.PayloadType, rate uint32, channels uint16, fmtp string) webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{PayloadType: pt, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: "audio/" + name, ClockRate: rate, Channels: channels, SDPFmtpLine: fmtp}}
}

func nameOf(codec webrtc.RTPCodecParameters) string {
	return strings.TrimPrefix(codec.MimeType, "audio/")
}

// audioCodecs are those of this build, and digits at the clocks of each.
func audioCodecs() []webrtc.RTPCodecParameters {
	var all []webrtc.RTPCodecParameters
	for _, codec := range spoken {
		if _, err := audio.New(nameOf(codec)); err == nil {
			all = append(all, codec)
		}
	}
	return append(all, speak(events, 101, 8000, 0, "0-15"), speak(events, 110, 48000, 0, "0-15"))
}

// voice is the audio of one connection, both ways; it is also the track on which we send.
type voice struct {
	link     *link
	ssrc     uint32
	to       webrtc.TrackLocalWriter
	receiver *stream.Receiver
	sender   *stream.Sender
	codec    string
	quiet    int // ticks in which nothing was to be heard; of the mixer's goroutine
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

// prefer puts the codecs both sides have in our order; the browser sends the first.
func prefer(common []webrtc.RTPCodecParameters) []webrtc.RTPCodecParameters {
	place := func(codec webrtc.RTPCodecParameters) int {
		n := slices.IndexFunc(spoken[:], func(ours webrtc.RTPCodecParameters) bool { return strings.EqualFold(ours.MimeType, codec.MimeType) })
		return (n + len(spoken) + 1) % (len(spoken) + 1) // what is not spoken is last
	}
	sorted := slices.Clone(common)
	slices.SortStableFunc(sorted, func(a, b webrtc.RTPCodecParameters) int { return place(a) - place(b) })
	return sorted
}

// choose takes our best codec of those both sides have, and the digits that keep its clock.
func choose(common []webrtc.RTPCodecParameters) (chosen webrtc.RTPCodecParameters, format stream.Format) {
	find := func(name string, rate uint32) (webrtc.RTPCodecParameters, bool) {
		for _, codec := range common {
			if strings.EqualFold(nameOf(codec), name) && codec.ClockRate == rate {
				return codec, true
			}
		}
		return webrtc.RTPCodecParameters{}, false
	}
	for _, codec := range spoken {
		found, ok := find(nameOf(codec), codec.ClockRate)
		if !ok {
			continue
		}
		format = stream.Format{Codec: nameOf(codec), PT: uint8(found.PayloadType)}
		if digits, ok := find(events, codec.ClockRate); ok {
			format.EventPT = uint8(digits.PayloadType)
		}
		return found, format
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

// Hear implements media.Port. A browser that is to hear nothing gets silence for a moment, then no packets: most
// are idle most of the time.
func (e *endpoint) Hear(f *media.Frame) {
	v := e.voice()
	if v == nil {
		return
	}
	if f != nil {
		v.quiet = 0
	} else {
		v.quiet = min(v.quiet+1, quietAfter)
	}
	v.sender.SetSending(v.quiet < quietAfter)
	v.sender.Hear(f)
}

// Skip implements media.Skipper.
func (e *endpoint) Skip(ticks uint64) {
	if v := e.voice(); v != nil {
		v.sender.Skip(ticks)
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
