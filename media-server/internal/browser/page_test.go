package browser

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/stream"
)

// page is what a browser does, in Go: the three sections and the channel of the convention.
type page struct {
	t       testing.TB
	h       *house
	id      string
	pc      *webrtc.PeerConnection
	marks   *webrtc.DataChannel
	audio   *microphone
	sender  *stream.Sender
	packets atomic.Int64 // of audio that came in
	video   [2]*webrtc.TrackLocalStaticRTP
	ended   sync.WaitGroup
	stop    context.CancelFunc
	ctx     context.Context

	mu    sync.Mutex
	seen  map[string][]rtp.Packet // by kind: what came in
	heard []media.Frame
	got   chan struct{} // closed and replaced at each packet and mark
	open  bool          // the marks channel
	over  bool          // the connection
	said  []string      // marks that came in
	plis  map[uint32]int
	remb  map[uint32]float32

	cable *cable
}

// cable is the page's network, which can be cut, or lose one video packet of every n, going out or coming in.
type cable struct {
	net.PacketConn
	mux              ice.UDPMux
	cut              atomic.Bool
	lose, miss, lost atomic.Int64
	out, in          atomic.Int64
}

// WriteTo implements net.PacketConn.
func (c *cable) WriteTo(p []byte, to net.Addr) (int, error) {
	if c.cut.Load() || c.drops(len(p), &c.lose, &c.out) {
		return len(p), nil
	}
	return c.PacketConn.WriteTo(p, to)
}

// ReadFrom implements net.PacketConn.
func (c *cable) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(p)
		if err != nil || !c.drops(n, &c.miss, &c.in) {
			return n, from, err
		}
	}
}

// drops tells by size which packet is of a video.
func (c *cable) drops(size int, every, count *atomic.Int64) bool {
	n := every.Load()
	if n == 0 || size < 900 || count.Add(1)%n != 0 {
		return false
	}
	c.lost.Add(1)
	return true
}

type pageOptions struct {
	videos int    // sections of video, 0 to 2
	codec  string // of the videos: VP8 unless said otherwise
	tcp    bool
	turn   *webrtc.ICEServer
}

func newPage(t testing.TB, h *house, id string, o pageOptions) *page {
	t.Helper()
	silent := silence()
	settings := webrtc.SettingEngine{LoggerFactory: silent}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	cable := &cable{}
	switch {
	case o.tcp:
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	case o.turn == nil:
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cable.PacketConn = conn
		cable.mux = webrtc.NewICEUDPMux(silent.NewLogger("udp"), cable)
		settings.SetICEUDPMux(cable.mux)
	}
	engine, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	if err := engine.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 126, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: "audio/telephone-event", ClockRate: 8000}}, webrtc.RTPCodecTypeAudio); err != nil {
		t.Fatal(err)
	}
	if err := webrtc.RegisterDefaultInterceptors(engine, registry); err != nil {
		t.Fatal(err)
	}
	configuration := webrtc.Configuration{}
	if o.turn != nil {
		configuration.ICEServers = []webrtc.ICEServer{*o.turn}
		configuration.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry))
	pc, err := api.NewPeerConnection(configuration)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &page{t: t, h: h, id: id, pc: pc, ctx: ctx, stop: stop, seen: map[string][]rtp.Packet{}, got: make(chan struct{}),
		plis: map[uint32]int{}, remb: map[uint32]float32{}, cable: cable}
	h.pages = append(h.pages, p)
	t.Cleanup(p.close)
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.over = state == webrtc.PeerConnectionStateClosed
		p.tell()
	})
	p.audio = &microphone{}
	p.addTrack(p.audio)
	for range o.videos {
		p.addVideo(o.codec)
	}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if track.Kind() == webrtc.RTPCodecTypeAudio {
			p.ended.Go(func() { p.listen(track) })
		} else {
			p.ended.Go(func() { p.watch(track) })
		}
	})
	p.marks, err = pc.CreateDataChannel("marks", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.marks.OnOpen(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.open = true
		p.tell()
	})
	p.marks.OnMessage(func(m webrtc.DataChannelMessage) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.said = append(p.said, string(m.Data))
		p.tell()
	})
	return p
}

func (p *page) addVideo(codec string) {
	if codec == "" {
		codec = webrtc.MimeTypeVP8
	}
	n := 0
	for p.video[n] != nil {
		n++
	}
	p.video[n] = p.add(codec, 90000, kinds[n])
}

func (p *page) add(mime string, rate uint32, id string) *webrtc.TrackLocalStaticRTP {
	p.t.Helper()
	capability := webrtc.RTPCodecCapability{MimeType: mime, ClockRate: rate}
	if mime == webrtc.MimeTypeH264 {
		capability.SDPFmtpLine = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
	}
	track, err := webrtc.NewTrackLocalStaticRTP(capability, id, id)
	if err != nil {
		p.t.Fatal(err)
	}
	transceiver := p.addTrack(track)
	if mime == webrtc.MimeTypeH264 {
		if err := transceiver.SetCodecPreferences([]webrtc.RTPCodecParameters{{RTPCodecCapability: capability, PayloadType: 125}}); err != nil {
			p.t.Fatal(err)
		}
	}
	return track
}

func (p *page) addTrack(track webrtc.TrackLocal) *webrtc.RTPTransceiver {
	p.t.Helper()
	transceiver, err := p.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendrecv})
	if err != nil {
		p.t.Fatal(err)
	}
	p.ended.Go(func() { p.reports(transceiver.Sender()) })
	return transceiver
}

// reports counts what the server asks the page's senders.
func (p *page) reports(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		p.mu.Lock()
		for _, packet := range packets {
			switch q := packet.(type) {
			case *rtcp.PictureLossIndication:
				p.plis[q.MediaSSRC]++
				p.tell()
			case *rtcp.ReceiverEstimatedMaximumBitrate:
				for _, ssrc := range q.SSRCs {
					p.remb[ssrc] = q.Bitrate
				}
				p.tell()
			}
		}
		p.mu.Unlock()
	}
}

func (p *page) watch(track *webrtc.TrackRemote) {
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.seen[track.ID()] = append(p.seen[track.ID()], *packet)
		p.tell()
		p.mu.Unlock()
	}
}

// tell wakes until; the caller holds mu.
func (p *page) tell() {
	close(p.got)
	p.got = make(chan struct{})
}

// until waits until the condition holds; it is asked with mu held.
func (p *page) until(what string, within time.Duration, holds func() bool) {
	p.t.Helper()
	limit := time.After(within)
	for {
		p.mu.Lock()
		done, got := holds(), p.got
		p.mu.Unlock()
		if done {
			return
		}
		select {
		case <-got:
		case <-limit:
			p.t.Fatalf("%s: not within %s", what, within)
		}
	}
}

func (p *page) offer(options *webrtc.OfferOptions) string {
	p.t.Helper()
	offer, err := p.pc.CreateOffer(options)
	if err != nil {
		p.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(offer); err != nil {
		p.t.Fatal(err)
	}
	<-gathered
	return p.pc.LocalDescription().SDP
}

// connect makes an offer and applies the answer, which it returns.
func (p *page) connect(options *webrtc.OfferOptions) string {
	p.t.Helper()
	answer, err := p.h.Offer(p.id, p.offer(options))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		p.t.Fatalf("the answer is refused: %v\n%s", err, answer)
	}
	return answer
}

// join connects and waits until media flows.
func (p *page) join() *page {
	p.t.Helper()
	p.connect(nil)
	p.h.wait(protocol.Connected, p.id, patience)
	return p
}

// film sends a video of VP8 shape: 30 pictures a second of two packets, a keyframe when asked or each 300.
func (p *page) film(kind int) (stop func()) {
	first, key := uint16(rand.Uint32()), true
	ssrc := uint32(p.pc.GetSenders()[1+kind].GetParameters().Encodings[0].SSRC)
	plis := 0
	return p.every(33*time.Millisecond, func(n int) {
		p.mu.Lock()
		key = n%300 == 0 || p.plis[ssrc] > plis
		plis = p.plis[ssrc]
		p.mu.Unlock()
		head := []byte{0x90, 0x80, byte(n) & 0x7f, 0x01}
		if key {
			head[3] = 0
		}
		for part := range 2 {
			payload := slices.Concat(head, []byte(p.id+" "+kinds[kind]), make([]byte, 900))
			if part == 1 {
				payload[0] = 0x80 // not the start of a partition
			}
			_ = p.video[kind].WriteRTP(&rtp.Packet{Payload: payload, Header: rtp.Header{Version: 2, Marker: part == 1,
				SequenceNumber: first + uint16(2*n+part), Timestamp: uint32(n) * 2970}})
		}
	})
}

func (p *page) every(pace time.Duration, work func(n int)) (stop func()) {
	ctx, cancel := context.WithCancel(p.ctx)
	p.ended.Go(func() {
		ticker := time.NewTicker(pace)
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				work(n)
			}
		}
	})
	return cancel
}

// who tells whose pictures came in on the track, each name once, in their order.
func who(packets []rtp.Packet) (names []string) {
	for _, packet := range packets {
		if len(packet.Payload) < 5 {
			continue
		}
		name := strings.TrimRight(string(packet.Payload[4:40]), "\x00")
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return names
}

func (p *page) close() {
	p.stop()
	_ = p.pc.GracefulClose()
	p.ended.Wait()
	if p.cable.mux != nil {
		_ = p.cable.mux.Close()
	}
}
