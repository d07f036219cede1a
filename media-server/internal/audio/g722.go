package audio

import "guichet/mediaserver/internal/media"

// G.722 at 64 kbit/s, written after ITU-T Rec. G.722 (the names of the blocks are its own): 16 kHz are split
// into two bands, each coded by ADPCM: 6 bits for the lower, 2 for the upper.

// qmf are the 24 coefficients of the filter that splits and joins the bands (they are symmetric).
var qmf = [12]int32{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}

// Quantizers: decision levels and values of the lower band (6 bits to be heard, 4 to adapt) and the upper one,
// and what each code does to the step size (WL, WH), whose logarithm ilb turns back.
var (
	q6  = [30]int32{0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919}
	qm6 = [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136}
	qm4 = [16]int32{0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0}
	qm2 = [4]int32{-7408, -1616, 7408, 1616}
	wl4 = [16]int32{-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60}
	wh2 = [4]int32{798, -214, 798, -214}
	ilb = [32]int32{
		2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
		2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008}
)

// band is the predictor and the step size of one band; both ends run it in the same way.
type band struct {
	s, sz  int32    // the prediction, and its part of the zeros
	r1, r2 int32    // reconstructed signal before
	a1, a2 int32    // poles
	b      [6]int32 // zeros
	d      [6]int32 // quantized differences before
	p1, p2 int32    // partly reconstructed signal before
	nb     int32    // logarithm of the step size
	det    int32    // the step size
}

// sat limits to 16 bits.
func sat(v int32) int32 {
	return min(max(v, -32768), 32767)
}

// same is +v where the signs of two values are the same, -v where not.
func same(v, x, y int32) int32 {
	m := (x ^ y) >> 31
	return (v ^ m) - m
}

// predict adapts the predictor to the quantized difference (blocks RECONS to PREDIC).
func (b *band) predict(d int32) {
	r := sat(b.s + d)
	p := sat(b.sz + d)

	// UPPOL2, UPPOL1
	a2 := same(128, p, b.p2) + b.a2*32512>>15 + min(-same(sat(b.a1*4), p, b.p1), 32767)>>7
	a2 = min(max(a2, -12288), 12288)
	limit := 15360 - a2
	a1 := min(max(sat(same(192, p, b.p1)+b.a1*32640>>15), -limit), limit)

	// UPZERO, FILTEZ
	step := int32(128)
	if d == 0 {
		step = 0
	}
	for i := range b.b {
		b.b[i] = sat(same(step, d, b.d[i]) + b.b[i]*32640>>15)
	}
	copy(b.d[1:], b.d[:5])
	b.d[0] = d
	sz := int32(0)
	for i := range b.b {
		sz += b.b[i] * sat(2*b.d[i]) >> 15
	}

	// FILTEP, PREDIC
	b.p1, b.p2 = p, b.p1
	b.a1, b.a2 = a1, a2
	b.r1, b.r2 = r, b.r1
	b.sz = sat(sz)
	b.s = sat(sat(a1*sat(2*b.r1)>>15+a2*sat(2*b.r2)>>15) + b.sz)
}

// scale adapts the step size: w is what the code does to its logarithm, top where that ends, shift the
// band's own scale (LOGSCL and SCALEL, LOGSCH and SCALEH).
func (b *band) scale(w, top, shift int32) {
	b.nb = min(max(b.nb*127>>7+w, 0), top)
	value := ilb[b.nb>>6&31]
	if down := shift - b.nb>>11; down < 0 {
		value <<= -down
	} else {
		value >>= down
	}
	b.det = value << 2
}

// lower and upper take one code of their band into the predictor, and tell the value it stands for.
func (b *band) lower(code int32) int32 {
	heard := min(max(b.s+b.det*qm6[code]>>15, -16384), 16383)
	coarse := code >> 2
	d := b.det * qm4[coarse] >> 15
	b.scale(wl4[coarse], 18432, 8)
	b.predict(d)
	return heard
}

func (b *band) upper(code int32) int32 {
	d := b.det * qm2[code] >> 15
	heard := min(max(b.s+d, -16384), 16383)
	b.scale(wh2[code], 22528, 10)
	b.predict(d)
	return heard
}

// g722 is one direction of a G.722 stream.
type g722 struct {
	low, high band
	// past is the filter's memory of 22 samples, with room for a frame after it.
	past [22 + media.FrameSamples]int32
}

func (c *g722) ClockRate() int { return 8000 }

func (c *g722) Reset() { *c = g722{low: band{det: 32}, high: band{det: 8}} }

// filter is both halves of the band filter at once: of 24 values, those at even and those at odd places.
func filter(x *[24]int32) (even, odd int32) {
	for i, h := range &qmf {
		even += x[2*i] * h
		odd += x[2*i+1] * qmf[11-i]
	}
	return even, odd
}

func (c *g722) Encode(dst []byte, f *media.Frame) []byte {
	for i, v := range f {
		c.past[22+i] = int32(v)
	}
	for i := 0; i < len(f); i += 2 {
		even, odd := filter((*[24]int32)(c.past[i:]))
		low := quantizeLow(sat((even+odd)>>14-c.low.s), c.low.det)
		high := quantizeHigh(sat((odd-even)>>14-c.high.s), c.high.det)
		c.low.lower(low)
		c.high.upper(high)
		dst = append(dst, byte(high<<6|low))
	}
	copy(c.past[:22], c.past[media.FrameSamples:])
	return dst
}

// quantizeLow is QUANTL: the code of a difference at a step size.
func quantizeLow(diff, det int32) int32 {
	size := diff ^ diff>>31
	i := int32(1)
	if size >= q6[15]*det>>12 {
		i = 16
	}
	for i < 30 && size >= q6[i]*det>>12 {
		i++
	}
	switch {
	case diff >= 0:
		return 62 - i
	case i < 3:
		return 64 - i
	default:
		return 34 - i
	}
}

// quantizeHigh is QUANTH.
func quantizeHigh(diff, det int32) int32 {
	code := int32(1)
	if diff^diff>>31 >= 564*det>>12 {
		code = 0
	}
	if diff >= 0 {
		code += 2
	}
	return code
}

func (c *g722) Decode(payload []byte, pcm []int16) int {
	n := 0
	for len(payload) > 0 && len(pcm)-n >= 2 {
		part := min(len(payload), media.FrameSamples/2, (len(pcm)-n)/2)
		for i, b := range payload[:part] {
			low := c.low.lower(int32(b & 63))
			high := c.high.upper(int32(b >> 6))
			c.past[22+2*i] = low + high
			c.past[22+2*i+1] = low - high
		}
		for i := range part {
			even, odd := filter((*[24]int32)(c.past[2*i:]))
			pcm[n+2*i] = clip(odd >> 11)
			pcm[n+2*i+1] = clip(even >> 11)
		}
		copy(c.past[:22], c.past[2*part:2*part+22])
		payload = payload[part:]
		n += 2 * part
	}
	return n
}
