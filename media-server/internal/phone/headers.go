package phone

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// compact forms of the headers that the SIP stack does not know by type (RFC 3261, 4028, 3515).
var compact = map[string]string{
	"supported": "k", "session-expires": "x", "event": "o", "refer-to": "r", "referred-by": "b", "allow-events": "u",
}

// header is the value of the first header of a name; empty when there is none.
func header(msg sip.Message, name string) string {
	headers := msg.GetHeaders(name)
	if short, ok := compact[strings.ToLower(name)]; ok && len(headers) == 0 {
		headers = msg.GetHeaders(short)
	}
	if len(headers) == 0 {
		return ""
	}
	return strings.TrimSpace(headers[0].Value())
}

// lists tells whether a comma-separated header (Supported, Require, Allow) names a token.
func lists(msg sip.Message, name, token string) bool {
	headers := msg.GetHeaders(name)
	if short, ok := compact[strings.ToLower(name)]; ok {
		headers = append(headers, msg.GetHeaders(short)...)
	}
	for _, h := range headers {
		for _, each := range strings.Split(h.Value(), ",") {
			if strings.EqualFold(strings.TrimSpace(each), token) {
				return true
			}
		}
	}
	return false
}

// seconds reads "1800;refresher=uac" and the like: the number and its parameters.
func seconds(value string) (int, map[string]string) {
	parts := strings.Split(value, ";")
	n, err := strconv.Atoi(strings.TrimSpace(parts[0]))
	if err != nil || n < 0 || n > 1<<30 {
		return 0, nil
	}
	params := map[string]string{}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		params[strings.ToLower(strings.TrimSpace(name))] = strings.ToLower(strings.TrimSpace(value))
	}
	return n, params
}

// contentHeader is the type of a body as it stands; the stack has the header's short form under its full name.
func contentHeader(msg sip.Message) string { return header(msg, "Content-Type") }

// contentType is the type of a body without its parameters, in lower case.
func contentType(msg sip.Message) string {
	kind, _, _ := strings.Cut(contentHeader(msg), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// userOf is the number or name in an address, as it was written: the user part of a SIP address without
// its parameters, the number of a tel address; of an address without user the host.
func userOf(uri *sip.Uri) string {
	user := uri.User
	if uri.Scheme == "tel" {
		user = strings.NewReplacer("-", "", ".", "", "(", "", ")", "", " ", "").Replace(uri.Raw())
	}
	user, _, _ = strings.Cut(user, ";")
	if user == "" && uri.Scheme != "tel" {
		user = uri.Host
	}
	if len(user) > 128 {
		user = user[:128]
	}
	return user
}

// sourceOf is where a message came from.
func sourceOf(msg sip.Message) (netip.AddrPort, bool) {
	from, err := netip.ParseAddrPort(msg.Source())
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), true
}

func branch(msg sip.Message) string {
	if via := msg.Via(); via != nil {
		value, _ := via.Params.Get("branch")
		return value
	}
	return ""
}

func tag(params sip.HeaderParams) string {
	value, _ := params.Get("tag")
	return value
}

// whole tells whether a request has what every request must have; the stack lets others through.
func whole(req *sip.Request) bool {
	return req.From() != nil && req.To() != nil && req.CallID() != nil && req.CSeq() != nil && req.Via() != nil &&
		tag(req.From().Params) != "" && req.CSeq().MethodName == req.Method && len(req.CallID().Value()) <= 256
}

// causes are the words for what a final answer means to a dialler.
var causes = map[int]string{
	404: "unknown_number", 410: "unknown_number", 484: "unknown_number", 604: "unknown_number",
	408: "no_answer", 480: "not_reachable", 486: "busy", 600: "busy", 603: "declined", 607: "declined", 608: "declined",
	487: "cancelled", 488: "no_codec", 606: "no_codec", 415: "no_codec", 401: "credentials", 407: "credentials",
	403: "forbidden", 503: "unavailable",
}

func causeOf(code int) string {
	if cause, ok := causes[code]; ok {
		return cause
	}
	switch {
	case code >= 300 && code < 400:
		return "redirected"
	case code >= 500 && code < 600:
		return "failed"
	}
	return "refused"
}
