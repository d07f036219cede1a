// Package config holds what the process is told at its start.
package config

// Config is read from a JSON file (-config) whose missing fields keep the defaults of New.
type Config struct {
	// Control is the address of the control protocol: loopback unless said otherwise. The token comes from the
	// environment (GUICHET_MEDIA_TOKEN), never from this file.
	Control string `json:"control"`
	// State is the folder for calls and rooms that survive a restart; Prompts where files to play lie
	// (nothing outside it is read); Spool where recordings are written.
	State   string `json:"state"`
	Prompts string `json:"prompts"`
	Spool   string `json:"spool"`
	// DefaultPrompt is what a call hears while Guichet is away; relative to Prompts, empty: a ringing tone.
	// Park says how it is taken then: early (183, costs the caller nothing), answer, or off (it rings on).
	DefaultPrompt string `json:"default_prompt"`
	Park          string `json:"park"`

	// SIP is bound to what is named here and nothing else; an empty address: not at all.
	SIPUDP  string `json:"sip_udp"`
	SIPTCP  string `json:"sip_tcp"`
	SIPTLS  string `json:"sip_tls"`
	TLSCert string `json:"tls_cert"`
	TLSKey  string `json:"tls_key"`
	// TLSRoots is a PEM file of authorities for TLS trunks; empty: the system's.
	TLSRoots string `json:"tls_roots"`
	// RTPHost is the address RTP is bound to, PublicHost what SDP, Contact and ICE advertise (behind a 1:1 NAT).
	RTPHost    string `json:"rtp_host"`
	PublicHost string `json:"public_host"`
	RTPFirst   int    `json:"rtp_first"`
	RTPLast    int    `json:"rtp_last"`

	// WebUDP and WebTCP are host:port for browsers (one port for all of them); empty: no browsers.
	WebUDP string `json:"web_udp"`
	WebTCP string `json:"web_tcp"`
	// WebMax is how many browsers may be here at once.
	WebMax int `json:"web_max"`
}

// New gives the defaults: everything on loopback, ports of the system's choice where 0.
func New() Config {
	return Config{
		Control: "127.0.0.1:7780", State: "state", Prompts: "prompts", Spool: "spool", Park: "early",
		SIPUDP: "127.0.0.1:5060", SIPTCP: "127.0.0.1:5060",
		RTPHost: "127.0.0.1", PublicHost: "127.0.0.1", RTPFirst: 20000, RTPLast: 29999,
		WebUDP: "127.0.0.1:7781", WebTCP: "127.0.0.1:7781", WebMax: 1000,
	}
}
