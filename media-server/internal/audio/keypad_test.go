package audio

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"guichet/mediaserver/internal/media"
)

// pressing is one press of a key, by a telephone that is not quite what Q.23 wants.
type pressing struct {
	key         byte
	millis      int
	at          int     // sample at which it begins
	level       float64 // amplitude of the row
	twist       float64 // dB of the column over the row
	row, column float64 // parts of a whole that the frequencies are off
	noise       float64 // dB below the tones, as far as a telephone lets it through; 0: none
}

func (p pressing) sound(random *rand.Rand) []int16 {
	n := p.millis * media.Rate / 1000
	out := make([]int16, p.at+n+media.Rate/5)
	index := strings.IndexByte(keypad, p.key)
	row, column := rowHertz[index/4]*(1+p.row), columnHertz[index%4]*(1+p.column)
	high := p.level * math.Pow(10, p.twist/20)
	phases := [2]float64{random.Float64() * 7, random.Float64() * 7}
	hiss := math.Hypot(p.level, high) * math.Pow(10, -p.noise/20) // half of its power is above 4 kHz
	for i := range out {
		v := 0.0
		if p.noise > 0 {
			v = random.NormFloat64() * hiss
		}
		if i >= p.at && i < p.at+n {
			t := 2 * math.Pi * float64(i-p.at) / media.Rate
			v += p.level*math.Sin(row*t+phases[0]) + high*math.Sin(column*t+phases[1])
		}
		out[i] = int16(min(max(v, -32768), 32767))
	}
	return out
}

func plain(key byte, millis, at int) pressing {
	return pressing{key: key, millis: millis, at: at, level: 5000}
}

// found runs a keypad over a sound: the keys, how long each was pressed, and for each frame whether it was muted.
func found(sound []int16) (keys string, pressed []time.Duration, muted []bool) {
	var k Keypad
	for at := 0; at < len(sound); at += media.FrameSamples {
		var f media.Frame
		copy(f[:], sound[at:])
		key, held, mute := k.Next(&f)
		if key != 0 {
			keys += string(key)
			pressed = append(pressed, held)
		}
		muted = append(muted, mute)
	}
	return keys, pressed, muted
}

func TestEveryKeyHoweverItBegins(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, key := range []byte(keypad) {
		for at := 0; at < media.FrameSamples; at += 7 {
			for _, millis := range []int{40, 50, 100, 333} {
				keys, pressed, _ := found(plain(key, millis, at).sound(random))
				if keys != string(key) {
					t.Errorf("%c for %d ms from sample %d on: %q", key, millis, at, keys)
				} else if off := pressed[0].Milliseconds() - int64(millis); off < -20 || off > 20 {
					t.Errorf("%c for %d ms from sample %d on was pressed for %v", key, millis, at, pressed[0])
				}
			}
		}
	}
}

// Whatever Q.24 lets stray, all of it at once, in noise of 15 dB less.
func TestKeysOfTelephonesThatStray(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 1))
	for range 1000 {
		p := plain(keypad[random.IntN(16)], 40+random.IntN(40), random.IntN(640))
		p.level, p.twist = 600*math.Pow(10, 1.2*random.Float64()), -8+12*random.Float64()
		if p.twist < 0 {
			p.level *= math.Pow(10, -p.twist/20)
		}
		stray := func(hertz float64) float64 { return (2*random.Float64() - 1) * (0.015 + 2/hertz) }
		p.row, p.column, p.noise = stray(941), stray(1633), 15+10*random.Float64()
		if keys, _, _ := found(p.sound(random)); keys != string(p.key) {
			t.Errorf("%+v: %q", p, keys)
		}
	}
}

func TestWhatIsNoKey(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 1))
	for name, change := range map[string]func(p *pressing){
		"short":                 func(p *pressing) { p.millis = 18 },
		"row too low":           func(p *pressing) { p.row = -0.035 },
		"row too high":          func(p *pressing) { p.row = 0.035 },
		"column too low":        func(p *pressing) { p.column = -0.035 },
		"column too high":       func(p *pressing) { p.column = 0.035 },
		"column much louder":    func(p *pressing) { p.twist = 7 },
		"row much louder":       func(p *pressing) { p.twist = -11 },
		"one tone":              func(p *pressing) { p.twist = -90 },
		"quiet":                 func(p *pressing) { p.level = 250 },
		"as much noise as tone": func(p *pressing) { p.noise = 3 },
	} {
		for range 100 {
			p := plain(keypad[random.IntN(16)], 60, random.IntN(640))
			if change(&p); len(p.keys(random)) > 0 {
				t.Errorf("%s: %+v is a key", name, p)
			}
		}
	}
	for _, tone := range []string{"ringback", "busy", "congestion", "350+440/3000", "440+480/3000", "480+620/3000", "1400/500", "2100/3000"} {
		made, err := NewTone(tone, false)
		if err != nil {
			t.Fatal(err)
		}
		var sound []int16
		for f := (media.Frame{}); made.Next(&f); {
			sound = append(sound, f[:]...)
		}
		if keys, _, _ := found(sound); keys != "" {
			t.Errorf("%s is told as %q", tone, keys)
		}
	}
}

func (p pressing) keys(random *rand.Rand) string {
	keys, _, _ := found(p.sound(random))
	return keys
}

func TestGapsAndPauses(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 1))
	for gap, want := range map[int]string{5: "7", 10: "7", 40: "77", 60: "77"} {
		for at := 0; at < media.FrameSamples; at += 13 {
			sound := plain('7', 200, at).sound(random)
			clear(sound[at+1600 : at+1600+gap*media.Rate/1000])
			if keys, _, _ := found(sound); keys != want {
				t.Errorf("a gap of %d ms, from sample %d on: %q", gap, at, keys)
			}
		}
	}
	if keys, _, _ := found(append(plain('1', 80, 0).sound(random)[:1280], plain('2', 80, 0).sound(random)...)); keys != "12" {
		t.Errorf("one after the other without a pause: %q", keys)
	}
}

// No more than the very beginning of a key passes, and nothing of its end.
func TestWhatPassesOfAKey(t *testing.T) {
	t.Run("usual", func(t *testing.T) { passes(t, pressing{row: 0.005, column: 0.005, twist: 3, noise: 30}, 15) })
	t.Run("stray", func(t *testing.T) { passes(t, pressing{row: 0.016, column: 0.016, twist: 4, noise: 15}, 40) })
}

// passes presses keys that are up to so far off, and wants no more than so many ms to pass.
func passes(t *testing.T, off pressing, most int) {
	t.Helper()
	random := rand.New(rand.NewPCG(5, 1))
	worst, sum, presses := 0, 0, 800
	for range presses {
		p := plain(keypad[random.IntN(16)], 50+random.IntN(100), 640+random.IntN(640))
		stray := func() float64 { return 2*random.Float64() - 1 }
		p.row, p.column, p.noise = off.row*stray(), off.column*stray(), off.noise
		if p.twist = off.twist * stray(); p.twist < 0 {
			p.twist *= 2
		}
		_, _, muted := found(p.sound(random))
		passed := 0
		for i := p.at; i < p.at+p.millis*media.Rate/1000; i++ {
			if !muted[i/media.FrameSamples] {
				passed = i + 1 - p.at
			}
		}
		worst, sum = max(worst, passed), sum+passed
	}
	const perMilli = media.Rate / 1000
	t.Logf("of a key %.1f ms pass at most, %.1f on average", float64(worst)/perMilli, float64(sum/presses)/perMilli)
	if worst > most*perMilli {
		t.Errorf("%d ms of a key pass", worst/perMilli)
	}
}

// judge counts what of speech is taken for keys: no more than so many keys, and frames muted for nothing.
func judge(t *testing.T, sound []int16, mostKeys, mostFrames int) {
	t.Helper()
	keys, _, muted := found(sound)
	lost := 0
	for _, mute := range muted {
		if mute {
			lost++
		}
	}
	t.Logf("%d keys and %d frames muted in %.1f minutes", len(keys), lost, float64(len(sound))/media.Rate/60)
	if len(keys) > mostKeys || lost > mostFrames {
		t.Errorf("speech is told as %q, and %d frames of it are muted", keys, lost)
	}
}

func TestSpeechIsNoKey(t *testing.T) {
	// Worse than anybody speaks: it shows how near the limits are to speech.
	t.Run("nonsense", func(t *testing.T) { judge(t, vowels(rand.New(rand.NewPCG(6, 1)), 3*60), 2, 150) })
	t.Run("espeak-ng", func(t *testing.T) {
		program, err := exec.LookPath("espeak-ng")
		if err != nil {
			t.Skip("there is no espeak-ng")
		}
		const text = "One two three four five six seven eight nine zero. Aaaah, oooh, mmmm, yes, well, no: the order number is " +
			"nine five two, nine nine four. The birch canoe slid on the smooth planks. Four hours of steady work faced us. " +
			"A pot of tea helps to pass the evening. Help the woman get back to her feet. The box was thrown beside the truck."
		var sound []int16
		for _, voice := range []string{"en-gb+m1", "fr-fr+f4", "de+m3", "en-us+f2"} {
			for _, pitch := range []string{"30", "80"} {
				said, err := exec.Command(program, "-v", voice, "-p", pitch, "--stdout", text).Output()
				if err != nil || len(said) < 1000 {
					t.Fatalf("espeak-ng says nothing: %v", err)
				}
				sound = append(sound, resampled(said)...)
			}
		}
		judge(t, sound, 0, 5)
	})
}

// resampled reads a WAV file of espeak-ng, which has 22,050 samples a second.
func resampled(wav []byte) (out []int16) {
	sample := func(i int) float64 { return float64(int16(binary.LittleEndian.Uint16(wav[44+2*i:]))) }
	for n := 0; ; n++ {
		at := float64(n) * 22050 / media.Rate
		if 44+2*int(at)+4 > len(wav) {
			return out
		}
		part := at - math.Floor(at)
		out = append(out, int16(sample(int(at))*(1-part)+sample(int(at)+1)*part))
	}
}

// vowels is a voice that sings and speaks nonsense: a train of pulses whose pitch glides, through three formants that
// wander over the whole keypad.
func vowels(random *rand.Rand, seconds int) []int16 {
	sound, power := make([]float64, seconds*media.Rate), 0.0
	between := func(low, high float64) float64 { return low + (high-low)*random.Float64() }
	now, next := [4]float64{120, 500, 1500, 2600}, [4]float64{}
	width := [4]float64{0, 60, 80, 120}
	var state [4][2]float64
	phase, length, glides := 0.0, 0, false
	for i := range sound {
		if length == 0 {
			length, glides = int(between(0.08, 0.5)*media.Rate), random.IntN(2) == 0
			next = [4]float64{between(80, 330), between(300, 1000), between(950, 2400), between(2300, 3000)}
		}
		if length--; glides || length > 800 {
			for j := range now {
				now[j] += (next[j] - now[j]) / 800
			}
		}
		v := random.NormFloat64()
		if phase += now[0] / media.Rate; phase >= 1 {
			phase--
			v += 100
		}
		for j := 1; j < 4; j++ {
			r := math.Exp(-math.Pi * width[j] / media.Rate)
			s := v + 2*r*math.Cos(2*math.Pi*now[j]/media.Rate)*state[j][0] - r*r*state[j][1]
			state[j] = [2]float64{s, state[j][0]}
			v = s
		}
		sound[i] = v
		power += v * v
	}
	out, gain := make([]int16, len(sound)), 4000/math.Sqrt(power/float64(len(sound)))
	for i, v := range sound {
		out[i] = int16(min(max(v*gain, -32768), 32767))
	}
	return out
}

func BenchmarkKeypad(b *testing.B) {
	sound := plain('5', 1000, 0).sound(rand.New(rand.NewPCG(7, 1)))
	var k Keypad
	b.ReportAllocs()
	for b.Loop() {
		k.Next((*media.Frame)(sound))
	}
}
