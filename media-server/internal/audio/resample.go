package audio

// Up makes 16 kHz of 8 kHz, Down the reverse; each keeps the memory of one direction of one stream.
type Up struct{}

// Down makes 8 kHz of 16 kHz.
type Down struct{}

// Process writes two samples to dst for each one of src; len(dst) is at least 2*len(src).
func (u *Up) Process(dst, src []int16) {}

// Process writes one sample to dst for each two of src; len(src) is even.
func (d *Down) Process(dst, src []int16) {}

// Resample converts a whole recording (a prompt file) from one rate in Hz to another, offline.
func Resample(pcm []int16, from, to int) []int16 {
	return nil
}
