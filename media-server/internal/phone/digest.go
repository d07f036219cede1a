package phone

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"guichet/mediaserver/internal/protocol"
)

const (
	nonceLife  = time.Minute
	maxNonces  = 10_000
	nonceBytes = 16 + sha256.Size/2
)

// errCredentials says that the far side does not take our user name and password, or asks for something else.
var errCredentials = errors.New("credentials refused")

// algorithms that we answer to, the better first. The empty one is MD5.
var algorithms = []string{"SHA-512-256", "SHA-256", "MD5", ""}

// authorize answers the challenge of a 401 or 407 in the next try of the same request.
func authorize(req *sip.Request, res *sip.Response, username, password string) error {
	ask, answer := "WWW-Authenticate", "Authorization"
	if res.StatusCode == sip.StatusProxyAuthRequired {
		ask, answer = "Proxy-Authenticate", "Proxy-Authorization"
	}
	challenge := strongest(res.GetHeaders(ask))
	if challenge == nil || username == "" {
		return errCredentials
	}
	if before := req.GetHeader(answer); before != nil && !challenge.Stale {
		return errCredentials
	}
	credentials, err := digest.Digest(challenge, digest.Options{
		Method: req.Method.String(), URI: req.Recipient.String(), Username: username, Password: password,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errCredentials, err)
	}
	for req.RemoveHeader(answer) {
	}
	req.AppendHeader(sip.NewHeader(answer, credentials.String()))
	return nil
}

func strongest(headers []sip.Header) *digest.Challenge {
	var best *digest.Challenge
	rank := len(algorithms)
	for _, header := range headers {
		challenge, err := digest.ParseChallenge(header.Value())
		if err != nil {
			continue
		}
		for i := range challenge.QOP {
			challenge.QOP[i] = strings.TrimSpace(challenge.QOP[i])
		}
		if len(challenge.QOP) > 0 && !challenge.SupportsQOP("auth") { // auth-int would hash the body: nobody asks for it
			continue
		}
		at := slices.Index(algorithms, strings.ToUpper(challenge.Algorithm))
		if at >= 0 && at < rank {
			best, rank = challenge, at
		}
	}
	return best
}

// challenger makes and checks nonces of ours: signed, a minute old at most, each count of theirs used once.
type challenger struct {
	secret []byte
	mu     sync.Mutex
	used   map[string]usedNonce
}

type usedNonce struct {
	count   uint32
	until   time.Time
	request string // that used the count: the same one again is no replay
}

func newChallenger() *challenger {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails: it ends the process instead
	return &challenger{secret: secret, used: map[string]usedNonce{}}
}

// challenge is the value of our WWW-Authenticate header.
func (c *challenger) challenge(realm string, stale bool, now time.Time) string {
	raw := make([]byte, 16, nonceBytes)
	binary.BigEndian.PutUint64(raw, uint64(now.UnixMilli()))
	_, _ = rand.Read(raw[8:])
	nonce := base64.RawURLEncoding.EncodeToString(append(raw, c.sign(raw)...))
	// MD5 is what every telephone system speaks; the trunk's network list stands beside it.
	return (&digest.Challenge{Realm: realm, Nonce: nonce, Stale: stale, Algorithm: "MD5", QOP: []string{"auth"}}).String()
}

func (c *challenger) sign(raw []byte) []byte {
	mac := hmac.New(sha256.New, c.secret)
	mac.Write(raw)
	return mac.Sum(nil)[:sha256.Size/2]
}

// verify tells whether a request carries the trunk's credentials; if not, why (for the refused event; empty
// when it simply was not asked yet), and whether only the nonce is too old.
func (c *challenger) verify(req *sip.Request, trunk protocol.Trunk, realm string, now time.Time) (ok, stale bool, cause string) {
	header := req.GetHeader("Authorization")
	if header == nil {
		return false, false, ""
	}
	given, err := digest.ParseCredentials(header.Value())
	if err != nil || subtle.ConstantTimeCompare([]byte(given.Username), []byte(trunk.InUsername)) != 1 || given.Realm != realm {
		return false, false, "digest"
	}
	raw, err := base64.RawURLEncoding.DecodeString(given.Nonce)
	if err != nil || len(raw) != nonceBytes || !hmac.Equal(c.sign(raw[:16]), raw[16:]) {
		return false, true, "" // a nonce of before a restart, or a guess: ask again
	}
	age := now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(raw))))
	if age < 0 || age > nonceLife {
		return false, true, ""
	}
	challenge := digest.Challenge{Realm: realm, Nonce: given.Nonce, Algorithm: given.Algorithm}
	count := uint32(math.MaxUint32) // without qop there is no count: one use
	if given.QOP != "" {
		challenge.QOP = []string{"auth"}
		count = uint32(given.Nc)
	}
	want, err := digest.Digest(&challenge, digest.Options{
		Method: req.Method.String(), URI: given.URI, Username: trunk.InUsername, Password: trunk.InPassword,
		Cnonce: given.Cnonce, Count: given.Nc,
	})
	if err != nil || subtle.ConstantTimeCompare([]byte(want.Response), []byte(given.Response)) != 1 {
		return false, false, "digest"
	}
	if !c.use(given.Nonce, count, identity(req), now) {
		return false, false, "replay"
	}
	return true, false, ""
}

// identity tells a request from every other one, also from one that has copied its branch.
func identity(req *sip.Request) string {
	return strings.Join([]string{branch(req), req.CallID().Value(), req.CSeq().Value(), req.From().Value(), req.Recipient.String()}, "\n")
}

func (c *challenger) use(nonce string, count uint32, request string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.used) >= maxNonces {
		for old, use := range c.used {
			if now.After(use.until) {
				delete(c.used, old)
			}
		}
		if len(c.used) >= maxNonces {
			return false
		}
	}
	before, seen := c.used[nonce]
	if seen && count <= before.count && request != before.request || count == 0 {
		return false
	}
	c.used[nonce] = usedNonce{count: count, until: now.Add(nonceLife), request: request}
	return true
}
