package protocol

import (
	"fmt"
	"regexp"
	"strings"
)

// Bounds of every document; docs/reference/media-control.md names the same.
const (
	MaxBody          = 8 << 20 // bytes of any request
	MaxRooms         = 2000    // in one put
	MaxEndpoints     = 64      // in one room
	MaxSources       = 16      // in one room
	MaxFiles         = 64      // in one source
	MaxForwards      = 16      // in one room
	MaxTrunks        = 256
	MaxAllow         = 64
	MaxNumbers       = 10_000
	MaxCountries     = 400
	MaxPrices        = 2000
	MaxDigits        = 64
	MaxSDP           = 128 << 10
	MaxTone          = 256
	MaxPath          = 255
	MaxCause         = 128
	MinTimeoutMillis = 1000
	MaxTimeoutMillis = 300_000
)

var (
	idShape     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:~-]{0,63}$`)
	numberShape = regexp.MustCompile(`^\+?[A-Za-z0-9*#._-]{1,64}$`)
	digitShape  = regexp.MustCompile(`^[0-9A-D*#]+$`)
	toneShape   = regexp.MustCompile(`^[a-z0-9+/,.]+$`)
)

const idRemedy = "an id has 1 to 64 characters: letters, digits and . _ : ~ - , the first a letter or digit"

// under puts the path of the part that was refused before its field.
func (r *Refusal) under(path string) *Refusal {
	switch {
	case r == nil:
		return nil
	case r.Body.Field == "":
		r.Body.Field = path
	case strings.HasPrefix(r.Body.Field, "["):
		r.Body.Field = path + r.Body.Field
	default:
		r.Body.Field = path + "." + r.Body.Field
	}
	return r
}

// first is the first refusal there is, as an error that is nil when there is none.
func first(refusals ...*Refusal) error {
	if refusal := pick(refusals...); refusal != nil {
		return refusal
	}
	return nil
}

func pick(refusals ...*Refusal) *Refusal {
	for _, refusal := range refusals {
		if refusal != nil {
			return refusal
		}
	}
	return nil
}

func unless(ok bool, field, remedy string) *Refusal {
	if ok {
		return nil
	}
	return BadField(field, remedy)
}

func id(value, field string) *Refusal { return unless(idShape.MatchString(value), field, idRemedy) }

// ID refuses what cannot be an id; what names the field.
func ID(value, what string) error { return first(id(value, what)) }

func ids(values []string, limit int, field string) *Refusal {
	if len(values) > limit {
		return BadField(field, fmt.Sprintf("at most %d", limit))
	}
	seen := make(map[string]bool, len(values))
	for i, value := range values {
		if bad := id(value, ""); bad != nil {
			return bad.under(fmt.Sprintf("%s[%d]", field, i))
		}
		if seen[value] {
			return BadField(fmt.Sprintf("%s[%d]", field, i), "named twice")
		}
		seen[value] = true
	}
	return nil
}

func within(value, low, high int, field, unit string) *Refusal {
	return unless(value >= low && value <= high, field, fmt.Sprintf("%d to %d %s", low, high, unit))
}

// zeroOr is within, or 0 where that means "none" or "the default".
func zeroOr(value, low, high int, field, unit string) *Refusal {
	return unless(value == 0 || value >= low && value <= high, field, fmt.Sprintf("0, or %d to %d %s", low, high, unit))
}

func oneOf(value, field string, allowed ...string) *Refusal {
	for _, each := range allowed {
		if value == each {
			return nil
		}
	}
	return BadField(field, "one of "+strings.Join(allowed, ", "))
}

// text is printable ASCII without quotes and angle brackets: safe in a SIP header.
func text(value string, limit int, field string) *Refusal {
	ok := len(value) <= limit
	for _, c := range []byte(value) {
		ok = ok && c >= ' ' && c <= '~' && !strings.ContainsRune(`"<>\`, rune(c))
	}
	return unless(ok, field, fmt.Sprintf("at most %d printable ASCII characters without \" < > and \\", limit))
}

func file(name, field string) *Refusal {
	ok := name != "" && len(name) <= MaxPath && !strings.HasPrefix(name, "/")
	for _, part := range strings.Split(name, "/") {
		ok = ok && part != "" && part != "." && part != ".."
	}
	for _, c := range name {
		ok = ok && c >= ' ' && c != '\\' && c != 0x7f
	}
	return unless(ok, field, fmt.Sprintf("a path below the prompt folder, at most %d bytes, without . and .. parts", MaxPath))
}

func tone(value, field string) *Refusal {
	return unless(len(value) <= MaxTone && toneShape.MatchString(value), field,
		"ringback, busy, beep, silence, or Hz+Hz/ms parts such as 440+480/2000,0/4000")
}

func number(value, field string) *Refusal {
	return unless(numberShape.MatchString(value), field,
		"1 to 64 letters, digits and * # . _ - , with a + before them or not")
}
