package audio

import "math"

// The filter between 8 and 16 kHz is a half-band one: every second coefficient is zero except the middle one,
// so that one of two phases is a mere delay. 28 coefficients, symmetric: half of them are kept.
const (
	halfTaps = 14
	taps     = 2 * halfTaps
	block    = 320
)

// half[k] weighs the samples k+1/2 away on either side of the new one; Q15, their sum is 1/2.
var half = makeHalf()

// makeHalf designs the filter: a sinc under a Kaiser window (beta 6.2: about 65 dB down from 4.6 kHz, flat to
// 3.4 kHz).
func makeHalf() [halfTaps]int32 {
	const beta = 6.2
	var weights [halfTaps]float64
	sum := 0.0
	for k := range weights {
		at := float64(k) + 0.5
		inside := at / (halfTaps + 0.5)
		weights[k] = math.Sin(math.Pi*at) / (math.Pi * at) * bessel(beta*math.Sqrt(1-inside*inside)) / bessel(beta)
		sum += weights[k]
	}
	var fixed [halfTaps]int32
	for k := range fixed {
		fixed[k] = int32(math.Round(weights[k] / sum * 16384))
	}
	return fixed
}

// bessel is the modified Bessel function of the first kind, order 0.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-12; k++ {
		term *= x * x / (4 * k * k)
		sum += term
	}
	return sum
}

// between tells the value half-way between window[halfTaps-1] and window[halfTaps], Q15.
func between(window *[taps]int16) int32 {
	var sum int32
	for k, weight := range &half {
		sum += weight * (int32(window[halfTaps-1-k]) + int32(window[halfTaps+k]))
	}
	return sum
}

// Up makes 16 kHz of 8 kHz, Down the reverse; each keeps the memory of one direction of one stream.
type Up struct {
	past [taps + block]int16
}

// Process writes two samples to dst for each one of src; len(dst) is at least 2*len(src).
func (u *Up) Process(dst, src []int16) {
	for len(src) > 0 {
		n := min(len(src), block)
		copy(u.past[taps:], src[:n])
		for i := range n {
			window := (*[taps]int16)(u.past[i+1:])
			dst[2*i] = window[halfTaps-1]
			dst[2*i+1] = clip((between(window) + 1<<14) >> 15)
		}
		copy(u.past[:taps], u.past[n:n+taps])
		dst, src = dst[2*n:], src[n:]
	}
}

// Down makes 8 kHz of 16 kHz.
type Down struct {
	even, odd [taps + block]int16
}

// Process writes one sample to dst for each two of src; len(src) is even.
func (d *Down) Process(dst, src []int16) {
	for len(src) > 1 {
		n := min(len(src)/2, block)
		for i := range n {
			d.even[taps+i] = src[2*i]
			d.odd[taps+i] = src[2*i+1]
		}
		for i := range n {
			middle := int32(d.even[i+1+halfTaps])
			dst[i] = clip((between((*[taps]int16)(d.odd[i+1:])) + middle<<15 + 1<<15) >> 16)
		}
		copy(d.even[:taps], d.even[n:n+taps])
		copy(d.odd[:taps], d.odd[n:n+taps])
		dst, src = dst[n:], src[2*n:]
	}
}

// clip keeps a value within 16 bits.
func clip(v int32) int16 {
	return int16(min(max(v, math.MinInt16), math.MaxInt16))
}

// Resample converts a whole recording (a prompt file) from one rate in Hz to another, offline.
func Resample(pcm []int16, from, to int) []int16 {
	if from == to || len(pcm) == 0 {
		return pcm
	}
	divisor := gcd(from, to)
	phases, step := to/divisor, from/divisor
	// A sinc at the lower of the two rates, 16 zero crossings to either side, under a Hann window.
	scale := min(1, float64(to)/float64(from)) * 0.95
	reach := int(math.Ceil(16 / scale))
	kernel := make([][]float64, phases)
	for p := range kernel {
		kernel[p] = make([]float64, 2*reach)
		for k := range kernel[p] {
			at := float64(k-reach+1) - float64(p)/float64(phases)
			inside := math.Cos(math.Pi / 2 * at / float64(reach+1))
			kernel[p][k] = scale * sinc(at*scale) * inside * inside
		}
	}
	out := make([]int16, (len(pcm)*phases+step-1)/step)
	for i := range out {
		at, phase := i*step/phases, i*step%phases
		sum := 0.0
		for k, weight := range kernel[phase] {
			if j := at + k - reach + 1; j >= 0 && j < len(pcm) {
				sum += weight * float64(pcm[j])
			}
		}
		out[i] = clip(int32(math.Round(sum)))
	}
	return out
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
