// Package sdp reads and writes the part of SDP that telephone trunks speak: one audio stream, G.711 and G.722,
// telephone events, direction, SDES keys. It reads what carriers really send, bounded, and never guesses.
package sdp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is read: a body beyond them is refused as malformed.
const (
	MaxBytes   = 16 << 10
	maxLines   = 400
	maxMedia   = 8
	maxFormats = 40
	maxCrypto  = 8
)

// ErrMalformed is wrapped by every error of Parse.
var ErrMalformed = errors.New("malformed SDP")

// Direction is what the writer of the SDP wants to do with the stream.
type Direction string

// Directions of RFC 3264.
const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly"
	RecvOnly Direction = "recvonly"
	Inactive Direction = "inactive"
)

// Format is one payload type of a media line that we know by name.
type Format struct {
	PT   uint8
	Name string // PCMA, PCMU, G722
}

// Crypto is one SDES line (RFC 4568): the master key and salt of what its writer sends.
type Crypto struct {
	Tag   int
	Suite string
	Key   []byte
}

// Media is one m= line with its attributes.
type Media struct {
	Kind    string // audio, video, image ...
	Port    int    // 0: refused or switched off
	Profile string // RTP/AVP, RTP/SAVP ...
	Formats []string
	Addr    netip.Addr
	Known   []Format
	Events  uint8 // payload type of telephone-event/8000, 0: none
	Ptime   int   // ms, 0: not said
	Dir     Direction
	Crypto  []Crypto
	RTCP    netip.AddrPort // a=rtcp; not valid: not said
	Mux     bool           // a=rtcp-mux
}

// Session is a description as it was read.
type Session struct {
	Version uint64
	Media   []Media
}

type reader struct {
	session Session
	addr    netip.Addr
	dir     Direction
	names   map[string]string // rtpmap of the media line being read
}

// Parse reads a description. Lines it does not know are skipped, as RFC 4566 wants it.
func Parse(body []byte) (Session, error) {
	if len(body) > MaxBytes {
		return Session{}, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxBytes)
	}
	lines := strings.Split(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n")
	if len(lines) > maxLines {
		return Session{}, fmt.Errorf("%w: more than %d lines", ErrMalformed, maxLines)
	}
	if strings.TrimSpace(lines[0]) != "v=0" {
		return Session{}, fmt.Errorf("%w: no v=0 at its start", ErrMalformed)
	}
	r := reader{dir: SendRecv}
	for _, line := range lines[1:] {
		line = strings.TrimRight(line, " \t\r")
		if len(line) < 2 || line[1] != '=' {
			if line == "" {
				continue
			}
			return Session{}, fmt.Errorf("%w: a line that is no x=value", ErrMalformed)
		}
		if err := r.line(line[0], line[2:]); err != nil {
			return Session{}, err
		}
	}
	r.close()
	if len(r.session.Media) == 0 {
		return Session{}, fmt.Errorf("%w: no media line", ErrMalformed)
	}
	return r.session, nil
}

func (r *reader) line(kind byte, value string) error {
	switch kind {
	case 'o':
		if fields := strings.Fields(value); len(fields) == 6 {
			r.session.Version, _ = strconv.ParseUint(fields[2], 10, 64) // a version that is no number never changes
		}
	case 'c':
		addr, err := connection(value)
		if err != nil {
			return err
		}
		if m := r.media(); m != nil {
			m.Addr = addr
		} else {
			r.addr = addr
		}
	case 'm':
		return r.open(value)
	case 'a':
		name, value, _ := strings.Cut(value, ":")
		return r.attribute(name, strings.TrimSpace(value))
	}
	return nil
}

func (r *reader) media() *Media {
	if n := len(r.session.Media); n > 0 {
		return &r.session.Media[n-1]
	}
	return nil
}

func connection(value string) (netip.Addr, error) {
	fields := strings.Fields(value)
	if len(fields) != 3 || fields[0] != "IN" {
		return netip.Addr{}, fmt.Errorf("%w: connection line", ErrMalformed)
	}
	host, _, _ := strings.Cut(fields[2], "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.IsMulticast() || addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%w: connection address (an IP address is needed, names are not looked up)", ErrMalformed)
	}
	return addr.Unmap(), nil
}

func (r *reader) open(value string) error {
	r.close()
	fields := strings.Fields(value)
	if len(fields) < 4 || len(fields) > 3+maxFormats || len(r.session.Media) == maxMedia {
		return fmt.Errorf("%w: media line", ErrMalformed)
	}
	number, _, _ := strings.Cut(fields[1], "/")
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return fmt.Errorf("%w: media port", ErrMalformed)
	}
	r.names = map[string]string{"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000"}
	r.session.Media = append(r.session.Media, Media{
		Kind: fields[0], Port: int(port), Profile: fields[2], Formats: fields[3:], Addr: r.addr, Dir: r.dir,
	})
	return nil
}

// close gives the payload types of the last media line their names.
func (r *reader) close() {
	m := r.media()
	if m == nil || m.Kind != "audio" {
		return
	}
	for _, format := range m.Formats {
		pt, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			continue
		}
		switch name := strings.ToUpper(r.names[format]); strings.TrimSuffix(name, "/1") {
		case "PCMU/8000", "PCMA/8000", "G722/8000":
			m.Known = append(m.Known, Format{PT: uint8(pt), Name: name[:4]})
		case "TELEPHONE-EVENT/8000":
			m.Events = uint8(pt)
		}
	}
}

func (r *reader) attribute(name, value string) error {
	m := r.media()
	switch name {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		if m == nil {
			r.dir = Direction(name)
		} else {
			m.Dir = Direction(name)
		}
	case "rtpmap":
		if format, encoding, ok := strings.Cut(value, " "); ok && m != nil && len(r.names) < 2*maxFormats {
			r.names[format] = strings.TrimSpace(encoding)
		}
	case "ptime":
		if ms, err := strconv.Atoi(value); err == nil && m != nil && ms >= 10 && ms <= 200 {
			m.Ptime = ms
		}
	case "rtcp":
		if m != nil {
			m.RTCP = parseRTCP(value, m.Addr)
		}
	case "rtcp-mux":
		if m != nil {
			m.Mux = true
		}
	case "crypto":
		if m != nil && len(m.Crypto) < maxCrypto {
			if crypto, ok := parseCrypto(value); ok {
				m.Crypto = append(m.Crypto, crypto)
			}
		}
	}
	return nil
}

// parseRTCP reads "53020" or "53020 IN IP4 192.0.2.1" (RFC 3605).
func parseRTCP(value string, addr netip.Addr) netip.AddrPort {
	fields := strings.Fields(value)
	if len(fields) != 1 && len(fields) != 4 {
		return netip.AddrPort{}
	}
	port, err := strconv.ParseUint(fields[0], 10, 16)
	if len(fields) == 4 && err == nil {
		addr, err = netip.ParseAddr(fields[3])
	}
	if err != nil || port == 0 || !addr.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port))
}

// parseCrypto reads "1 AES_CM_128_HMAC_SHA1_80 inline:key|2^31|1:1"; a line we cannot use is no line.
func parseCrypto(value string) (Crypto, bool) {
	fields := strings.Fields(value)
	if len(fields) < 3 || !slices.Contains(Suites, fields[1]) {
		return Crypto{}, false
	}
	tag, err := strconv.Atoi(fields[0])
	if err != nil || tag < 0 || tag > 999_999_999 {
		return Crypto{}, false
	}
	for _, parameter := range fields[3:] {
		if strings.HasPrefix(parameter, "UNENCRYPTED_") || strings.HasPrefix(parameter, "UNAUTHENTICATED_") {
			return Crypto{}, false
		}
	}
	inline, ok := strings.CutPrefix(fields[2], "inline:")
	if !ok || strings.Contains(inline, ";") {
		return Crypto{}, false
	}
	encoded, rest, _ := strings.Cut(inline, "|")
	if strings.Contains(rest, ":") { // a master key index would precede every packet's tag: not spoken here
		return Crypto{}, false
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != keyBytes {
		return Crypto{}, false
	}
	return Crypto{Tag: tag, Suite: fields[1], Key: key}, true
}
