package peer

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// describe writes our side of a call: a-law and nothing else.
func describe(local netip.AddrPort, key *cipher) []byte {
	profile, crypto := "RTP/AVP", ""
	if key != nil {
		profile, crypto = "RTP/SAVP", "a=crypto:1 "+suite+" inline:"+key.inline+"\r\n"
	}
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d %s 8\r\n"+
		"a=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na=sendrecv\r\n%s", local.Addr(), local.Addr(), local.Port(), profile, crypto)
}

// understand reads where the other side wants its audio, and its key.
func understand(body []byte) (remote netip.AddrPort, key *cipher, err error) {
	var host, port string
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "c=IN IP4 "):
			host = line[len("c=IN IP4 "):]
		case strings.HasPrefix(line, "m=audio "):
			port, _, _ = strings.Cut(line[len("m=audio "):], " ")
		case strings.HasPrefix(line, "a=crypto:") && key == nil && strings.Contains(line, " "+suite+" "):
			_, inline, _ := strings.Cut(line, "inline:")
			if key, err = theirs(inline); err != nil {
				return remote, nil, err
			}
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return remote, nil, fmt.Errorf("read the port of an SDP: %w", err)
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return remote, nil, fmt.Errorf("read the address of an SDP: %w", err)
	}
	return netip.AddrPortFrom(address, uint16(number)), key, nil
}
