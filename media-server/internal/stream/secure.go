package stream

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// Crypto is one direction's SRTP key, exchanged in SDP (SDES, RFC 4568).
type Crypto struct {
	// Suite is AES_CM_128_HMAC_SHA1_80 or AES_CM_128_HMAC_SHA1_32.
	Suite string `json:"suite"`
	// Key is master key and salt, base64.
	Key string `json:"key"`
}

// ErrBadCrypto says that a key cannot be used.
var ErrBadCrypto = errors.New("bad SRTP key")

const (
	keyBytes     = 16
	saltBytes    = 14
	replayWindow = 128
)

// pair are the contexts of one direction; pion wants one for each use.
type pair struct {
	rtp, rtcp *srtp.Context
}

// contexts makes the contexts of one direction; nil for no key.
func (c *Crypto) contexts() (made pair, err error) {
	if c == nil {
		return pair{}, nil
	}
	if made.rtp, err = c.context(); err != nil {
		return pair{}, err
	}
	made.rtcp, err = c.context()
	return made, err
}

func (c *Crypto) context() (*srtp.Context, error) {
	profile := srtp.ProtectionProfileAes128CmHmacSha1_80
	switch c.Suite {
	case "AES_CM_128_HMAC_SHA1_80":
	case "AES_CM_128_HMAC_SHA1_32":
		profile = srtp.ProtectionProfileAes128CmHmacSha1_32
	default:
		return nil, fmt.Errorf("use suite %q: %w", c.Suite, ErrBadCrypto)
	}
	key, err := base64.StdEncoding.DecodeString(c.Key)
	if err != nil || len(key) != keyBytes+saltBytes {
		return nil, fmt.Errorf("read a key of %d bytes: %w", len(key), ErrBadCrypto)
	}
	context, err := srtp.CreateContext(key[:keyBytes], key[keyBytes:], profile,
		srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	if err != nil {
		return nil, fmt.Errorf("make an SRTP context: %w", err)
	}
	return context, nil
}

// equal tells whether two keys are the same; nil is no key.
func (c *Crypto) equal(other *Crypto) bool {
	return c == other || c != nil && other != nil && *c == *other
}

// resume finds the roll-over count of the far side's packets after a restart: only near what it must be by the time
// that has passed, and proven by the packet's authentication.
type resume struct {
	ssrc  uint32
	index uint64 // expected; 0: nothing to find
}

// decrypt decrypts a packet with the context of the direction; pion parses its header into scratch.
func (r *resume) decrypt(context *srtp.Context, dst, packet []byte, h header, scratch *rtp.Header) ([]byte, error) {
	if r.index == 0 || h.ssrc != r.ssrc {
		return context.DecryptRTP(dst, packet, scratch)
	}
	near := (int64(r.index) + int64(int16(h.sequence-uint16(r.index)))) >> 16
	var err error
	for _, count := range [...]int64{near, near + 1, near - 1} {
		if count < 0 {
			continue
		}
		context.SetROC(h.ssrc, uint32(count))
		var plain []byte
		if plain, err = context.DecryptRTP(dst, packet, scratch); err == nil {
			r.index = 0
			return plain, nil
		}
	}
	return nil, err
}
