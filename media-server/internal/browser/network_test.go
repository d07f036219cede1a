package browser

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/turn/v5"
	"github.com/pion/webrtc/v4"
)

func TestThroughARelay(t *testing.T) {
	t.Parallel()
	listener, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relay, err := turn.NewServer(turn.ServerConfig{
		Realm:         "test",
		AuthHandler:   turn.LongTermTURNRESTAuthHandler("secret", nil),
		LoggerFactory: silence(),
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: listener,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{
				RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1",
			},
			// Loopback peers are refused unless said otherwise.
			PermissionHandler: func(net.Addr, net.IP) bool { return true },
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close() //nolint:errcheck // the test is over
	user, password, err := turn.GenerateLongTermTURNRESTCredentials("secret", "agent", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, testConfig())
	p := newPage(t, h, "b1", pageOptions{videos: 1, turn: &webrtc.ICEServer{
		URLs: []string{"turn:" + listener.LocalAddr().String()}, Username: user, Credential: password,
	}}).join()
	pair, err := p.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil || pair.Local.Typ != webrtc.ICECandidateTypeRelay {
		t.Errorf("not through the relay: %v %v", pair, err)
	}
}

// It is not parallel: it has a time to keep.
func TestBackWithinASecondOfARestart(t *testing.T) {
	first := newHouse(t, testConfig())
	old := newPage(t, first, "b1", pageOptions{videos: 2}).join()
	old.until("the channel opens", patience, func() bool { return old.open })
	cfg := testConfig()
	cfg.WebUDP = first.engine.udp.LocalAddr().String()
	cfg.WebTCP = first.engine.tcp.LocalAddr().String()
	first.stop()
	begun := time.Now()
	old.until("the page notices", time.Second, func() bool { return old.over })
	second := newHouse(t, cfg)
	newPage(t, second, "b1~2", pageOptions{videos: 2}).join()
	took := time.Since(begun)
	t.Logf("from the end of the server to media with the next one: %s", took)
	if took > time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestCandidatesOfABrowserAreNotFollowed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	stranger, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close() //nolint:errcheck // the test is over
	_, port, _ := net.SplitHostPort(stranger.LocalAddr().String())
	offer := newPage(t, h, "b1", pageOptions{}).offer(nil)
	offer = strings.Replace(offer, "a=mid:0\r\n", "a=mid:0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 "+port+" typ host\r\n", 1)
	if _, err := h.Offer("b1", offer); err != nil {
		t.Fatal(err)
	}
	if err := stranger.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, from, err := stranger.ReadFrom(make([]byte, 1500)); err == nil {
		t.Errorf("%d bytes came from %s", n, from)
	}
}

func TestStrangersDoNotUseUpTheProcess(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.WebMax = 1
	h := newHouse(t, cfg)
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", h.engine.tcp.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	first, second, third := dial(), dial(), dial()
	if err := third.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := third.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the third connection: %v", err)
	}
	_, _ = first.Close(), second.Close()
	newPage(t, h, "b1", pageOptions{tcp: true}).join()
}
