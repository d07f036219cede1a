package peer

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

const suite = "AES_CM_128_HMAC_SHA1_80"

// cipher is one direction's SRTP (SDES, RFC 4568); nil: in the clear.
type cipher struct {
	context *srtp.Context
	inline  string // as in a=crypto
	scratch rtp.Header
}

// newKey makes a cipher with a key of our own.
func newKey() (*cipher, error) {
	key := make([]byte, 30)
	_, _ = rand.Read(key) // never fails
	return theirs(base64.StdEncoding.EncodeToString(key))
}

// theirs makes a cipher of what follows "inline:".
func theirs(inline string) (*cipher, error) {
	text, _, _ := strings.Cut(inline, "|")
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != 30 {
		return nil, fmt.Errorf("read an SRTP key of %d bytes: it must have 30", len(key))
	}
	context, err := srtp.CreateContext(key[:16], key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80)
	if err != nil {
		return nil, fmt.Errorf("make an SRTP context: %w", err)
	}
	return &cipher{context: context, inline: text}, nil
}

func (c *cipher) seal(dst, packet []byte) ([]byte, error) {
	if c == nil {
		return packet, nil
	}
	return c.context.EncryptRTP(dst[:0], packet, &c.scratch)
}

func (c *cipher) open(dst, packet []byte) ([]byte, error) {
	if c == nil {
		return packet, nil
	}
	return c.context.DecryptRTP(dst[:0], packet, &c.scratch)
}
