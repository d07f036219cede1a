package keep_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"guichet/mediaserver/internal/keep"
	"guichet/mediaserver/internal/media"
)

var _ media.Keeper = (*keep.Folder)(nil)

type call struct{ Peer string }

func open(t *testing.T, path string) *keep.Folder {
	t.Helper()
	folder, err := keep.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	return folder
}

func all(t *testing.T, folder *keep.Folder, kind string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := folder.Each(kind, func(id string, doc json.RawMessage) error {
		var c call
		if err := json.Unmarshal(doc, &c); err != nil {
			return err
		}
		found[id] = c.Peer
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestKeepsReplacesAndDrops(t *testing.T) {
	folder := open(t, filepath.Join(t.TempDir(), "new"))
	if got := all(t, folder, "call"); len(got) != 0 {
		t.Fatalf("an empty folder has %v", got)
	}
	for _, id := range []string{"a", "../b", "c/d", "..", "é"} {
		for _, peer := range []string{"first", "last"} {
			if err := folder.Keep("call", id, call{peer + id}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := folder.Drop("call", "a"); err != nil {
		t.Fatal(err)
	}
	if err := folder.Drop("call", "never there"); err != nil {
		t.Fatal(err)
	}
	got := all(t, folder, "call")
	if len(got) != 4 || got["../b"] != "last../b" || got["c/d"] != "lastc/d" || got[".."] != "last.." || got["é"] != "lasté" {
		t.Fatalf("kept %v", got)
	}
	if got := all(t, folder, "room"); len(got) != 0 {
		t.Fatalf("another kind has %v", got)
	}
}

func TestIsLockedAgainstASecondServer(t *testing.T) {
	path := t.TempDir()
	first := open(t, path)
	if _, err := keep.Open(path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another media server") {
		t.Fatalf("a second server got %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestABrokenDocumentCostsNoOther(t *testing.T) {
	path := t.TempDir()
	folder := open(t, path)
	for _, id := range []string{"a", "b"} {
		if err := folder.Keep("call", id, call{id}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(path, "call", "a.json"), []byte(`{"Peer":`), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := all(t, folder, "call"); len(got) != 1 || got["b"] != "b" {
			t.Fatalf("kept %v", got)
		}
	}
	if _, err := os.Stat(filepath.Join(path, "call", "a.json.broken")); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreForThisUserOnly(t *testing.T) {
	path := t.TempDir()
	if err := open(t, path).Keep("call", "a", call{"x"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(path, "call", "a.json"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v", info.Mode())
	}
}
