package sdp

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Suites of SRTP that we speak, the better first.
var Suites = []string{"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"}

const (
	keyBytes     = 30 // 16 of key, 14 of salt
	offeredEvent = 101
)

// Why an offer or an answer cannot be taken: both are a 488.
var (
	ErrNoCodec = errors.New("no codec in common")
	ErrNoSRTP  = errors.New("no media profile in common (one side wants SRTP)")
)

// Local is our side of the stream.
type Local struct {
	Host      string // where we receive, as the far side sees it
	Port      int
	SessionID uint64
	Version   uint64   // counted up by the caller whenever the description changes
	Codecs    []string // in the order of our preference
	Events    uint8    // payload type of telephone events in an offer; 0: our usual one
	Dir       Direction
	Crypto    *Crypto // our key; nil: plain RTP
}

// Agreed is what both sides settled on.
type Agreed struct {
	Remote netip.AddrPort
	Codec  string
	PT     uint8
	Events uint8 // payload type of telephone events as the far side numbers them, 0: none
	// OwnEvents is the number we told for them: they may come with either.
	OwnEvents uint8
	Ptime     int // ms the far side asks for
	// Dir is the far side's direction; Held tells that it does not want to hear us.
	Dir    Direction
	Crypto *Crypto // the far side's key
	RTCP   netip.AddrPort
	Mux    bool
}

// Held tells that the far side put us on hold: it wants no sound from us.
func (a Agreed) Held() bool {
	return a.Dir == SendOnly || a.Dir == Inactive || a.Remote.Addr().IsUnspecified()
}

// NewCrypto makes a key of our own for a suite.
func NewCrypto(tag int, suite string) *Crypto {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails: it ends the process instead
	return &Crypto{Tag: tag, Suite: suite, Key: key}
}

// Offer writes our description for the far side to answer.
func (l Local) Offer() []byte {
	var b strings.Builder
	l.head(&b)
	formats := make([]Format, 0, len(l.Codecs))
	for _, name := range l.Codecs {
		formats = append(formats, Format{PT: staticType(name), Name: name})
	}
	l.audio(&b, l.profile(), formats, l.events(), l.Dir)
	return []byte(b.String())
}

// Answer settles on one stream of the offer and writes our answer. The key that l.Crypto gives is only a
// wish for SRTP: the answer takes the suite and tag of the offer.
func (l Local) Answer(offer Session) ([]byte, Agreed, *Crypto, error) {
	index, format, err := l.choose(offer)
	if err != nil {
		return nil, Agreed{}, nil, err
	}
	m := offer.Media[index]
	agreed := agree(m, format)
	if l.Crypto != nil {
		own := *l.Crypto
		theirs := bestCrypto(m.Crypto)
		own.Tag, own.Suite = theirs.Tag, theirs.Suite
		l.Crypto, agreed.Crypto = &own, &theirs
	}
	dir := reply(agreed)
	switch {
	case l.Dir == Inactive, l.Dir == SendOnly && dir == RecvOnly:
		dir = Inactive
	case l.Dir == SendOnly && dir == SendRecv:
		dir = SendOnly
	}
	var b strings.Builder
	l.head(&b)
	for i, other := range offer.Media {
		if i == index {
			l.audio(&b, m.Profile, []Format{format}, m.Events, dir)
			if m.Mux {
				b.WriteString("a=rtcp-mux\r\n")
			}
		} else {
			fmt.Fprintf(&b, "m=%s 0 %s %s\r\n", other.Kind, other.Profile, strings.Join(other.Formats, " "))
		}
	}
	return []byte(b.String()), agreed, l.Crypto, nil
}

// Accept reads the answer to our own offer.
func (l Local) Accept(answer Session) (Agreed, error) {
	m := answer.Media[0]
	if m.Kind != "audio" || m.Port == 0 {
		return Agreed{}, ErrNoCodec
	}
	if m.Profile != l.profile() {
		return Agreed{}, ErrNoSRTP
	}
	for _, format := range m.Known { // the first of the answer is what the far side will send
		if !slices.Contains(l.Codecs, format.Name) {
			continue
		}
		if !m.Addr.IsValid() {
			return Agreed{}, fmt.Errorf("%w: no connection address", ErrMalformed)
		}
		agreed := agree(m, format)
		if agreed.Events > 0 {
			agreed.OwnEvents = l.events()
		}
		if l.Crypto != nil {
			at := slices.IndexFunc(m.Crypto, func(c Crypto) bool { return c.Tag == l.Crypto.Tag && c.Suite == l.Crypto.Suite })
			if at < 0 {
				return Agreed{}, ErrNoSRTP
			}
			agreed.Crypto = &m.Crypto[at]
		}
		return agreed, nil
	}
	return Agreed{}, ErrNoCodec
}

func (l Local) choose(offer Session) (int, Format, error) {
	found := error(ErrNoCodec)
	for i, m := range offer.Media {
		if m.Kind != "audio" || m.Port == 0 {
			continue
		}
		if m.Profile != l.profile() || l.Crypto != nil && len(m.Crypto) == 0 {
			found = ErrNoSRTP
			continue
		}
		for _, name := range l.Codecs {
			if at := slices.IndexFunc(m.Known, func(f Format) bool { return f.Name == name }); at >= 0 {
				if !m.Addr.IsValid() {
					return 0, Format{}, fmt.Errorf("%w: no connection address", ErrMalformed)
				}
				return i, m.Known[at], nil
			}
		}
	}
	return 0, Format{}, found
}

func agree(m Media, format Format) Agreed {
	return Agreed{
		Remote: netip.AddrPortFrom(m.Addr, uint16(m.Port)), Codec: format.Name, PT: format.PT,
		Events: m.Events, OwnEvents: m.Events, Ptime: m.Ptime, Dir: m.Dir,
		RTCP: m.RTCP, Mux: m.Mux,
	}
}

// reply is the direction that answers an offer (RFC 3264, 6.1): a hold is answered by receiving only.
func reply(agreed Agreed) Direction {
	switch {
	case agreed.Dir == Inactive:
		return Inactive
	case agreed.Dir == SendOnly || agreed.Remote.Addr().IsUnspecified():
		return RecvOnly
	case agreed.Dir == RecvOnly:
		return SendOnly
	}
	return SendRecv
}

func bestCrypto(offered []Crypto) Crypto {
	for _, suite := range Suites {
		for _, crypto := range offered {
			if crypto.Suite == suite {
				return crypto
			}
		}
	}
	return offered[0]
}

func (l Local) events() uint8 {
	if l.Events > 0 {
		return l.Events
	}
	return offeredEvent
}

func (l Local) profile() string {
	if l.Crypto != nil {
		return "RTP/SAVP"
	}
	return "RTP/AVP"
}

func staticType(name string) uint8 {
	switch name {
	case "PCMU":
		return 0
	case "G722":
		return 9
	}
	return 8
}

func (l Local) head(b *strings.Builder) {
	family := "IP4"
	if addr, err := netip.ParseAddr(l.Host); err == nil && addr.Is6() {
		family = "IP6"
	}
	fmt.Fprintf(b, "v=0\r\no=- %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n",
		l.SessionID, l.Version, family, l.Host, family, l.Host)
}

func (l Local) audio(b *strings.Builder, profile string, formats []Format, events uint8, dir Direction) {
	fmt.Fprintf(b, "m=audio %d %s", l.Port, profile)
	for _, format := range formats {
		b.WriteString(" " + strconv.Itoa(int(format.PT)))
	}
	if events > 0 {
		b.WriteString(" " + strconv.Itoa(int(events)))
	}
	b.WriteString("\r\n")
	for _, format := range formats {
		fmt.Fprintf(b, "a=rtpmap:%d %s/8000\r\n", format.PT, format.Name)
	}
	if events > 0 {
		fmt.Fprintf(b, "a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\n", events, events)
	}
	if l.Crypto != nil {
		fmt.Fprintf(b, "a=crypto:%d %s inline:%s\r\n",
			l.Crypto.Tag, l.Crypto.Suite, base64.StdEncoding.EncodeToString(l.Crypto.Key))
	}
	if dir == "" {
		dir = SendRecv
	}
	fmt.Fprintf(b, "a=ptime:20\r\na=%s\r\n", dir)
}
