package stream

import "encoding/binary"

// header is what matters of an RTP header.
type header struct {
	payloadType uint8
	marker      bool
	sequence    uint16
	timestamp   uint32
	ssrc        uint32
}

const (
	headerBytes = 12
	noiseType   = 13 // comfort noise, RFC 3389
)

// parse reads one RTP packet (RFC 3550, section 5.1) without allocating; the payload is a part of it.
func parse(packet []byte) (h header, payload []byte, ok bool) {
	if len(packet) < headerBytes || packet[0]>>6 != 2 {
		return h, nil, false
	}
	h = header{
		payloadType: packet[1] & 0x7f, marker: packet[1]&0x80 != 0, sequence: binary.BigEndian.Uint16(packet[2:]),
		timestamp: binary.BigEndian.Uint32(packet[4:]), ssrc: binary.BigEndian.Uint32(packet[8:]),
	}
	start := headerBytes + 4*int(packet[0]&0x0f)
	if packet[0]&0x10 != 0 {
		if len(packet) < start+4 {
			return h, nil, false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(packet[start+2:]))
	}
	end := len(packet)
	if packet[0]&0x20 != 0 {
		padding := int(packet[end-1])
		if padding == 0 {
			return h, nil, false
		}
		end -= padding
	}
	if start > end {
		return h, nil, false
	}
	return h, packet[start:end], true
}

// isRTCP tells RTCP from RTP on a port that carries both (RFC 5761).
func isRTCP(packet []byte) bool {
	return len(packet) > 1 && packet[1] >= 192 && packet[1] <= 223
}
