package protocol

// Kinds of events.
const (
	Offered         = "offered"          // a call comes in: Trunk, From, To
	Ringing         = "ringing"          // a dialled call rings
	Early           = "early"            // a dialled call sends media before its answer
	Answered        = "answered"         // either way: Codec
	Held            = "held"             // the far side put us on hold
	Resumed         = "resumed"          // and came back
	Holding         = "holding"          // we put the far side on hold, or took it back: On; Code: it refused, On is what stands
	Left            = "left"             // the endpoint is over: Who, Cause, Code
	Digit           = "digit"            // Digit, Millis, Via
	Talking         = "talking"          // On
	Quality         = "quality"          // Loss, JitterMillis, DelayMillis, each 5 s and at the end
	Connected       = "connected"        // a browser's media flows
	Silent          = "silent"           // a browser or phone sends nothing any more (1 s), On=false when it does again
	Played          = "played"           // Play, Cause: done, stopped, interrupted, failed
	Referred        = "referred"         // outcome of our REFER: Act, Code
	TransferAsked   = "transfer_asked"   // the far side sent REFER: To
	RecordingReady  = "recording_ready"  // Recording, Path, SHA256, Bytes, Millis, PausedMillis, Codec: opus or wav
	RecordingFailed = "recording_failed" // Recording, Cause: disk_full, write, encode, empty; the call goes on
	VideoStarted    = "video_started"    // Track: camera or screen
	VideoStopped    = "video_stopped"
	TrunkUp         = "trunk_up"        // registered, or it answers OPTIONS
	TrunkDown       = "trunk_down"      // Cause
	SpendReached    = "spend_reached"   // Trunk: it cost today what it may, no call begins any more; those that run go on
	Refused         = "refused"         // a limit or list turned a call away: Trunk, Cause, Count (summed each second)
	PortsExhausted  = "ports_exhausted" // no RTP port is free
	Recovered       = "recovered"       // after a restart: Count calls go on
	Parked          = "parked"          // nobody told us what to do with a call: it hears the default prompt
)

// Event is one thing that happened. Seq counts from 1 within an Epoch (one run of the server); fields that
// do not belong to the kind are absent. From, To and Digit are personal: they go to Guichet, never to a log.
type Event struct {
	Epoch        string  `json:"epoch"`
	Seq          uint64  `json:"seq"`
	At           int64   `json:"at_ms"`
	Kind         string  `json:"kind"`
	Endpoint     string  `json:"endpoint,omitempty"`
	Room         string  `json:"room,omitempty"`
	Trunk        string  `json:"trunk,omitempty"`
	From         string  `json:"from,omitempty"`
	To           string  `json:"to,omitempty"`
	Codec        string  `json:"codec,omitempty"`
	Who          string  `json:"who,omitempty"` // us, them, network
	Cause        string  `json:"cause,omitempty"`
	Code         int     `json:"code,omitempty"`
	Digit        string  `json:"digit,omitempty"`
	Via          string  `json:"via,omitempty"`
	On           bool    `json:"on,omitempty"`
	Play         string  `json:"play,omitempty"`
	Act          string  `json:"act,omitempty"`
	Recording    string  `json:"recording,omitempty"`
	Path         string  `json:"path,omitempty"`
	SHA256       string  `json:"sha256,omitempty"`
	Bytes        int64   `json:"bytes,omitempty"`
	Millis       int64   `json:"millis,omitempty"`
	PausedMillis int64   `json:"paused_ms,omitempty"` // left out of a recording on purpose
	Track        string  `json:"track,omitempty"`
	Loss         float64 `json:"loss,omitempty"`
	JitterMillis float64 `json:"jitter_ms,omitempty"`
	DelayMillis  float64 `json:"delay_ms,omitempty"`
	Strangers    uint64  `json:"strangers,omitempty"` // packets of others than the far side, refused so far
	Count        int     `json:"count,omitempty"`
}

// Emit hands an event to the journal, which numbers it. It never blocks. Epoch, Seq and At are set there.
// What Endpoints tells has changed before: GET /v1/state holds what was emitted up to its Seq.
type Emit func(Event)

// Endpoint is the actual state of one endpoint, as GET /v1/state tells it.
type Endpoint struct {
	ID string `json:"id"`
	// Kind is phone, browser or socket.
	Kind string `json:"kind"`
	// State is offered, dialling, ringing, early, answered, held, connected, silent.
	State string `json:"state"`
	Room  string `json:"room,omitempty"`
	Trunk string `json:"trunk,omitempty"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	Codec string `json:"codec,omitempty"`
	// Holding tells that we put the far side on hold; "held" is the other way round.
	Holding bool `json:"holding,omitempty"`
	// Referring is the act of our transfer whose outcome is awaited.
	Referring string `json:"referring,omitempty"`
	// Incoming tells who called.
	Incoming bool `json:"incoming,omitempty"`
}

// State is the answer of GET /v1/state: all that stands, and the last event it contains.
type State struct {
	Epoch     string     `json:"epoch"`
	Seq       uint64     `json:"seq"`
	Rooms     []Room     `json:"rooms"`
	Endpoints []Endpoint `json:"endpoints"`
	TrunksRev uint64     `json:"trunks_rev"`
}

// Error is the body of every refusal.
type Error struct {
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	Remedy string `json:"remedy"`
}
