package protocol

// Level is how loud one endpoint was in the last 200 ms, and whether it is talking. Level frames are not
// numbered and not kept: who misses one gets the next.
type Level struct {
	Endpoint string `json:"endpoint"`
	Room     string `json:"room,omitempty"`
	// DB is the loudest 20 ms, in dB below full scale: 0 to -96.
	DB      int  `json:"db"`
	Talking bool `json:"talking,omitempty"`
}
