// Package protocol holds the documents of the control protocol: what Guichet asks, what it is told.
// docs/reference/media-control.md describes the same in words.
package protocol

// Room is the desired state of one conversation: who is in it, and who hears whom. It is put as a whole;
// an older Rev is refused, the same Rev with another content too.
type Room struct {
	ID  string `json:"id"`
	Rev uint64 `json:"rev"`
	// Closed ends the room: its plays stop, its recording is finished, its endpoints are in no room.
	Closed bool `json:"closed,omitempty"`
	// Endpoints are the endpoints of the room. An endpoint is in one room at a time: the last put wins, and
	// all rooms of one put change in the same tick.
	Endpoints []string `json:"endpoints,omitempty"`
	// Hears tells for each endpoint which sources it hears: endpoints of this room, or names of Sources.
	// Who is not named hears nothing.
	Hears     map[string][]string `json:"hears,omitempty"`
	Sources   map[string]Source   `json:"sources,omitempty"`
	Recording *Recording          `json:"recording,omitempty"`
	Video     []Forward           `json:"video,omitempty"`
}

// Source is music, an announcement or a tone that goes on as long as the room says so.
type Source struct {
	// Files are played in turn, then from the start. Names are relative to the prompt folder.
	Files []string `json:"files,omitempty"`
	// Announcement interrupts the files each EveryMillis, and they go on where they stopped.
	Announcement string `json:"announcement,omitempty"`
	EveryMillis  int    `json:"every_ms,omitempty"`
	// Tone is a named tone (ringback, busy, beep, silence) or a list "440+480/2000,0/4000" (Hz/ms).
	Tone string `json:"tone,omitempty"`
	// Gain in dB, -40 to 12.
	Gain float64 `json:"gain_db,omitempty"`
}

// Recording writes two channels: left what Left say, right what Right say. Absent: no recording; absent
// after present: the recording is finished and encoded.
type Recording struct {
	ID     string   `json:"id"`
	Left   []string `json:"left"`
	Right  []string `json:"right"`
	Paused bool     `json:"paused,omitempty"`
	// BeepEveryMillis plays a short beep to all of the room at this interval where the law wants it; 0: none.
	BeepEveryMillis int `json:"beep_every_ms,omitempty"`
}

// Forward sends one video track of one browser to another of the same room.
type Forward struct {
	From string `json:"from"`
	// Kind is camera or screen.
	Kind string `json:"kind"`
	To   string `json:"to"`
	// MaxKbps limits the bandwidth; 0: the server's default.
	MaxKbps int `json:"max_kbps,omitempty"`
}

// ParkedRoom begins the names of the rooms that the server makes itself, for calls that nobody takes. Such a room
// takes no endpoint out of another one.
const ParkedRoom = "parked-"

// Rooms is the body of PUT /v1/rooms: all of it applies between two ticks, or none of it.
type Rooms struct {
	Rooms []Room `json:"rooms"`
}

// Play is an act: something is played once (or in a loop until stopped) to some endpoints of a room,
// over what they hear otherwise, which is silent for them meanwhile.
type Play struct {
	Play    string   `json:"play"`
	HeardBy []string `json:"heard_by"`
	File    string   `json:"file,omitempty"`
	Tone    string   `json:"tone,omitempty"`
	Loop    bool     `json:"loop,omitempty"`
	// Interruptible: a digit or speech of one who hears it ends it.
	Interruptible bool `json:"interruptible,omitempty"`
}
