// Package prompt turns what can be played - files of one folder, and tones - into clips of 16 kHz audio held
// in memory, so that the tick never waits for a disk.
package prompt

import (
	"container/list"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"guichet/mediaserver/internal/media"
)

const (
	// DefaultBytes is the memory that clips may fill: about two and a quarter hours of audio.
	DefaultBytes = 256 << 20
	// LongestMinutes is the longest file that is accepted.
	LongestMinutes = 10

	longest = LongestMinutes * 60 * media.Rate // samples
)

// Clip is audio that does not change any more: 16 kHz, mono. Who acquired it releases it.
type Clip struct {
	PCM []int16

	key   string
	stamp stamp
	users int
	idle  *list.Element // in Store.idle while users is 0 and the clip may be used again
}

// stamp tells one version of a file from the next.
type stamp struct {
	size     int64
	modified time.Time
}

// Store loads clips and keeps those of late use, within a bound.
type Store struct {
	folder *os.Root
	limit  int64

	loading sync.Mutex // one conversion at a time: they are heavy
	mu      sync.Mutex
	clips   map[string]*Clip
	idle    *list.List // of *Clip, the latest used in front
	bytes   int64
}

// Open takes the folder, which is made when it is missing, and the memory that clips may fill.
func Open(folder string, limit int64) (*Store, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("make the prompt folder: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("open the prompt folder: %w", err)
	}
	return &Store{folder: root, limit: limit, clips: map[string]*Clip{}, idle: list.New()}, nil
}

// File is the clip of a file below the folder: WAV (PCM 16 bit, mono or stereo, 8 to 48 kHz), or .raw
// (s16le, mono, 16 kHz). A file that changed is read anew. The error says what to do about it.
func (s *Store) File(name string) (*Clip, error) {
	info, err := s.folder.Stat(name) // before it is opened: that would wait for the other end of a pipe
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is no file", name)
	}
	var file *os.File
	if err == nil {
		file, err = s.folder.Open(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%q cannot be read below the prompt folder (%w)", name, reason(err))
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, fmt.Errorf("%q cannot be read (%w)", name, reason(err))
	}
	version := stamp{info.Size(), info.ModTime()}
	return s.acquire("file "+name, version, func() (source, error) { return open(file, name, info.Size()) })
}

// Tone is the clip of a named tone or a list of tones (toneRemedy says which there are).
func (s *Store) Tone(spec string) (*Clip, error) {
	return s.acquire("tone "+spec, stamp{}, func() (source, error) { return draw(spec) })
}

// Release gives back what File or Tone gave.
func (s *Store) Release(clip *Clip) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clip.users--
	if clip.users > 0 {
		return
	}
	if s.clips[clip.key] != clip { // a newer version of the file has taken its place
		s.bytes -= clip.size()
		return
	}
	clip.idle = s.idle.PushFront(clip)
}

// Bytes is the memory that clips fill now.
func (s *Store) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// Close gives up the folder; clips in use stay valid.
func (s *Store) Close() error {
	if err := s.folder.Close(); err != nil {
		return fmt.Errorf("close the prompt folder: %w", err)
	}
	return nil
}

// source is audio about to be converted: how many samples it will be, and the conversion.
type source interface {
	samples() int
	convert() ([]int16, error)
}

func (s *Store) acquire(key string, version stamp, open func() (source, error)) (*Clip, error) {
	if clip := s.held(key, version); clip != nil {
		return clip, nil
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	if clip := s.held(key, version); clip != nil { // another one loaded it meanwhile
		return clip, nil
	}
	from, err := open()
	if err != nil {
		return nil, err
	}
	size := int64(from.samples()) * 2
	if err := s.reserve(size); err != nil {
		return nil, err
	}
	pcm, err := from.convert()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= size
	if err != nil {
		return nil, err
	}
	if old := s.clips[key]; old != nil && old.users == 0 {
		s.forget(old)
	}
	clip := &Clip{PCM: pcm, key: key, stamp: version, users: 1}
	s.clips[key] = clip
	s.bytes += clip.size()
	return clip, nil
}

func (s *Store) held(key string, version stamp) *Clip {
	s.mu.Lock()
	defer s.mu.Unlock()
	clip := s.clips[key]
	if clip == nil || clip.stamp != version {
		return nil
	}
	if clip.idle != nil {
		s.idle.Remove(clip.idle)
		clip.idle = nil
	}
	clip.users++
	return clip
}

// reserve makes room for size bytes by forgetting clips that nobody uses, those of oldest use first.
func (s *Store) reserve(size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.bytes+size > s.limit && s.idle.Len() > 0 {
		s.forget(s.idle.Back().Value.(*Clip))
	}
	if s.bytes+size > s.limit {
		return fmt.Errorf("what plays now fills the %d MB set aside for audio: use fewer or shorter files", s.limit>>20)
	}
	s.bytes += size
	return nil
}

func (s *Store) forget(clip *Clip) {
	s.idle.Remove(clip.idle)
	clip.idle = nil
	delete(s.clips, clip.key)
	s.bytes -= clip.size()
}

func (c *Clip) size() int64 { return int64(len(c.PCM)) * 2 }

// reason is the bare cause of a failed open: the path of the folder is nobody's business outside.
func reason(err error) error {
	if path, ok := err.(*fs.PathError); ok {
		return path.Err
	}
	return err
}
