// Command peer is a carrier with many callers, for tests and measurements of the media server.
//
// It reads commands, one a line, and answers each with a line of JSON: "call N PER_SECOND" lets N more call,
// "measure SECONDS" counts what all hear meanwhile, "calls" tells how many stand, "hangup" ends them. It hangs up and
// ends when its input does. Calls of the server it answers at once.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"time"

	"guichet/mediaserver/internal/peer"
)

func main() {
	server := flag.String("server", "127.0.0.1:5060", "where the media server has its SIP")
	host := flag.String("host", "127.0.0.1", "our own address")
	port := flag.Int("port", 0, "of our SIP; 0: any")
	bursts := flag.Bool("bursts", false, "say bursts and not one long tone")
	cert := flag.String("cert", "", "PEM files of our certificate and its key, which the server's is checked by too: TLS and SRTP")
	key := flag.String("key", "", "")
	flag.Parse()
	if err := run(peer.Config{Server: *server, Port: *port, Bursts: *bursts, Transport: "udp"}, *host, *cert, *key); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(cfg peer.Config, host, cert, key string) (err error) {
	if cfg.Host, err = netip.ParseAddr(host); err != nil {
		return fmt.Errorf("read -host: %w", err)
	}
	if cert != "" {
		cfg.Transport = "tls"
		if cfg.TLS, err = secure(cert, key); err != nil {
			return err
		}
	}
	p, err := peer.New(cfg)
	if err != nil {
		return err
	}
	defer p.Close()
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(map[string]any{"listens": p.Local()}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := out.Encode(do(p, lines.Text())); err != nil {
			return err
		}
	}
	return nil
}

// do carries one command out and gives its answer.
func do(p *peer.Peer, line string) any {
	var word string
	var number, second float64
	_, _ = fmt.Sscan(line, &word, &number, &second) // what is missing is 0
	switch {
	case word == "call" && second > 0:
		answered, err := p.Call(int(number), second)
		said := map[string]any{"answered": answered}
		if err != nil {
			said["failed"] = err.Error()
		}
		return said
	case word == "measure" && number > 0:
		return p.Measure(time.Duration(number * float64(time.Second)))
	case word == "calls":
		return map[string]any{"calls": p.Calls()}
	case word == "hangup":
		p.HangUp()
		return map[string]any{"calls": p.Calls()}
	}
	return map[string]any{"failed": "no command: " + line}
}

func secure(cert, key string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	text, err := os.ReadFile(cert)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("read the certificate: there is none in it")
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}
