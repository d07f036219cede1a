package prompt

import (
	"encoding/binary"
	"math"
	"math/cmplx"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"guichet/mediaserver/internal/media"
)

func folder(t *testing.T, limit int64) (*Store, string) {
	t.Helper()
	path := t.TempDir()
	store, err := Open(path, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store, path
}

// wav is a WAV file of a tone of 440 Hz; on the right of two channels there is silence.
func wav(rate, channels int, seconds float64) []byte {
	frames := int(float64(rate) * seconds)
	body := make([]byte, 0, frames*channels*2)
	for i := range frames {
		body = binary.LittleEndian.AppendUint16(body, uint16(int16(10000*math.Sin(2*math.Pi*440*float64(i)/float64(rate)))))
		if channels == 2 {
			body = append(body, 0, 0)
		}
	}
	return header(1, channels, rate, 16, len(body), body)
}

func header(format, channels, rate, bits, length int, body []byte) []byte {
	out := append([]byte("RIFF\x00\x00\x00\x00WAVELIST\x03\x00\x00\x00abc\x00fmt "), 16, 0, 0, 0)
	out = binary.LittleEndian.AppendUint16(out, uint16(format))
	out = binary.LittleEndian.AppendUint16(out, uint16(channels))
	out = binary.LittleEndian.AppendUint32(out, uint32(rate))
	out = binary.LittleEndian.AppendUint32(out, uint32(rate*channels*bits/8))
	out = binary.LittleEndian.AppendUint16(out, uint16(channels*bits/8))
	out = binary.LittleEndian.AppendUint16(out, uint16(bits))
	out = append(out, "data"...)
	out = binary.LittleEndian.AppendUint32(out, uint32(length))
	return append(out, body...)
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// strength is the amplitude of one frequency.
func strength(pcm []int16, hertz float64) float64 {
	var sum complex128
	for i, sample := range pcm {
		sum += complex(float64(sample), 0) * cmplx.Exp(complex(0, -2*math.Pi*hertz*float64(i)/media.Rate))
	}
	return 2 * cmplx.Abs(sum) / float64(len(pcm))
}

func TestAllFormatsBecomeTheSame(t *testing.T) {
	store, path := folder(t, DefaultBytes)
	for rate := range rates {
		for channels := 1; channels <= 2; channels++ {
			write(t, filepath.Join(path, "sub", "x.wav"), wav(rate, channels, 1))
			clip, err := store.File("sub/x.wav")
			if err != nil {
				t.Fatalf("%d Hz, %d channels: %v", rate, channels, err)
			}
			if n := len(clip.PCM); n != media.Rate {
				t.Fatalf("%d Hz: a second has %d samples", rate, n)
			}
			want := 10000 / float64(channels)
			if got := strength(clip.PCM[2000:14000], 440); math.Abs(got-want) > want*0.02 {
				t.Fatalf("%d Hz, %d channels: 440 Hz is %.0f, not %.0f", rate, channels, got, want)
			}
			store.Release(clip)
		}
	}
}

func TestWhatCannotBePlayedIsRefusedWithARemedy(t *testing.T) {
	store, path := folder(t, DefaultBytes)
	outside := filepath.Join(filepath.Dir(path), "outside.wav")
	write(t, outside, wav(8000, 1, 1))
	if err := os.Symlink(outside, filepath.Join(path, "link.wav")); err != nil {
		t.Fatal(err)
	}
	good := wav(8000, 1, 1)
	for name, data := range map[string][]byte{
		"text.wav":      []byte("hello"),
		"empty.wav":     {},
		"short.wav":     good[:30],
		"noformat.wav":  append([]byte("RIFF\x00\x00\x00\x00WAVEdata\x04\x00\x00\x00"), 1, 2, 3, 4),
		"nodata.wav":    good[:56],
		"silent.wav":    header(1, 1, 8000, 16, 0, nil),
		"ulaw.wav":      header(7, 1, 8000, 8, 100, make([]byte, 100)),
		"deep.wav":      header(1, 1, 8000, 24, 99, make([]byte, 99)),
		"six.wav":       header(1, 6, 48000, 16, 120, make([]byte, 120)),
		"odd.wav":       header(1, 1, 12345, 16, 100, make([]byte, 100)),
		"hugechunk.wav": []byte("RIFF\x00\x00\x00\x00WAVEjunk\xff\xff\xff\xff1234"),
		"empty.raw":     {},
		"one.raw":       {1},
	} {
		write(t, filepath.Join(path, name), data)
	}
	long, err := os.Create(filepath.Join(path, "long.raw")) // sparse
	if err != nil || long.Truncate(2*(longest+1)) != nil || long.Close() != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(path, "pipe.wav"), 0o600); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(path)
	names := []string{"missing.wav", "../outside.wav", outside, "sub/../../outside.wav", ".", ""}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	for _, name := range names {
		if clip, err := store.File(name); err == nil {
			t.Errorf("%q is %d samples", name, len(clip.PCM))
		} else if strings.Contains(err.Error(), path) {
			t.Errorf("%q: the folder is told: %v", name, err)
		}
	}
	if store.Bytes() != 0 {
		t.Fatalf("%d bytes are held", store.Bytes())
	}
}

func TestAPipeThatDidNotKnowItsLength(t *testing.T) {
	store, path := folder(t, DefaultBytes)
	body := make([]byte, 3200)
	write(t, filepath.Join(path, "pipe.wav"), header(1, 1, 16000, 16, 0xffffffff, body))
	if clip, err := store.File("pipe.wav"); err != nil || len(clip.PCM) != 1600 {
		t.Fatal(err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	store, path := folder(t, 100_000)
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(path, name+".raw"), make([]byte, 40_000))
	}
	a, err := store.File("a.raw")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := store.File("a.raw"); err != nil || again != a {
		t.Fatal("loaded twice")
	}
	b, err := store.File("b.raw")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.File("c.raw"); err == nil || !strings.Contains(err.Error(), "fewer or shorter") {
		t.Fatalf("a third of 40 kB goes into 100: %v", err)
	}
	store.Release(b)
	if _, err := store.File("c.raw"); err != nil || store.Bytes() != 80_000 {
		t.Fatalf("what nobody uses stays: %v, %d", err, store.Bytes())
	}
	if a.users != 2 {
		t.Fatalf("%d users", a.users)
	}
}

func TestAFileThatChangedIsReadAnew(t *testing.T) {
	store, path := folder(t, DefaultBytes)
	name := filepath.Join(path, "x.raw")
	write(t, name, make([]byte, 100))
	old, err := store.File("x.raw")
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, make([]byte, 300))
	if err := os.Chtimes(name, time.Time{}, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	changed, err := store.File("x.raw")
	if err != nil || len(changed.PCM) != 150 || len(old.PCM) != 50 || store.Bytes() != 400 {
		t.Fatalf("%v, %d bytes", err, store.Bytes())
	}
	store.Release(old)
	store.Release(changed)
	if store.Bytes() != 300 {
		t.Fatalf("%d bytes are held", store.Bytes())
	}
}

func TestManyAtOnceLoadOnce(t *testing.T) {
	store, path := folder(t, DefaultBytes)
	write(t, filepath.Join(path, "x.wav"), wav(44100, 2, 2))
	var all sync.WaitGroup
	got := make([]*Clip, 20)
	for i := range got {
		all.Go(func() { got[i], _ = store.File("x.wav") })
	}
	all.Wait()
	for _, clip := range got {
		if clip == nil || clip != got[0] {
			t.Fatal("not one clip")
		}
	}
	if store.Bytes() != 2*2*media.Rate {
		t.Fatalf("%d bytes", store.Bytes())
	}
}

func TestTones(t *testing.T) {
	store, _ := folder(t, DefaultBytes)
	for spec, samples := range map[string]int{
		"busy": 16000, "beep": 0, "silence": 16000, "congestion": 0, "ringback": 80000,
		"ringback.fr": 80000, "busy.fr": 16000, "ringback.uk": 48000, "busy.uk": 12000, "ringback.us": 96000, "busy.us": 16000,
		"440+480/2000,0/4000": 96000, "1000/25": 400, "0/10": 160,
	} {
		clip, err := store.Tone(spec)
		if err != nil || samples > 0 && len(clip.PCM) != samples {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if turn := steep(clip.PCM); spec != "silence" && turn > 8192*2 {
			t.Errorf("%s steps by %d", spec, turn)
		}
	}
	for _, spec := range []string{"", "440", "440/", "/100", "5/100", "9000/100", "440/0", "440/-5", "1+2+3+4+5/100", "440/60000,440/60000", "none"} {
		if _, err := store.Tone(spec); err == nil || !strings.Contains(err.Error(), "Hz+Hz/ms") {
			t.Errorf("%q: %v", spec, err)
		}
	}
	clip, _ := store.Tone("ringback.fr")
	if on, off := strength(clip.PCM[1600:17600], 440), strength(clip.PCM[24000:40000], 440); on < 5000 || off > 1 {
		t.Fatalf("ringback is %.0f, its pause %.0f", on, off)
	}
}

func steep(pcm []int16) (most int) {
	for i := 1; i < len(pcm); i++ {
		most = max(most, int(pcm[i])-int(pcm[i-1]))
	}
	return most
}

func FuzzWAV(f *testing.F) {
	f.Add(wav(8000, 1, 0.01))
	f.Add(wav(48000, 2, 0.01))
	f.Add(header(0xfffe, 1, 8000, 16, 4, []byte{1, 2, 3, 4}))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := open(strings.NewReader(string(data)), "x.wav", int64(len(data)))
		if err != nil {
			return
		}
		pcm, err := in.convert()
		if err == nil && len(pcm) != in.samples() {
			t.Fatalf("%d samples were announced, %d came", in.samples(), len(pcm))
		}
	})
}
