package audio

import (
	"math"
	"math/cmplx"
	"time"

	"guichet/mediaserver/internal/media"
)

// The signals of a keypad (ITU-T Q.23): each key is a tone of its row and one of its column.
var (
	rowHertz    = [4]float64{697, 770, 852, 941}
	columnHertz = [4]float64{1209, 1336, 1477, 1633}
)

const keypad = "123A456B789C*0#D"

// What is looked at: 20 ms each 10 ms, at 8 kHz, through a Hann window.
const (
	keyRate   = 8000
	keyHop    = 80
	keyWindow = 2 * keyHop
	hopTime   = 10 * time.Millisecond
)

// What counts as a key; Q.24 tells how far the signals of real telephones stray.
const (
	keyFloor    = 400.0 // amplitude of either tone, about -35 dBm0
	keyShare    = 0.91  // of all the power there is
	keyPure     = 0.7   // of it in one look, to be kept from others before it is certain
	keyMaybe    = 0.4   // before it is known how far off its frequencies are
	keyGoesOn   = 0.35  // of one that is under way: a gap of 10 ms does not end it
	columnOver  = 5.0   // dB over the row at most (Q.24: 4), and
	columnUnder = -9.0  // under it (Q.24: 8)
	keyOff      = 0.02  // of its frequency (Q.24: 1.5 % and 2 Hz count, 3.5 % do not)
	keySteady   = 0.84  // of the amplitude, from one look to the next
	keyFirst    = 3     // hops that two looks span, which make a key
	keyLast     = 2     // looks in a row without the key, which end it
)

// Keypad finds the keys that are pressed in audio (DTMF). It allocates nothing.
type Keypad struct {
	held    [keyHop]float64 // the first half of the next window
	last    look
	key     byte // under way; 0: none
	hops    int  // of it
	missing int
}

// look is what one window shows.
type look struct {
	key       byte          // that its strongest tones are; 0: too quiet to look
	tones     [2]complex128 // of row and column
	hertz     [2]float64
	amplitude [2]float64
	share     [2]float64 // of the power
}

// Next takes the next 20 ms. It gives the key that ended with them, if there is one, and how long it was pressed;
// mute tells that the frame has a key in it, or what may become one.
func (k *Keypad) Next(f *media.Frame) (key byte, pressed time.Duration, mute bool) {
	var hop [keyHop]float64
	for at := 0; at < len(f); at += 2 * keyHop {
		for i := range hop {
			hop[i] = float64(int32(f[at+2*i])+int32(f[at+2*i+1])) / 2
		}
		now := k.look(&hop)
		mute = mute || k.key != 0 || now.pure()
		switch {
		case k.key == 0 && now.follows(&k.last):
			k.key, k.hops, k.missing = now.key, keyFirst, 0
		case k.key == 0:
		case now.key == k.key && now.share[0]+now.share[1] >= keyGoesOn:
			k.hops, k.missing = k.hops+1+k.missing, 0
		default:
			if k.missing++; k.missing == keyLast {
				key, pressed = k.key, time.Duration(k.hops)*hopTime
				k.key = 0
			}
		}
		k.last = now
	}
	return key, pressed, mute
}

// Pressed tells whether a key is under way.
func (k *Keypad) Pressed() bool { return k.key != 0 }

// look looks at the last 20 ms, of which hop is the second half.
func (k *Keypad) look(hop *[keyHop]float64) (l look) {
	var x [keyWindow]float64
	power := 0.0
	for i := range hop {
		x[i], x[keyHop+i] = k.held[i]*hann[i], hop[i]*hann[keyHop+i]
		power += x[i]*x[i] + x[keyHop+i]*x[keyHop+i]
	}
	k.held = *hop
	if power /= hannPower; power < keyFloor*keyFloor/2 {
		return look{}
	}
	row, column := 0, 0
	l.tones[0], row = strongest(&x, &rowTurns)
	l.tones[1], column = strongest(&x, &columnTurns)
	l.key, l.hertz = keypad[4*row+column], [2]float64{rowHertz[row], columnHertz[column]}
	for i, tone := range l.tones {
		l.amplitude[i] = cmplx.Abs(tone) * 4 / keyWindow
		l.share[i] = l.amplitude[i] * l.amplitude[i] / 2 / power
	}
	return l
}

// pure tells whether one look shows what may become a key.
func (l *look) pure() bool {
	return l.key != 0 && l.share[0]+l.share[1] >= keyPure && fits(l.amplitude)
}

// follows tells whether this look and the one before show one key that stands still.
func (l *look) follows(before *look) bool {
	if l.key == 0 || l.key != before.key || min(l.share[0]+l.share[1], before.share[0]+before.share[1]) < keyMaybe {
		return false
	}
	amplitude, share := l.amplitude, 0.0
	for i, hertz := range l.hertz {
		// How far a tone has turned within a hop tells its frequency.
		turned := cmplx.Phase(l.tones[i] * cmplx.Conj(before.tones[i]) * cmplx.Rect(1, -2*math.Pi*hertz*keyHop/keyRate))
		off := turned / (2 * math.Pi) * keyRate / keyHop
		change := l.amplitude[i] / before.amplitude[i]
		if math.Abs(off) > keyOff*hertz || change < keySteady || change > 1/keySteady {
			return false
		}
		through := response(off * keyWindow / keyRate)
		amplitude[i] /= through
		share += min(l.share[i], before.share[i]) / (through * through)
	}
	return share >= keyShare && fits(amplitude)
}

// fits tells whether two tones are loud enough, and their levels those of one key.
func fits(amplitude [2]float64) bool {
	twist := 20 * math.Log10(amplitude[1]/amplitude[0])
	return min(amplitude[0], amplitude[1]) >= keyFloor && twist >= columnUnder && twist <= columnOver
}

// hann is the window, hannPower the sum of its squares.
var (
	hann                  = makeHann()
	hannPower             = keyWindow * 3.0 / 8
	rowTurns, columnTurns = makeTurns(rowHertz), makeTurns(columnHertz)
)

func makeHann() (window [keyWindow]float64) {
	for i := range window {
		window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/keyWindow)
	}
	return window
}

// response is what a Hann window lets through of a tone that is so many bins (of 50 Hz) off, less than two.
func response(bins float64) float64 {
	if math.Abs(bins) < 1e-6 {
		return 1
	}
	return math.Sin(math.Pi*bins) / (math.Pi * bins) / (1 - bins*bins)
}

// turns are e^jw of four frequencies.
type turns [4]complex128

func makeTurns(hertz [4]float64) (t turns) {
	for i, h := range hertz {
		t[i] = cmplx.Rect(1, 2*math.Pi*h/keyRate)
	}
	return t
}

// strongest is the strongest of four frequencies, with its phase at the window's end, by Goertzel's algorithm: all
// four at once, as each waits for itself.
func strongest(x *[keyWindow]float64, t *turns) (tone complex128, at int) {
	c0, c1, c2, c3 := 2*real(t[0]), 2*real(t[1]), 2*real(t[2]), 2*real(t[3])
	var a0, a1, a2, a3, b0, b1, b2, b3 float64
	for _, v := range x {
		a0, b0 = v+c0*a0-b0, a0
		a1, b1 = v+c1*a1-b1, a1
		a2, b2 = v+c2*a2-b2, a2
		a3, b3 = v+c3*a3-b3, a3
	}
	most := 0.0
	for i, s := range [4][2]float64{{a0, b0}, {a1, b1}, {a2, b2}, {a3, b3}} {
		found := complex(s[0], 0) - cmplx.Conj(t[i])*complex(s[1], 0)
		if power := real(found)*real(found) + imag(found)*imag(found); power > most {
			most, tone, at = power, found, i
		}
	}
	return tone, at
}
