package audio

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"guichet/mediaserver/internal/media"
)

// sample is a second of sound that exercises a codec: a sweep, a loud passage, noise, full-scale steps, silence.
func sample() []int16 {
	random := rand.New(rand.NewPCG(1, 2))
	pcm := make([]int16, media.Rate)
	phase := 0.0
	for i := range pcm {
		t := float64(i) / media.Rate
		phase += 2 * math.Pi * (80 + 7500*t) / media.Rate
		switch {
		case t < 0.4:
			pcm[i] = int16(9000 * math.Sin(phase))
		case t < 0.6:
			pcm[i] = int16(min(max(60000*math.Sin(phase), -32768), 32767))
		case t < 0.75:
			pcm[i] = int16(random.IntN(65536) - 32768)
		case t < 0.85:
			pcm[i] = int16(32767 - 65535*(i/37%2))
		case t < 0.95:
			pcm[i] = int16(random.IntN(9) - 4)
		}
	}
	return pcm
}

func encodeAll(t testing.TB, name string, pcm []int16) []byte {
	t.Helper()
	codec, err := New(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for ; len(pcm) >= media.FrameSamples; pcm = pcm[media.FrameSamples:] {
		out = codec.Encode(out, (*media.Frame)(pcm))
	}
	return out
}

// decodeAll decodes in packets of different lengths, as they may come.
func decodeAll(t testing.TB, name string, payload []byte) []int16 {
	t.Helper()
	codec, err := New(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []int16
	pcm := make([]int16, 4*media.FrameSamples)
	for lengths := []int{160, 80, 240, 320, 1}; len(payload) > 0; lengths = append(lengths[1:], lengths[0]) {
		n := min(lengths[0], len(payload))
		out = append(out, pcm[:codec.Decode(payload[:n], pcm)]...)
		payload = payload[n:]
	}
	return out
}

func littleEndian(pcm []int16) []byte {
	var out bytes.Buffer
	_ = binary.Write(&out, binary.LittleEndian, pcm)
	return out.Bytes()
}

// ffmpeg runs a conversion of raw files.
func ffmpeg(t *testing.T, input []byte, arguments ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed; the vectors it made stand in testdata")
	}
	command := exec.Command(path, append([]string{"-v", "error"}, arguments...)...)
	command.Stdin = bytes.NewReader(input)
	var trouble bytes.Buffer
	command.Stderr = &trouble
	output, err := command.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, &trouble)
	}
	return output
}

var (
	rawWide = []string{"-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-"}
	toG722  = append(rawWide, "-c:a", "g722", "-f", "g722", "-")
	toWide  = []string{"-f", "g722", "-i", "-", "-f", "s16le", "-"}
)

func TestG722IsFFmpegsByteForByte(t *testing.T) {
	pcm := sample()
	random := rand.New(rand.NewPCG(3, 4))
	for range 5 * media.Rate { // random walks at random loudness reach the limits of the predictors
		step := (random.Float64() - 0.5) * 30000 * math.Sin(float64(len(pcm))/9000)
		pcm = append(pcm, clip(int32(float64(pcm[len(pcm)-1])*0.9+step)))
	}
	theirs := ffmpeg(t, littleEndian(pcm), toG722...)
	if ours := encodeAll(t, "G722", pcm); !bytes.Equal(ours, theirs) {
		t.Fatalf("encoding differs from ffmpeg's from byte %d on", difference(ours, theirs))
	}
	for range 40000 { // payloads that no encoder would make decode alike too
		theirs = append(theirs, byte(random.Uint32()))
	}
	decoded := ffmpeg(t, theirs, toWide...)
	if ours := littleEndian(decodeAll(t, "G722", theirs)); !bytes.Equal(ours, decoded) {
		t.Fatalf("decoding differs from ffmpeg's from byte %d of %d on", difference(ours, decoded), len(decoded))
	}
}

// The vectors hold the same where there is no ffmpeg: sample.s16 is sample() (a file, since another processor's
// sine may round otherwise), the rest was made of it by ffmpeg 5.1.9.
func TestG722Vectors(t *testing.T) {
	const decodedSHA256 = "a8b7f029377f5061aab892512b1603b30ce107c9a4ac1765dc91e11d7bc55920"
	theirs, err := os.ReadFile("testdata/sample.g722")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/sample.s16")
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	if ours := encodeAll(t, "G722", pcm); !bytes.Equal(ours, theirs) {
		t.Errorf("encoding differs from the vector from byte %d on", difference(ours, theirs))
	}
	sum := sha256.Sum256(littleEndian(decodeAll(t, "G722", theirs)))
	if hex.EncodeToString(sum[:]) != decodedSHA256 {
		t.Errorf("decoding differs from the vector")
	}
}

func difference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func TestG711LawsAreFFmpegs(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, l := range map[string]*law{"alaw": &alaw, "mulaw": &mulaw} {
		theirs := ffmpeg(t, all, "-f", name, "-ar", "8000", "-i", "-", "-f", "s16le", "-")
		if ours := littleEndian(l.decode[:]); !bytes.Equal(ours, theirs) {
			t.Errorf("%s: decoding differs from ffmpeg's", name)
		}
		ramp := make([]int16, 65536)
		for i := range ramp {
			ramp[i] = int16(i - 32768)
		}
		encoded := ffmpeg(t, littleEndian(ramp), "-f", "s16le", "-ar", "8000", "-ac", "1", "-i", "-", "-f", name, "-")
		for i, v := range ramp {
			ours := abs(int(l.decode[l.encode[i>>2]]) - int(v))
			if best := abs(int(l.decode[encoded[i]]) - int(v)); ours > best+4 { // a cell is 4 wide
				t.Fatalf("%s: %d is coded with an error of %d, ffmpeg's is %d", name, v, ours, best)
			}
		}
	}
}

func TestG711BytesSurvive(t *testing.T) {
	for name, l := range map[string]*law{"alaw": &alaw, "mulaw": &mulaw} {
		for b := range 256 {
			again := l.encode[(int(l.decode[b])+32768)>>2]
			if l.decode[again] != l.decode[b] {
				t.Errorf("%s: byte %#x comes back as %#x", name, b, again)
			}
		}
	}
}

// A telephone's band comes through both ways with little loss and little added.
func TestG711SignalToNoise(t *testing.T) {
	for _, name := range []string{"PCMA", "PCMU"} {
		for _, hertz := range []float64{300, 1000, 2000, 3300} {
			pcm := sine(hertz, 8000, media.Rate)
			out := decodeAll(t, name, encodeAll(t, name, pcm))
			if snr := signalToNoise(out[1600:], hertz); snr < 33 {
				t.Errorf("%s at %v Hz: %.1f dB over the noise", name, hertz, snr)
			}
		}
	}
}

func TestUnknownCodec(t *testing.T) {
	if _, err := New("GSM"); !errors.Is(err, ErrUnknownCodec) {
		t.Errorf("got %v", err)
	}
}

func TestResetBeginsAnew(t *testing.T) {
	for _, name := range []string{"PCMA", "PCMU", "G722"} {
		used, _ := New(name)
		frame := media.Frame(sample()[6400:])
		pcm := make([]int16, 640)
		used.Decode(used.Encode(nil, &frame), pcm)
		used.Reset()
		fresh, _ := New(name)
		if !bytes.Equal(used.Encode(nil, &frame), fresh.Encode(nil, &frame)) {
			t.Errorf("%s remembers", name)
		}
	}
}

func TestDecodeCutsWhatDoesNotFit(t *testing.T) {
	for _, name := range []string{"PCMA", "PCMU", "G722"} {
		codec, _ := New(name)
		pcm := make([]int16, 101)
		if n := codec.Decode(make([]byte, 5000), pcm); n != 100 {
			t.Errorf("%s: %d samples", name, n)
		}
		if n := codec.Decode(nil, pcm); n != 0 {
			t.Errorf("%s: %d samples of nothing", name, n)
		}
	}
}

func TestCodecsDoNotAllocate(t *testing.T) {
	for _, name := range []string{"PCMA", "PCMU", "G722"} {
		codec, _ := New(name)
		frame := media.Frame(sample()[:media.FrameSamples])
		payload := make([]byte, 0, 160)
		pcm := make([]int16, 640)
		if n := testing.AllocsPerRun(100, func() {
			payload = codec.Encode(payload[:0], &frame)
			codec.Decode(payload, pcm)
		}); n != 0 {
			t.Errorf("%s: %v allocations a frame", name, n)
		}
	}
}

func sine(hertz float64, peak float64, samples int) []int16 {
	pcm := make([]int16, samples)
	for i := range pcm {
		pcm[i] = int16(math.Round(peak * math.Sin(2*math.Pi*hertz*float64(i)/media.Rate)))
	}
	return pcm
}

// signalToNoise compares the power at one frequency with all the rest, in dB.
func signalToNoise(pcm []int16, hertz float64) float64 {
	pcm = pcm[:len(pcm)/1600*1600] // whole periods of every multiple of 10 Hz
	var re, im, total float64
	for i, v := range pcm {
		angle := 2 * math.Pi * hertz * float64(i) / media.Rate
		re += float64(v) * math.Cos(angle)
		im += float64(v) * math.Sin(angle)
		total += float64(v) * float64(v)
	}
	signal := (re*re + im*im) * 2 / float64(len(pcm))
	return 10 * math.Log10(signal/max(total-signal, 1e-9))
}

func benchmarkCodec(b *testing.B, name string) {
	codec, err := New(name)
	if err != nil {
		b.Skip(err)
	}
	frame := media.Frame(sample()[:media.FrameSamples])
	payload := make([]byte, 0, 1500)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			payload = codec.Encode(payload[:0], &frame)
		}
	})
	payload = codec.Encode(payload[:0], &frame)
	pcm := make([]int16, 640)
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			codec.Decode(payload, pcm)
		}
	})
}

func BenchmarkPCMA(b *testing.B) { benchmarkCodec(b, "PCMA") }
func BenchmarkG722(b *testing.B) { benchmarkCodec(b, "G722") }
func BenchmarkOpus(b *testing.B) { benchmarkCodec(b, "opus") }
