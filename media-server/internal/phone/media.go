package phone

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"guichet/mediaserver/internal/sdp"
	"guichet/mediaserver/internal/stream"
)

// description is our side of the offer and answer, as it was last sent.
type description struct {
	SessionID uint64      `json:"session_id"`
	Version   uint64      `json:"version"`
	Body      string      `json:"body"`
	Crypto    *sdp.Crypto `json:"crypto,omitempty"`
}

// local is our side with the version that was last sent. The caller holds c.mu.
func (c *Call) local() sdp.Local {
	d := &c.rec.Local
	if d.SessionID == 0 {
		d.SessionID, d.Version = uint64(c.beginAt.UnixMicro()), 1
	}
	if d.Crypto == nil && c.trunk.SRTP == "required" {
		d.Crypto = sdp.NewCrypto(1, sdp.Suites[0])
	}
	dir := sdp.SendRecv
	if c.saying {
		dir = sdp.SendOnly
	}
	return sdp.Local{
		Host: c.s.cfg.PublicHost, Port: c.leg.Port(), SessionID: d.SessionID, Version: d.Version,
		Codecs: c.trunk.Codecs, Events: c.rec.Events, Dir: dir, Crypto: d.Crypto,
	}
}

// describe writes our description: under the version last sent when it says the same, else under the next.
// The caller holds c.mu.
func (c *Call) describe(write func(sdp.Local) ([]byte, error)) ([]byte, error) {
	local := c.local()
	body, err := write(local)
	if err != nil {
		return nil, err
	}
	if before := c.rec.Local.Body; before != "" && before != string(body) {
		local.Version++
		if body, err = write(local); err != nil {
			return nil, err
		}
	}
	c.rec.Local.Version, c.rec.Local.Body = local.Version, string(body)
	return body, nil
}

// offer writes an offer of ours.
func (c *Call) offer() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, _ := c.describe(func(l sdp.Local) ([]byte, error) { // an offer has no error
		if c.rec.Codec != "" { // a running call keeps its codec
			l.Codecs = []string{c.rec.Codec}
		}
		return l.Offer(), nil
	})
	return body
}

// answer settles on something of an offer and writes the answer; nothing is applied to the leg yet.
func (c *Call) answer(offer []byte) (body []byte, agreed sdp.Agreed, err error) {
	theirs, err := sdp.Parse(offer)
	if err != nil {
		return nil, sdp.Agreed{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var own *sdp.Crypto
	body, err = c.describe(func(l sdp.Local) (body []byte, err error) {
		body, agreed, own, err = l.Answer(theirs)
		return body, err
	})
	if err == nil {
		c.rec.Local.Crypto = own
	}
	return body, agreed, err
}

// accept reads the answer to our offer.
func (c *Call) accept(answer []byte) (sdp.Agreed, error) {
	theirs, err := sdp.Parse(answer)
	if err != nil {
		return sdp.Agreed{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.local().Accept(theirs)
}

// apply makes the leg do what was agreed on, and tells whether the far side holds us.
func (c *Call) apply(agreed sdp.Agreed) (held bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.rec.Theirs
	c.rec.Theirs = agreed.Dir
	session := stream.Session{
		Format: stream.Format{Codec: agreed.Codec, PT: agreed.PT, EventPT: agreed.Events, OwnEventPT: agreed.OwnEvents},
		Remote: agreed.Remote, RemoteRTCP: agreed.RTCP, Mux: agreed.Mux, Known: c.trunk.prefixes,
		Send: !agreed.Held(), Receive: c.hears(),
	}
	switch agreed.Ptime {
	case 10, 20, 30, 40:
		session.Format.PacketMillis = agreed.Ptime
	}
	if source, err := netip.ParseAddrPort(c.rec.Dialog.Source); err == nil {
		own := netip.PrefixFrom(source.Addr(), source.Addr().BitLen())
		session.Known = append(session.Known[:len(session.Known):len(session.Known)], own)
	}
	if own := c.rec.Local.Crypto; own != nil && agreed.Crypto != nil {
		session.Local, session.Theirs = sdes(own), sdes(agreed.Crypto)
	}
	if err := c.leg.Configure(session); err != nil {
		c.rec.Theirs = before
		return false, err
	}
	c.rec.Codec, c.rec.Events = agreed.Codec, agreed.OwnEvents
	return agreed.Held(), nil
}

func sdes(c *sdp.Crypto) *stream.Crypto {
	return &stream.Crypto{Suite: c.Suite, Key: base64.StdEncoding.EncodeToString(c.Key)}
}

// sdpOf is the SDP body of a message, or the SDP part of it where others stand beside (ISUP, location);
// ok is false for a body without any.
func sdpOf(msg sip.Message) (body []byte, ok bool) {
	body = msg.Body()
	if len(body) == 0 {
		return nil, true
	}
	kind, params, err := mime.ParseMediaType(contentHeader(msg))
	if err != nil {
		return nil, false
	}
	if kind == "multipart/mixed" && params["boundary"] != "" {
		return sdpPart(body, params["boundary"])
	}
	return body, kind == "application/sdp"
}

func sdpPart(body []byte, boundary string) ([]byte, bool) {
	const maxParts = 8
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxParts {
		part, err := parts.NextPart()
		if err != nil {
			return nil, false
		}
		if kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err != nil || kind != "application/sdp" {
			continue
		}
		found, err := io.ReadAll(io.LimitReader(part, sdp.MaxBytes+1))
		return found, err == nil && len(found) > 0
	}
	return nil, false
}
