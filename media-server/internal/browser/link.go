package browser

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/stream"
)

// gatherWithin bounds the wait for our own candidates, which are the bound ports: it takes a millisecond.
const gatherWithin = 2 * time.Second

// link is one connection of a browser. An endpoint has one at a time; what an old one still reports is
// nobody's business any more.
type link struct {
	server *Server
	end    *endpoint
	origin string
	made   time.Duration
	pc     *webrtc.PeerConnection
	// offered and answered are the last exchange: the same offer sent again gets the same answer.
	offered, answered string

	audio   audioTrack
	in      [2]*videoIn
	out     [2]*videoOut
	marks   *marks
	quality quality
	up      atomic.Bool // media may flow both ways
	silent  atomic.Bool // but nothing comes
	// governed is when the browser was last told what it may send; of the housekeeping.
	governed time.Duration

	mu      sync.Mutex
	closed  bool
	workers sync.WaitGroup
}

func (s *Server) newLink(e *endpoint, origin string) (*link, error) {
	pc, err := s.engine.api.NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{s.engine.certificate}})
	if err != nil {
		return nil, fmt.Errorf("make a connection: %w", err)
	}
	l := &link{server: s, end: e, origin: origin, made: s.since(), pc: pc, marks: newMarks()}
	l.audio.link = l
	for n, kind := range kinds {
		l.in[n] = newVideoIn(l, kind)
		l.out[n] = &videoOut{link: l, kind: kind}
	}
	pc.OnConnectionStateChange(l.changed)
	pc.OnTrack(l.track)
	pc.OnDataChannel(l.channel)
	return l, nil
}

// answer negotiates: for the first time, with more sections than before, or with new ICE credentials. It is
// for one goroutine at a time.
func (l *link) answer(o *offer) (string, error) {
	if o.text == l.offered {
		return l.answered, nil
	}
	if err := l.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: o.sdp}); err != nil {
		return "", badSDP("cannot be answered: it contradicts itself, or what was offered before")
	}
	if err := l.addTracks(o); err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(l.pc)
	answer, err := l.pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("make an answer: %w", err)
	}
	if err := l.pc.SetLocalDescription(answer); err != nil {
		return "", fmt.Errorf("apply an answer: %w", err)
	}
	select {
	case <-gathered:
	case <-time.After(gatherWithin):
		return "", fmt.Errorf("gather candidates: not done within %s", gatherWithin)
	}
	dressed, err := dress(l.pc.LocalDescription().SDP)
	if err == nil {
		l.offered, l.answered = o.text, dressed
	}
	return dressed, err
}

// addTracks gives each section of the offer that has none the track on which we send. Pion gives them out in
// the order of the sections.
func (l *link) addTracks(o *offer) error {
	if l.answered == "" {
		for _, t := range l.pc.GetTransceivers() {
			if t.Kind() == webrtc.RTPCodecTypeAudio {
				if err := t.SetCodecPreferences(prefer(t.Receiver().GetParameters().Codecs)); err != nil {
					return fmt.Errorf("prefer our codecs: %w", err)
				}
			}
		}
		sender, err := l.pc.AddTrack(&l.audio)
		if err != nil {
			return fmt.Errorf("add audio: %w", err)
		}
		l.start(func() { l.quality.read(sender) })
	}
	for n, out := range l.out {
		if !out.offered(o.codecs[n]) {
			continue
		}
		sender, err := l.pc.AddTrack(out)
		if err != nil {
			return fmt.Errorf("add %s: %w", out.kind, err)
		}
		l.start(func() { out.readReports(sender) })
	}
	return nil
}

// track is called by pion with the first packet of each track of the browser.
func (l *link) track(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	if track.Kind() == webrtc.RTPCodecTypeAudio {
		l.start(func() { l.listen(track) })
		l.start(func() { drain(receiver) })
		return
	}
	for _, t := range l.pc.GetTransceivers() {
		if t.Receiver() != receiver || t.Sender() == nil {
			continue
		}
		for n, out := range l.out {
			if t.Sender().Track() == webrtc.TrackLocal(out) {
				l.in[n].track.Store(track)
				l.start(func() { l.in[n].read(track) })
				l.start(func() { drain(receiver) })
			}
		}
	}
}

// listen hands the browser's audio on until the track ends.
func (l *link) listen(track *webrtc.TrackRemote) {
	buffer := make([]byte, receiveMTU)
	for {
		n, _, err := track.Read(buffer)
		if err != nil && n == 0 {
			return
		}
		if v := l.audio.voice.Load(); v != nil && err == nil {
			v.receiver.Receive(buffer[:n])
		}
	}
}

// drain reads reports that only the interceptors want to see.
func drain(receiver *webrtc.RTPReceiver) {
	for {
		if _, _, err := receiver.ReadRTCP(); err != nil {
			return
		}
	}
}

// notices of the audio come in the mixer's tick.
func (l *link) notices() stream.Notices {
	return stream.Notices{
		Digit: func(digit byte, held time.Duration) {
			l.emit(protocol.Event{Kind: protocol.Digit, Digit: string(digit), Millis: held.Milliseconds(), Via: "rtp"})
		},
		Silent: func(silent bool) {
			l.silent.Store(silent)
			l.emit(protocol.Event{Kind: protocol.Silent, On: silent})
		},
	}
}

// emit tells what happened to the endpoint, unless it has another connection by now.
func (l *link) emit(event protocol.Event) {
	if l.end.link.Load() == l {
		event.Endpoint = l.end.id
		l.server.deps.Emit(event)
	}
}

func (l *link) changed(state webrtc.PeerConnectionState) {
	switch state {
	case webrtc.PeerConnectionStateConnected:
		if v := l.audio.voice.Load(); v != nil && l.up.CompareAndSwap(false, true) {
			l.emit(protocol.Event{Kind: protocol.Connected, Codec: v.codec})
		}
	case webrtc.PeerConnectionStateDisconnected, webrtc.PeerConnectionStateFailed:
		l.server.left(l, "network", l.lost())
	case webrtc.PeerConnectionStateClosed:
		l.server.left(l, "them", "closed")
	}
}

func (l *link) lost() string {
	if l.up.Load() {
		return "lost"
	}
	return "never_connected"
}

// send is for reports; one that cannot be sent is as good as lost on its way.
func (l *link) send(packet rtcp.Packet) { _ = l.pc.WriteRTCP([]rtcp.Packet{packet}) }

// start runs work beside, until close.
func (l *link) start(work func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.workers.Go(work)
	}
}

// close ends the connection and returns when its goroutines have ended. It must not be called by pion's own.
func (l *link) close() {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if !closed {
		_ = l.pc.GracefulClose()
	}
	l.workers.Wait()
}

// tick is the link's part of the housekeeping.
func (l *link) tick(now time.Duration) {
	if !l.up.Load() && now-l.made > connectWithin {
		l.server.left(l, "network", l.lost())
		return
	}
	for n, in := range l.in {
		in.tick(now)
		if from, waiting := l.out[n].source(); waiting && from.active.Load() {
			from.askKey()
		}
	}
	l.quality.tick(l, now)
	l.govern(now)
}
