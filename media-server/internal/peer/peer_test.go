package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"
)

func newPeer(t *testing.T, cfg Config) *Peer {
	t.Helper()
	cfg.Host = netip.MustParseAddr("127.0.0.1")
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(made)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: roots, MinVersion: tls.VersionTLS12}
}

func TestOnePeerCallsAnother(t *testing.T) {
	for transport, secure := range map[string]*tls.Config{"udp": nil, "tls": certificate(t)} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			called := newPeer(t, Config{Transport: transport, TLS: secure, Bursts: true})
			caller := newPeer(t, Config{Transport: transport, TLS: secure, Bursts: true, Server: called.Local().String()})
			if answered, err := caller.Call(1, 10); answered != 1 || err != nil {
				t.Fatal(answered, err)
			}
			told := make(chan Report)
			go func() { told <- called.Measure(3 * time.Second) }()
			here := caller.Measure(3 * time.Second)
			there := <-told
			for _, r := range []Report{here, there} {
				if r.Calls != 1 || r.Silent != 0 || r.Lost != 0 || r.Received < 140 || r.Received > 155 || r.Gap.P50 < 15 || r.Gap.P50 > 25 {
					t.Errorf("%+v", r)
				}
			}
			if len(here.Said) < 2 || len(there.Heard) < len(here.Said)-1 {
				t.Fatalf("said %v, heard %v", here.Said, there.Heard)
			}
			if delay := there.Heard[len(there.Heard)-1] - here.Said[len(here.Said)-1]; delay < 0.019 || delay > 0.2 {
				t.Errorf("heard after %v s", delay)
			}
			caller.HangUp()
			for end := time.Now().Add(2 * time.Second); called.Calls() > 0; {
				if time.Now().After(end) {
					t.Fatal("the other side did not hear that the call is over")
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	called := newPeer(t, Config{Transport: "udp", TLS: &tls.Config{MinVersion: tls.VersionTLS12}}) // it wants encryption
	caller := newPeer(t, Config{Transport: "udp", Server: called.Local().String()})
	if answered, err := caller.Call(1, 10); answered != 0 || !errors.Is(err, ErrRefused) {
		t.Fatal(answered, err)
	}
}

func TestHearingCountsWhatIsMissing(t *testing.T) {
	t.Parallel()
	var h hearing
	at := int64(1)
	for _, sequence := range []uint16{65533, 65534, 0, 65535, 3} { // 0 and 65535 change places; 1 and 2 are lost
		h.packet(7, sequence, at)
		at += int64(every)
	}
	h.packet(8, 100, at) // another stream
	h.packet(8, 102, at)
	if h.settle(); h.lost != 3 || h.received != 7 {
		t.Errorf("lost %d of %d", h.lost, h.received)
	}
	h.begin()
	h.packet(8, 110, at)
	if h.settle(); h.lost != 0 {
		t.Errorf("what was before counts: %d", h.lost)
	}
}

func TestGapsAreRanked(t *testing.T) {
	t.Parallel()
	var g gaps
	for range 99 {
		g.add(20 * time.Millisecond)
	}
	g.add(75 * time.Millisecond)
	if r := g.read(); r.P50 < 19.9 || r.P50 > 20.1 || r.P99 < 74.9 || r.Max != 75 {
		t.Errorf("%+v", r)
	}
}
