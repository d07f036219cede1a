package mixer

import "guichet/mediaserver/internal/media"

// knee is where the sum of several voices begins to be pressed together instead of being cut: below it a mix
// is exact, and one voice alone always is.
const knee = 26000

// sum mixes frames to out: nil for none, the frame itself for one, their limited sum for more.
func sum(frames []*media.Frame, out *media.Frame) *media.Frame {
	switch len(frames) {
	case 0:
		return nil
	case 1:
		return frames[0]
	case 2:
		a, b := frames[0], frames[1]
		for i := range out {
			out[i] = limit(int32(a[i]) + int32(b[i]))
		}
		return out
	}
	var total [media.FrameSamples]int32
	for _, frame := range frames {
		for i, sample := range frame {
			total[i] += int32(sample)
		}
	}
	for i, sample := range total {
		out[i] = limit(sample)
	}
	return out
}

// limit maps what lies beyond the knee, however far, into what is left up to full scale.
func limit(x int32) int16 {
	const room = 32767 - knee
	if x > knee {
		over := int64(x - knee)
		return int16(knee + over*room/(over+room))
	}
	if x < -knee {
		over := int64(-knee - x)
		return int16(-knee - over*room/(over+room))
	}
	return int16(x)
}
