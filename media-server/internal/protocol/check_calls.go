package protocol

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
)

var (
	hostShape   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$`)
	prefixShape = regexp.MustCompile(`^\+?[0-9]{1,15}$`)
	e164Shape   = regexp.MustCompile(`^\+[0-9]{1,15}$`)
)

// Check refuses trunks out of bounds.
func (t Trunks) Check() error {
	if len(t.Trunks) > MaxTrunks {
		return BadField("trunks", fmt.Sprintf("at most %d", MaxTrunks))
	}
	if t.Rev == 0 {
		return BadField("rev", "counts from 1")
	}
	seen := map[string]bool{}
	for i, trunk := range t.Trunks {
		path := fmt.Sprintf("trunks[%d]", i)
		if bad := trunk.check(); bad != nil {
			return bad.under(path)
		}
		if seen[trunk.ID] {
			return BadField(path+".id", "named twice")
		}
		seen[trunk.ID] = true
	}
	return nil
}

func (t Trunk) check() *Refusal {
	return pick(
		id(t.ID, "id"),
		unless(hostPort(t.Peer), "peer", "host:port, such as sip.example.net:5060"),
		oneOf(t.Transport, "transport", "udp", "tcp", "tls"),
		t.checkAllow(),
		t.checkNumbers(),
		unless(t.Domain == "" || hostShape.MatchString(t.Domain), "domain", "a host name or address"),
		text(t.Username, 128, "username"), text(t.Password, 128, "password"),
		text(t.InUsername, 128, "in_username"), text(t.InPassword, 128, "in_password"),
		unless(!t.Register || t.Username != "", "username", "a registration needs one"),
		unless((t.InUsername == "") == (t.InPassword == ""), "in_password", "in_username and in_password go together"),
		zeroOr(t.RegisterSeconds, 30, 86_400, "register_s", "s"),
		t.checkCodecs(),
		oneOf(t.SRTP, "srtp", "", "off", "required"),
		unless(t.SRTP != "required" || t.Transport == "tls", "srtp", "its keys travel in SIP: only over tls"),
		zeroOr(t.SessionSeconds, 90, 86_400, "session_s", "s"),
		zeroOr(t.OptionsSeconds, 5, 3600, "options_s", "s"),
		within(t.MaxCalls, 0, 10_000, "max_calls", "calls"),
		unless(t.MaxPerSecond >= 0 && t.MaxPerSecond <= 1000, "max_per_s", "0 to 1000 calls a second"),
		t.checkMoney(),
	)
}

func hostPort(peer string) bool {
	host, port, err := net.SplitHostPort(peer)
	number, err2 := strconv.Atoi(port)
	_, err3 := netip.ParseAddr(host)
	return err == nil && err2 == nil && number > 0 && number < 65536 && (err3 == nil || hostShape.MatchString(host))
}

func (t Trunk) checkAllow() *Refusal {
	if len(t.Allow) > MaxAllow {
		return BadField("allow", fmt.Sprintf("at most %d", MaxAllow))
	}
	for i, cidr := range t.Allow {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return BadField(fmt.Sprintf("allow[%d]", i), "a network such as 203.0.113.0/28 or 2001:db8::/64")
		}
	}
	return nil
}

func (t Trunk) checkNumbers() *Refusal {
	if len(t.Numbers) > MaxNumbers {
		return BadField("numbers", fmt.Sprintf("at most %d", MaxNumbers))
	}
	for i, number := range t.Numbers {
		if !e164Shape.MatchString(number) {
			return BadField(fmt.Sprintf("numbers[%d]", i), "a number in the international form, such as +33199001234")
		}
	}
	return nil
}

func (t Trunk) checkCodecs() *Refusal {
	known := []string{"PCMA", "PCMU", "G722"}
	if len(t.Codecs) == 0 || len(t.Codecs) > len(known) {
		return BadField("codecs", "1 to 3 of PCMA, PCMU, G722")
	}
	for i, codec := range t.Codecs {
		field := fmt.Sprintf("codecs[%d]", i)
		if bad := oneOf(codec, field, known...); bad != nil {
			return bad
		}
		if slices.Contains(t.Codecs[:i], codec) {
			return BadField(field, "named twice")
		}
	}
	return nil
}

func (t Trunk) checkMoney() *Refusal {
	if len(t.Countries) > MaxCountries {
		return BadField("countries", fmt.Sprintf("at most %d", MaxCountries))
	}
	if len(t.PricePerMin) > MaxPrices {
		return BadField("price_per_min", fmt.Sprintf("at most %d", MaxPrices))
	}
	const prefix = "digits of an E.164 prefix, such as +33"
	for i, country := range t.Countries {
		if !prefixShape.MatchString(country) {
			return BadField(fmt.Sprintf("countries[%d]", i), prefix)
		}
	}
	for country, price := range t.PricePerMin {
		field := fmt.Sprintf("price_per_min[%.16q]", country)
		if bad := pick(unless(prefixShape.MatchString(country), field, prefix),
			unless(price >= 0 && price <= 1e6, field, "0 to 1,000,000 a minute")); bad != nil {
			return bad
		}
	}
	return unless(t.SpendPerDay >= 0 && t.SpendPerDay <= 1e9, "spend_per_day", "0 to 1,000,000,000 a day")
}

// Check refuses a dial out of bounds.
func (d Dial) Check() error {
	bad := pick(id(d.Trunk, "trunk"), number(d.Number, "number"),
		within(d.TimeoutMillis, MinTimeoutMillis, MaxTimeoutMillis, "timeout_ms", "ms"))
	if bad == nil && d.CallerID != "" {
		bad = number(d.CallerID, "caller_id")
	}
	return first(bad)
}

// Check refuses digits out of bounds.
func (d Digits) Check() error {
	return first(id(d.Act, "act"),
		unless(len(d.Digits) <= MaxDigits && digitShape.MatchString(d.Digits), "digits",
			fmt.Sprintf("1 to %d of 0-9 * # A-D", MaxDigits)),
		oneOf(d.Via, "via", "", "rtp", "info"))
}

// Check refuses a transfer out of bounds.
func (r Refer) Check() error { return first(id(r.Act, "act"), number(r.Number, "number")) }

// Check refuses an ending out of bounds.
func (e Ending) Check() error {
	return first(zeroOr(e.Code, 300, 699, "code", "(a SIP status)"), text(e.Cause, MaxCause, "cause"))
}

// Check refuses an offer out of bounds.
func (o Offer) Check() error {
	return first(unless(len(o.SDP) > 0 && len(o.SDP) <= MaxSDP, "sdp", fmt.Sprintf("SDP of 1 to %d bytes", MaxSDP)))
}
