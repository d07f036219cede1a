package prompt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"guichet/mediaserver/internal/audio"
	"guichet/mediaserver/internal/media"
)

// rates are those that a file may have; each becomes 16 kHz when it is loaded.
var rates = map[int]bool{8000: true, 11025: true, 16000: true, 22050: true, 24000: true, 32000: true, 44100: true, 48000: true}

const formatRemedy = "save it as WAV, PCM 16 bit, mono or stereo, 8 to 48 kHz"

// recorded is the audio of a file, positioned at its first sample.
type recorded struct {
	name     string
	from     io.Reader
	frames   int // of one sample per channel
	channels int
	rate     int
}

// open reads the header of a file of size bytes.
func open(file io.Reader, name string, size int64) (source, error) {
	in := &recorded{name: name, from: bufio.NewReaderSize(file, 1<<16), channels: 1, rate: media.Rate}
	bytes := size
	if !strings.HasSuffix(strings.ToLower(name), ".raw") {
		var err error
		if bytes, err = in.header(size); err != nil {
			return nil, err
		}
	}
	in.frames = int(bytes / int64(2*in.channels))
	switch {
	case in.frames == 0:
		return nil, fmt.Errorf("%q holds no audio", name)
	case in.samples() > longest:
		return nil, fmt.Errorf("%q is longer than %d minutes: cut it into several files", name, LongestMinutes)
	}
	return in, nil
}

// header walks the chunks up to the audio and tells how many bytes of it there are.
func (in *recorded) header(size int64) (int64, error) {
	bad := func(what string) error { return fmt.Errorf("%q is %s: %s", in.name, what, formatRemedy) }
	var riff [12]byte
	if _, err := io.ReadFull(in.from, riff[:]); err != nil || string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return 0, bad("no WAV file")
	}
	at, known := int64(len(riff)), false
	for {
		var chunk [8]byte
		if _, err := io.ReadFull(in.from, chunk[:]); err != nil {
			return 0, bad("a WAV file without audio")
		}
		at += int64(len(chunk))
		length := int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch kind := string(chunk[:4]); {
		case kind == "data" && !known:
			return 0, bad("a WAV file without a format")
		case kind == "data":
			return min(length, size-at), nil // what was written by a pipe claims more than there is
		case kind == "fmt " && length >= 16 && length <= 64:
			format := make([]byte, length+length%2)
			if _, err := io.ReadFull(in.from, format); err != nil {
				return 0, bad("a WAV file that ends early")
			}
			if what := in.format(format[:length]); what != "" {
				return 0, bad(what)
			}
			known = true
		default:
			if _, err := io.CopyN(io.Discard, in.from, length+length%2); err != nil {
				return 0, bad("a WAV file that ends early")
			}
		}
		at += length + length%2
	}
}

// format takes the parameters from a fmt chunk; the answer says what is wrong with them.
func (in *recorded) format(chunk []byte) string {
	const pcm, extensible = 1, 0xfffe
	code := binary.LittleEndian.Uint16(chunk)
	if code == extensible && len(chunk) >= 26 {
		code = binary.LittleEndian.Uint16(chunk[24:])
	}
	in.channels = int(binary.LittleEndian.Uint16(chunk[2:]))
	in.rate = int(binary.LittleEndian.Uint32(chunk[4:]))
	bits := binary.LittleEndian.Uint16(chunk[14:])
	switch {
	case code != pcm || bits != 16:
		return fmt.Sprintf("WAV of format %d with %d bits", code, bits)
	case in.channels != 1 && in.channels != 2:
		return fmt.Sprintf("WAV of %d channels", in.channels)
	case !rates[in.rate]:
		return fmt.Sprintf("WAV of %d Hz", in.rate)
	}
	return ""
}

func (in *recorded) samples() int {
	return int((int64(in.frames)*media.Rate + int64(in.rate) - 1) / int64(in.rate))
}

func (in *recorded) convert() ([]int16, error) {
	mono := make([]int16, 0, in.frames)
	block := make([]byte, 4096*2*in.channels)
	for len(mono) < in.frames {
		want := min(len(block), (in.frames-len(mono))*2*in.channels)
		n, err := io.ReadFull(in.from, block[:want])
		for i := 0; i+2*in.channels <= n; i += 2 * in.channels {
			sample := int(int16(binary.LittleEndian.Uint16(block[i:])))
			if in.channels == 2 {
				sample = (sample + int(int16(binary.LittleEndian.Uint16(block[i+2:])))) / 2
			}
			mono = append(mono, int16(sample))
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%q became shorter while it was read: write it under another name, then rename it", in.name)
		}
		if err != nil {
			return nil, fmt.Errorf("%q cannot be read to its end: %w", in.name, err)
		}
	}
	return audio.Resample(mono, in.rate, media.Rate), nil
}
