package browser

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/logging"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"guichet/mediaserver/internal/config"
)

const (
	// A browser that answers no connectivity check is given up after deadAfter; checkEvery apart are the checks.
	deadAfter  = 3 * time.Second
	checkEvery = time.Second
	// connectWithin is how long a browser may take from its offer to the first encrypted packet.
	connectWithin = 20 * time.Second

	receiveMTU    = 1600
	socketBuffer  = 4 << 20
	tcpWriteQueue = 256 << 10 // bytes to one browser over TCP; what does not fit is dropped, as UDP would
)

// engine is pion/webrtc set up once for all browsers: their codecs, one UDP and one TCP port, one certificate.
type engine struct {
	api         *webrtc.API
	certificate webrtc.Certificate
	udp         *ice.UDPMuxDefault
	tcp         *ice.TCPMuxDefault
}

func newEngine(cfg config.Config) (*engine, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key for browsers: %w", err)
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, fmt.Errorf("make the certificate for browsers: %w", err)
	}
	e := &engine{certificate: *certificate}
	settings, err := e.listen(cfg)
	if err != nil {
		e.close()
		return nil, err
	}
	media, registry, err := codecs()
	if err != nil {
		e.close()
		return nil, fmt.Errorf("register codecs for browsers: %w", err)
	}
	e.api = webrtc.NewAPI(webrtc.WithSettingEngine(*settings), webrtc.WithMediaEngine(media),
		webrtc.WithInterceptorRegistry(registry))
	return e, nil
}

// listen binds the ports and tells pion about them and about the addresses to advertise.
func (e *engine) listen(cfg config.Config) (*webrtc.SettingEngine, error) {
	silent := &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	settings := &webrtc.SettingEngine{LoggerFactory: silent}
	settings.SetICETimeouts(deadAfter, connectWithin, checkEvery)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetReceiveMTU(receiveMTU)
	settings.SetSCTPMaxReceiveBufferSize(256 << 10)
	settings.SetSCTPMaxMessageSize(maxMark)
	settings.DisableActiveTCP(true)

	var networks []webrtc.NetworkType
	var bound []net.IP
	if cfg.WebUDP != "" {
		address, err := net.ResolveUDPAddr("udp", cfg.WebUDP)
		if err != nil {
			return nil, fmt.Errorf("read web_udp %q: %w", cfg.WebUDP, err)
		}
		conn, err := net.ListenUDP("udp"+family(address.IP), address)
		if err != nil {
			return nil, fmt.Errorf("bind web_udp: %w", err)
		}
		// Best effort: the system caps it, and a smaller one only loses packets under heavier load.
		_ = conn.SetReadBuffer(socketBuffer)
		_ = conn.SetWriteBuffer(socketBuffer)
		e.udp = ice.NewUDPMuxDefault(ice.UDPMuxParams{Logger: silent.NewLogger("udp"), UDPConn: conn})
		settings.SetICEUDPMux(e.udp)
		networks = append(networks, webrtc.NetworkTypeUDP4)
		if family(address.IP) == "" {
			networks = append(networks, webrtc.NetworkTypeUDP6)
		}
		bound = append(bound, address.IP)
	}
	if cfg.WebTCP != "" {
		address, err := net.ResolveTCPAddr("tcp", cfg.WebTCP)
		if err != nil {
			return nil, fmt.Errorf("read web_tcp %q: %w", cfg.WebTCP, err)
		}
		listener, err := net.ListenTCP("tcp"+family(address.IP), address)
		if err != nil {
			return nil, fmt.Errorf("bind web_tcp: %w", err)
		}
		e.tcp = ice.NewTCPMuxDefault(ice.TCPMuxParams{
			Logger: silent.NewLogger("tcp"), Listener: newDoor(listener, 2*cfg.WebMax), ReadBufferSize: 32, WriteBufferSize: tcpWriteQueue,
			FirstStunBindTimeout: 5 * time.Second, AliveDurationForConnFromStun: 5 * time.Second,
		})
		settings.SetICETCPMux(e.tcp)
		networks = append(networks, webrtc.NetworkTypeTCP4)
		if family(address.IP) == "" {
			networks = append(networks, webrtc.NetworkTypeTCP6)
		}
		bound = append(bound, address.IP)
	}
	settings.SetNetworkTypes(networks)
	return settings, advertise(settings, cfg.PublicHost, bound)
}

// family keeps an IPv4 address to IPv4: the system would take 0.0.0.0 for all addresses of both.
func family(ip net.IP) string {
	if ip.To4() != nil {
		return "4"
	}
	return ""
}

// advertise puts the public address in place of those the ports are bound to, where the two differ.
func advertise(settings *webrtc.SettingEngine, public string, bound []net.IP) error {
	var public4or6 net.IP
	if public != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		addresses, err := net.DefaultResolver.LookupIP(ctx, "ip", public)
		if err != nil || len(addresses) == 0 {
			return fmt.Errorf("find the address of public_host %q: %w", public, err)
		}
		public4or6 = addresses[0]
	}
	for _, ip := range bound {
		if ip.IsLoopback() {
			settings.SetIncludeLoopbackCandidate(true)
		}
		if public4or6 == nil || public4or6.IsLoopback() || ip.Equal(public4or6) {
			continue
		}
		if err := settings.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
			External: []string{public4or6.String()}, AsCandidateType: webrtc.ICECandidateTypeHost,
			Mode: webrtc.ICEAddressRewriteReplace,
		}); err != nil {
			return fmt.Errorf("advertise public_host: %w", err)
		}
	}
	return nil
}

// codecs registers what we answer with. The payload types are the browser's: it offers.
func codecs() (*webrtc.MediaEngine, *interceptor.Registry, error) {
	media, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	var errs []error
	for _, codec := range audioCodecs() {
		errs = append(errs, media.RegisterCodec(codec, webrtc.RTPCodecTypeAudio))
	}
	feedback := []webrtc.RTCPFeedback{
		{Type: webrtc.TypeRTCPFBGoogREMB}, {Type: webrtc.TypeRTCPFBTransportCC}, {Type: webrtc.TypeRTCPFBCCM, Parameter: "fir"},
		{Type: webrtc.TypeRTCPFBNACK}, {Type: webrtc.TypeRTCPFBNACK, Parameter: "pli"},
	}
	video := func(pt webrtc.PayloadType, mime, fmtp string, feedback []webrtc.RTCPFeedback) {
		errs = append(errs, media.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: pt,
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: mime, ClockRate: 90000, SDPFmtpLine: fmtp,
				RTCPFeedback: feedback}}, webrtc.RTPCodecTypeVideo))
	}
	video(96, webrtc.MimeTypeVP8, "", feedback)
	video(97, webrtc.MimeTypeRTX, "apt=96", nil)
	video(102, webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", feedback)
	video(103, webrtc.MimeTypeRTX, "apt=102", nil)

	// The sender numbers all its packets: from our reports about them it finds its rate.
	numbered := webrtc.RTPHeaderExtensionCapability{URI: sdp.TransportCCURI}
	errs = append(errs, media.RegisterHeaderExtension(numbered, webrtc.RTPCodecTypeVideo))

	responder, err1 := nack.NewResponderInterceptor()
	generator, err2 := nack.NewGeneratorInterceptor()
	receiver, err3 := report.NewReceiverInterceptor()
	sender, err4 := report.NewSenderInterceptor()
	transport, err5 := twcc.NewSenderInterceptor()
	if err := errors.Join(append(errs, err1, err2, err3, err4, err5)...); err != nil {
		return nil, nil, err
	}
	for _, each := range []interceptor.Factory{responder, generator, receiver, sender, transport} {
		registry.Add(each)
	}
	return media, registry, nil
}

// ready tells whether browsers can come at all.
func (e *engine) ready() bool { return e.udp != nil || e.tcp != nil }

func (e *engine) close() {
	if e.udp != nil {
		_ = e.udp.Close()
	}
	if e.tcp != nil {
		_ = e.tcp.Close()
	}
}
