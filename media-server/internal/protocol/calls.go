package protocol

// Trunks is the body of PUT /v1/trunks: all trunks there are. An older Rev is refused.
type Trunks struct {
	Rev    uint64  `json:"rev"`
	Trunks []Trunk `json:"trunks"`
}

// Trunk is one carrier, or one telephone system of the house.
type Trunk struct {
	ID string `json:"id"`
	// Peer is host:port to which calls go. Transport is udp, tcp or tls.
	Peer      string `json:"peer"`
	Transport string `json:"transport"`
	// Allow are the CIDRs from which this trunk's calls come. Empty or malformed: nothing is let in.
	Allow []string `json:"allow"`
	// Numbers are those of ours that are called by this trunk, as +33199001234. Where several trunks are let in from
	// one address, an incoming call is of the one that has its number, and of nobody when none has.
	Numbers []string `json:"numbers,omitempty"`
	// Domain is the host part of our own addresses towards it (From, Contact's user part aside).
	Domain string `json:"domain,omitempty"`
	// Username and Password answer its challenges; Register keeps a registration there.
	Username        string `json:"username,omitempty"`
	Password        string `json:"password,omitempty"`
	Register        bool   `json:"register,omitempty"`
	RegisterSeconds int    `json:"register_s,omitempty"`
	// InUsername and InPassword are what the trunk must answer to our challenge on incoming calls; empty: none.
	InUsername string `json:"in_username,omitempty"`
	InPassword string `json:"in_password,omitempty"`
	// Codecs in the order of preference: PCMA, PCMU, G722.
	Codecs []string `json:"codecs"`
	// SRTP is off, or required (SDES; only over tls).
	SRTP string `json:"srtp,omitempty"`
	// SessionSeconds is the session interval asked for (RFC 4028), 0: accept timers, ask for none.
	SessionSeconds int `json:"session_s,omitempty"`
	// OptionsSeconds between keep-alive OPTIONS; 0: none.
	OptionsSeconds int `json:"options_s,omitempty"`
	// Limits: calls at once, new calls a second (0: the server's default), E.164 prefixes that may be dialled
	// (empty: none), and the spend a day in the trunk's own currency units with the price a minute by prefix.
	MaxCalls     int                `json:"max_calls"`
	MaxPerSecond float64            `json:"max_per_s"`
	Countries    []string           `json:"countries"`
	SpendPerDay  float64            `json:"spend_per_day,omitempty"`
	PricePerMin  map[string]float64 `json:"price_per_min,omitempty"`
}

// Dial is the body of POST /v1/endpoints/{id}/dial.
type Dial struct {
	Trunk         string `json:"trunk"`
	Number        string `json:"number"`
	CallerID      string `json:"caller_id"`
	TimeoutMillis int    `json:"timeout_ms"`
	// EarlyMedia lets the room hear what the carrier plays before the answer.
	EarlyMedia bool `json:"early_media,omitempty"`
}

// Digits is the body of POST /v1/endpoints/{id}/digits; Act makes it idempotent.
type Digits struct {
	Act    string `json:"act"`
	Digits string `json:"digits"`
	// Via is rtp (RFC 4733, the default) or info (SIP INFO).
	Via string `json:"via,omitempty"`
}

// Refer is the body of POST /v1/endpoints/{id}/refer; the outcome comes as the event "referred".
type Refer struct {
	Act    string `json:"act"`
	Number string `json:"number"`
}

// Ending is the body of POST /v1/endpoints/{id}/reject and /hangup.
type Ending struct {
	// Code is the SIP status of a refusal (486, 603 ...); for a hang-up it is 0.
	Code  int    `json:"code,omitempty"`
	Cause string `json:"cause,omitempty"`
}

// Offer is the body of POST /v1/endpoints/{id}/offer, and its answer: SDP of a browser.
type Offer struct {
	SDP string `json:"sdp"`
}
