package phone

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// leastDigits of a number's end tell which one is meant: a national form, or one without country.
const leastDigits = 8

// called is the number that an INVITE of the trunk calls.
func (t *trunk) called(req *sip.Request) string {
	number := userOf(&req.Recipient)
	if number == t.Username || req.Recipient.User == "" {
		number = userOf(&req.To().Address) // a registered trunk calls our Contact; the number is in To
	}
	return number
}

// owner finds whose call an INVITE is, of the trunks whose networks it comes from. One alone has it. Of several,
// which may be two organisations', the one that has the called number; nil: none has, or nobody can tell which.
func owner(matching []*trunk, req *sip.Request) *trunk {
	if len(matching) > 1 {
		matching = naming(matching, func(t *trunk) string { return t.called(req) })
	}
	if len(matching) == 0 {
		return nil
	}
	return likeliest(matching, req)
}

// naming are the trunks that have the number called: as it is, else in its national form where that is one number,
// or several of one trunk.
func naming(matching []*trunk, called func(*trunk) string) []*trunk {
	var exact, national []*trunk
	ends := map[string]bool{}
	for _, t := range matching {
		digits, whole := digitsOf(called(t))
		if digits == "" {
			continue
		}
		if slices.Contains(t.Numbers, "+"+digits) {
			exact = append(exact, t)
			continue
		}
		if whole {
			continue
		}
		before := len(national)
		for _, number := range t.Numbers {
			if endsWith(number, digits) {
				ends[number] = true
				national = append(national[:before], t)
			}
		}
	}
	switch {
	case len(exact) > 0:
		return exact
	case len(national) > 1 && len(ends) > 1:
		return nil
	}
	return national
}

// endsWith tells whether a number may have been called by these digits, with the 0 of long distance or without.
func endsWith(number, digits string) bool {
	digits = strings.TrimPrefix(digits, "0")
	return len(digits) >= leastDigits && strings.HasSuffix(number, digits)
}

// digitsOf are the digits of a number without what separates them; whole: its country is among them. Empty: it has
// others than digits.
func digitsOf(number string) (digits string, whole bool) {
	digits = strings.NewReplacer("-", "", ".", "", "(", "", ")", "", "_", "", " ", "").Replace(number)
	for _, international := range []string{"+", "00"} {
		if rest, ok := strings.CutPrefix(digits, international); ok {
			digits, whole = rest, true
			break
		}
	}
	if strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return "", false
	}
	return digits, whole
}

// likeliest is the trunk that most speaks for: who signs the request decides, then the peer's port, then who was
// called, then the domain.
func likeliest(trunks []*trunk, req *sip.Request) *trunk {
	return slices.MaxFunc(trunks, func(a, b *trunk) int {
		if a, b := a.points(req), b.points(req); a != b {
			return a - b
		}
		return strings.Compare(b.ID, a.ID)
	})
}
