//go:build opus

package audio

/*
#cgo pkg-config: opus
#include <opus.h>

// cgo cannot call functions of variable arguments.
static int set(OpusEncoder *encoder, int request, opus_int32 value) {
	return opus_encoder_ctl(encoder, request, value);
}
*/
import "C"

import (
	"fmt"
	"unsafe"

	"guichet/mediaserver/internal/media"
)

// Wideband voice is good at 24 kbit/s; complexity 5 of 10 costs half of what 10 does, unheard at that rate.
const (
	opusBitRate    = 24000
	opusComplexity = 5
	opusMaxBytes   = 400
)

// opus is one direction of an Opus stream, in libopus. Its state lies in Go's memory (libopus allows that and keeps no
// pointer to it), so that nothing has to be freed.
type opus struct {
	encoder, decoder []uint64
	packet           [opusMaxBytes]byte
}

func newOpus() (Codec, error) {
	o := &opus{
		encoder: make([]uint64, C.opus_encoder_get_size(1)/8+1), decoder: make([]uint64, C.opus_decoder_get_size(1)/8+1),
	}
	return o, o.init()
}

// init makes both halves new.
func (o *opus) init() error {
	if code := C.opus_encoder_init(o.coder(), media.Rate, 1, C.OPUS_APPLICATION_VOIP); code != C.OPUS_OK {
		return fmt.Errorf("make an Opus encoder: error %d of libopus", code)
	}
	C.set(o.coder(), C.OPUS_SET_BITRATE_REQUEST, opusBitRate)
	C.set(o.coder(), C.OPUS_SET_COMPLEXITY_REQUEST, opusComplexity)
	if code := C.opus_decoder_init(o.uncoder(), media.Rate, 1); code != C.OPUS_OK {
		return fmt.Errorf("make an Opus decoder: error %d of libopus", code)
	}
	return nil
}

// Reset cannot fail: the same worked in newOpus.
func (o *opus) Reset() { _ = o.init() }

func (o *opus) coder() *C.OpusEncoder   { return (*C.OpusEncoder)(unsafe.Pointer(&o.encoder[0])) }
func (o *opus) uncoder() *C.OpusDecoder { return (*C.OpusDecoder)(unsafe.Pointer(&o.decoder[0])) }

func (o *opus) ClockRate() int { return 48000 }

func (o *opus) Encode(dst []byte, f *media.Frame) []byte {
	n := C.opus_encode(o.coder(), (*C.opus_int16)(&f[0]), media.FrameSamples, (*C.uchar)(&o.packet[0]), opusMaxBytes)
	return append(dst, o.packet[:max(n, 0)]...)
}

func (o *opus) Decode(payload []byte, pcm []int16) int {
	if len(payload) == 0 || len(pcm) == 0 {
		return 0
	}
	n := C.opus_decode(o.uncoder(), (*C.uchar)(&payload[0]), C.opus_int32(len(payload)), (*C.opus_int16)(&pcm[0]),
		C.int(len(pcm)), 0)
	return int(max(n, 0))
}
