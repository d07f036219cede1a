// Package keep saves the documents of running calls and rooms in a folder, so that they outlive the process.
package keep

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

const suffix = ".json"

// Folder is a media.Keeper in a folder of its own: <kind>/<id>.json, each replaced by a rename.
// It is not synced to the disk: a killed process loses nothing, a host that loses power has no calls left.
type Folder struct {
	path string
	log  *slog.Logger
	lock *os.File
	mu   sync.Mutex
}

// Open makes the folder where it is missing and locks it, so that no second server works on the same calls.
// The lock ends with the process, however it ends.
func Open(path string, log *slog.Logger) (*Folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder (give this user the right to, or set state to another one): %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the state folder (this user must be able to read and write it): %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("state folder %s: another media server works on it; stop that one, or set state to another folder", path)
		}
		return nil, fmt.Errorf("lock the state folder %s: %w", path, err)
	}
	return &Folder{path: path, log: log, lock: lock}, nil
}

// Close gives the folder free for another server.
func (k *Folder) Close() error {
	if err := k.lock.Close(); err != nil {
		return fmt.Errorf("close the lock of the state folder: %w", err)
	}
	return nil
}

// Keep replaces the document of this kind and id; it returns when the kernel has it.
func (k *Folder) Keep(kind, id string, doc any) error {
	data, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("write down %s: %w", kind, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	final := k.file(kind, id)
	next := final + ".next"
	if err := os.WriteFile(next, data, 0o600); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(final), 0o700); err != nil {
			return fmt.Errorf("make the folder of %s: %w", kind, err)
		}
		if err := os.WriteFile(next, data, 0o600); err != nil {
			return fmt.Errorf("save %s: %w", kind, err)
		}
	} else if err != nil {
		return fmt.Errorf("save %s: %w", kind, err)
	}
	if err := os.Rename(next, final); err != nil {
		return fmt.Errorf("save %s: %w", kind, err)
	}
	return nil
}

// Drop removes the document; one that is not there is no error.
func (k *Folder) Drop(kind, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := os.Remove(k.file(kind, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop %s: %w", kind, err)
	}
	return nil
}

// Each visits the documents of one kind, in the order of their names. One that is no JSON (a host that lost
// power) is put aside as <id>.json.broken, so that it costs one call and not all of them.
func (k *Folder) Each(kind string, visit func(id string, doc json.RawMessage) error) error {
	entries, err := os.ReadDir(filepath.Join(k.path, url.PathEscape(kind)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", kind, err)
	}
	for _, entry := range entries {
		name, found := strings.CutSuffix(entry.Name(), suffix)
		id, err := url.PathUnescape(name)
		if !found || err != nil {
			continue
		}
		file := k.file(kind, id)
		doc, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read %s: %w", kind, err)
		}
		if !json.Valid(doc) {
			k.log.Error("a saved document is broken and put aside", "kind", kind, "id", id)
			if err := os.Rename(file, file+".broken"); err != nil {
				return fmt.Errorf("put a broken %s aside: %w", kind, err)
			}
			continue
		}
		if err := visit(id, doc); err != nil {
			return err
		}
	}
	return nil
}

func (k *Folder) file(kind, id string) string {
	return filepath.Join(k.path, url.PathEscape(kind), url.PathEscape(id)+suffix)
}
