package browser

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"guichet/mediaserver/internal/protocol"
)

const (
	maxOffer = 64 << 10 // bytes of SDP
	// startKbps is where a browser's video encoder begins: by itself it begins so low that the picture stays
	// small for many seconds. defaultKbps bounds one video where the room names no bound.
	startKbps   = 1200
	defaultKbps = 2500
)

// Kinds of video, as the rooms name them.
const (
	camera = "camera"
	screen = "screen"
)

var kinds = [2]string{camera, screen}

// offer is what we read in a browser's SDP before pion sees it.
type offer struct {
	text string
	// sdp lacks the candidates: a browser finds us, so that nobody makes us send packets to a third party.
	sdp string
	// origin tells apart two connections of the browser: its session number and fingerprint.
	origin string
	// codecs are what the browser sends first as camera and as screen ("video/VP8"); "": it has no such section.
	codecs [2]string
}

// readOffer refuses what does not follow the convention of docs/guides/media-browser.md.
func readOffer(text string) (*offer, *protocol.Refusal) {
	if len(text) > maxOffer {
		return nil, badSDP("at most 64 KiB")
	}
	var session sdp.SessionDescription
	if err := session.UnmarshalString(text); err != nil {
		return nil, badSDP("must be the SDP of an offer, as pc.localDescription.sdp has it")
	}
	o := &offer{text: text, origin: strconv.FormatUint(session.Origin.SessionID, 10)}
	fingerprint, _ := session.Attribute("fingerprint")
	o.origin += fingerprint
	var audio, applications int
	var mids []string
	for i, m := range session.MediaDescriptions {
		mid, _ := m.Attribute(sdp.AttrKeyMID)
		if mid == "" || len(mid) > 16 || slices.Contains(mids, mid) {
			return nil, badSDP(fmt.Sprintf("section %d needs an a=mid of its own", i+1))
		}
		mids = append(mids, mid)
		if own, ok := m.Attribute("fingerprint"); ok && i == 0 {
			o.origin += own
		}
		m.Attributes = slices.DeleteFunc(m.Attributes, func(a sdp.Attribute) bool {
			return a.Key == sdp.AttrKeyCandidate || a.Key == sdp.AttrKeyEndOfCandidates
		})
		switch kind := m.MediaName.Media; kind {
		case "audio":
			if audio++; audio > 1 {
				return nil, badSDP("one audio section: who hears whom is mixed on the server")
			}
			if encoding(m, "G722", "PCMA", "PCMU") == "" {
				return nil, protocol.Refuse(http.StatusUnprocessableEntity, "no_common_codec", "sdp",
					"offer one of G722, PCMA, PCMU with 8000 Hz")
			}
		case "video":
			n := slices.Index(o.codecs[:], "")
			if n < 0 {
				return nil, badSDP("two video sections: the first is the camera, the second the screen")
			}
			if codec := encoding(m, "VP8", "H264"); codec != "" {
				o.codecs[n] = "video/" + codec
			} else {
				return nil, protocol.Refuse(http.StatusUnprocessableEntity, "no_common_codec", "sdp", "offer VP8 or H264")
			}
			if _, simulcast := m.Attribute("simulcast"); simulcast {
				return nil, badSDP("one encoding for each video: no simulcast")
			}
		case "application":
			if applications++; applications > 1 {
				return nil, badSDP("one application section: data channels share it")
			}
			continue
		default:
			return nil, badSDP("sections of audio, video and application only")
		}
		_, bundled := m.Attribute("bundle-only") // so Firefox writes port 0 for all sections but the first
		if !sendrecv(m) || m.MediaName.Port.Value == 0 && !bundled {
			return nil, badSDP(fmt.Sprintf("section %d must be sendrecv: a microphone opens and closes, "+
				"a video starts and stops by replaceTrack", i+1))
		}
	}
	if audio == 0 {
		return nil, badSDP("one audio section is always there")
	}
	plain, err := session.Marshal()
	if err != nil {
		return nil, badSDP("must be the SDP of an offer, as pc.localDescription.sdp has it")
	}
	o.sdp = string(plain)
	return o, nil
}

func badSDP(remedy string) *protocol.Refusal {
	return protocol.Refuse(http.StatusUnprocessableEntity, "bad_sdp", "sdp", remedy)
}

// encoding is the first of the names in the order of the offer's own formats, or "".
func encoding(m *sdp.MediaDescription, names ...string) string {
	for _, format := range m.MediaName.Formats {
		for _, a := range m.Attributes {
			payload, value, _ := strings.Cut(a.Value, " ")
			if a.Key != "rtpmap" || payload != format {
				continue
			}
			name, _, _ := strings.Cut(value, "/")
			for _, wanted := range names {
				if strings.EqualFold(name, wanted) {
					return wanted
				}
			}
		}
	}
	return ""
}

// sendrecv is also the direction of a section that names none (RFC 8866).
func sendrecv(m *sdp.MediaDescription) bool {
	for _, other := range []string{"sendonly", "recvonly", "inactive"} {
		if _, ok := m.Attribute(other); ok {
			return false
		}
	}
	return true
}

// dress puts into our answer what pion does not: where the browser's encoders begin, and what they may use.
func dress(answer string) (string, error) {
	var session sdp.SessionDescription
	if err := session.UnmarshalString(answer); err != nil {
		return "", fmt.Errorf("read our own answer: %w", err)
	}
	for _, m := range session.MediaDescriptions {
		if m.MediaName.Media != "video" || m.MediaName.Port.Value == 0 {
			continue
		}
		m.Bandwidth = []sdp.Bandwidth{{Type: "AS", Bandwidth: defaultKbps}, {Type: "TIAS", Bandwidth: defaultKbps * 1000}}
		for _, format := range m.MediaName.Formats {
			start(m, format)
		}
	}
	dressed, err := session.Marshal()
	if err != nil {
		return "", fmt.Errorf("write our answer: %w", err)
	}
	return string(dressed), nil
}

// start adds the start bit rate to one format's parameters, which may not have a line yet.
func start(m *sdp.MediaDescription, format string) {
	parameter := fmt.Sprintf("x-google-start-bitrate=%d", startKbps)
	for i, a := range m.Attributes {
		payload, value, _ := strings.Cut(a.Value, " ")
		switch {
		case payload != format:
		case a.Key == "rtpmap" && strings.HasPrefix(strings.ToLower(value), "rtx/"):
			return
		case a.Key == "fmtp":
			m.Attributes[i].Value += ";" + parameter
			return
		}
	}
	m.Attributes = append(m.Attributes, sdp.NewAttribute("fmtp", format+" "+parameter))
}
