package stream

// Crypto is one direction's SRTP key, exchanged in SDP (SDES, RFC 4568).
type Crypto struct {
	// Suite is AES_CM_128_HMAC_SHA1_80 or AES_CM_128_HMAC_SHA1_32.
	Suite string `json:"suite"`
	// Key is master key and salt, base64.
	Key string `json:"key"`
}

// NewCrypto draws a key for the suite.
func NewCrypto(suite string) (*Crypto, error) { return nil, nil }

// ParseCrypto reads the value of an a=crypto line ("1 AES_CM_128_HMAC_SHA1_80 inline:..."). It refuses suites
// and session parameters that we do not do (an MKI, unencrypted or unauthenticated streams).
func ParseCrypto(value string) (tag int, crypto *Crypto, err error) { return 0, nil, nil }

// Line is the value of the a=crypto line.
func (c *Crypto) Line(tag int) string { return "" }
