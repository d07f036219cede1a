package stream

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"time"

	"github.com/pion/rtcp"
)

const (
	reportEvery = 5 * time.Second
	ntpEpoch    = 2208988800 // seconds from 1900 to 1970
)

// reports is what the two sides tell each other by RTCP.
type reports struct {
	began      time.Time
	cname      string
	from       netip.AddrPort // of the far side's RTCP, once some came
	lastSR     uint32         // middle of the NTP time of the far side's last sender report
	lastSRAt   time.Duration
	roundTrip  time.Duration
	remoteLoss float64
	sent       uint64 // packets at our last report
}

func newReports() (reports, error) {
	var name [12]byte
	if _, err := rand.Read(name[:]); err != nil {
		return reports{}, fmt.Errorf("draw a CNAME: %w", err)
	}
	return reports{cname: hex.EncodeToString(name[:]), began: time.Now()}, nil
}

// ntp is the time as RTCP tells it: seconds since 1900, 32 bits of fraction. Within a call nobody sets this clock.
func (r *reports) ntp() uint64 {
	t := r.began.Add(time.Since(r.began))
	return uint64(t.Unix()+ntpEpoch)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// readRTCP is the read loop of the RTCP socket; it also sends our reports, at uneven intervals as RFC 3550 asks.
func (l *Leg) readRTCP() {
	buffer := make([]byte, maxRTPPacket)
	for {
		next := time.Now().Add(reportEvery/2 + mathrand.N(reportEvery))
		_ = l.rtcp.SetReadDeadline(next)
		for {
			n, from, err := l.rtcp.ReadFromUDPAddrPort(buffer)
			if err == nil {
				l.takeRTCP(buffer[:n], from, false)
				continue
			}
			if l.over(err) {
				return
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
		}
		l.report()
	}
}

// takeRTCP takes a packet of RTCP, which counts when it comes from the host that the audio comes from.
func (l *Leg) takeRTCP(packet []byte, from netip.AddrPort, mux bool) {
	now := l.receiver.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	from = unmap(from)
	if !l.ready || mux != l.session.Mux {
		return
	}
	if l.in.rtcp != nil {
		plain, err := l.in.rtcp.DecryptRTCP(nil, packet, nil)
		if err != nil {
			l.bad++
			return
		}
		packet = plain
	} else if from.Addr() != l.latch.source.Addr() && from.Addr() != l.latch.signalled.Addr() {
		l.latch.strangers++
		return
	}
	all, err := rtcp.Unmarshal(packet)
	if err != nil {
		l.bad++
		return
	}
	l.reports.from = from
	for _, one := range all {
		switch r := one.(type) {
		case *rtcp.SenderReport:
			l.reports.lastSR, l.reports.lastSRAt = uint32(r.NTPTime>>16), now
			l.reports.hear(r.Reports, l.sender.ssrc)
		case *rtcp.ReceiverReport:
			l.reports.hear(r.Reports, l.sender.ssrc)
		}
	}
}

// hear takes in how our packets fare.
func (r *reports) hear(all []rtcp.ReceptionReport, ssrc uint32) {
	for _, one := range all {
		if one.SSRC != ssrc {
			continue
		}
		r.remoteLoss = float64(one.FractionLost) * 100 / 256
		if one.LastSenderReport != 0 {
			// 16 bits of seconds, 16 of fraction. A far side that counts wrongly must not make it negative.
			passed := int32(uint32(r.ntp()>>16) - one.LastSenderReport - one.Delay)
			r.roundTrip = time.Duration(max(passed, 0)) * time.Second >> 16
		}
	}
}

// report sends our report.
func (l *Leg) report() {
	now := l.receiver.now()
	packets, octets := l.sender.counts()
	ssrc, _, timestamp := l.sender.position()
	reception := l.receiver.reception()
	l.mu.Lock()
	defer l.mu.Unlock()
	to := l.rtcpTo()
	if !to.IsValid() {
		return
	}
	if len(reception) > 0 && l.reports.lastSR != 0 {
		reception[0].LastSenderReport = l.reports.lastSR
		reception[0].Delay = uint32((now - l.reports.lastSRAt) << 16 / time.Second)
	}
	var first rtcp.Packet = &rtcp.ReceiverReport{SSRC: ssrc, Reports: reception}
	if packets != l.reports.sent {
		first = &rtcp.SenderReport{
			SSRC: ssrc, NTPTime: l.reports.ntp(), RTPTime: timestamp,
			PacketCount: uint32(packets), OctetCount: uint32(octets), Reports: reception,
		}
	}
	l.reports.sent = packets
	name := &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
		Source: ssrc, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: l.reports.cname}},
	}}}
	wire, err := rtcp.Marshal([]rtcp.Packet{first, name})
	if err == nil && l.outRTCP.rtcp != nil {
		wire, err = l.outRTCP.rtcp.EncryptRTCP(nil, wire, nil)
	}
	if err != nil {
		return // a report that cannot be made is left out; the next one tells the same
	}
	conn := l.rtcp
	if l.session.Mux {
		conn = l.out.conn
	}
	_, _ = conn.WriteToUDPAddrPort(wire, to)
}

// rtcpTo tells where our reports go; not valid: nowhere yet.
func (l *Leg) rtcpTo() netip.AddrPort {
	rtp := l.latch.signalled
	if l.latch.source.IsValid() && !l.latch.learning {
		rtp = l.latch.source
	}
	switch {
	case !l.ready || !rtp.IsValid():
		return netip.AddrPort{}
	case l.session.Mux:
		return rtp
	case l.reports.from.IsValid() && l.reports.from.Addr() == rtp.Addr():
		return l.reports.from
	case rtp == l.latch.signalled && l.session.RemoteRTCP.IsValid():
		return l.session.RemoteRTCP
	case rtp.Port() == 65535:
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(rtp.Addr(), rtp.Port()+1)
}

// reception is our report block on the stream that is received; none where there is no stream.
func (r *Receiver) reception() []rtcp.ReceptionReport {
	r.book.Lock()
	defer r.book.Unlock()
	if !r.account.known {
		return nil
	}
	return []rtcp.ReceptionReport{{
		SSRC: r.account.ssrc, FractionLost: uint8(min(255, 256*r.account.share(&r.account.reported))),
		TotalLost: uint32(min(r.account.lost(), 0x7fffff)), LastSequenceNumber: uint32(r.account.highest),
		Jitter: uint32(r.account.jitter),
	}}
}
