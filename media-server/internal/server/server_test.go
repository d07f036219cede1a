package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"guichet/mediaserver/internal/config"
	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/server"
)

// here is a configuration with folders of the test's own and ports nobody has.
func here(t *testing.T) config.Config {
	t.Helper()
	cfg, folder := config.New(), t.TempDir()
	cfg.State, cfg.Prompts, cfg.Spool = filepath.Join(folder, "state"), folder, filepath.Join(folder, "spool")
	cfg.SIPUDP, cfg.SIPTCP, cfg.WebUDP, cfg.WebTCP = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Control = probe.Addr().String()
	_ = probe.Close()
	return cfg
}

func options() server.Options {
	return server.Options{Token: "t", Version: "test", Started: time.Now(), Log: slog.New(slog.DiscardHandler)}
}

// live runs a server for as long as visit takes; it must end without an error and leave no goroutine.
func live(t *testing.T, cfg config.Config, visit func(ask func(method, path, body string) string)) {
	t.Helper()
	before := runtime.NumGoroutine()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, cfg, options()) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, path, body string) string {
		t.Helper()
		request, err := http.NewRequest(method, "http://"+cfg.Control+path, bytes.NewBufferString(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer t")
		for {
			response, err := client.Do(request.Clone(ctx))
			if err != nil {
				select {
				case err := <-ended:
					t.Fatalf("it ended: %v", err)
				case <-time.After(5 * time.Millisecond):
					continue
				}
			}
			data, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil || response.StatusCode >= 300 {
				t.Fatalf("%s %s: %d %s %v", method, path, response.StatusCode, data, err)
			}
			return string(data)
		}
	}
	ask("GET", "/healthz", "")
	visit(ask)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestRoomsAndTrunksOutliveTheProcess(t *testing.T) {
	cfg := here(t)
	var before, after protocol.State
	read := func(data string, state *protocol.State) {
		if err := json.Unmarshal([]byte(data), state); err != nil {
			t.Fatal(err)
		}
	}
	live(t, cfg, func(ask func(method, path, body string) string) {
		ask("PUT", "/v1/trunks", `{"rev":3,"trunks":[{"id":"t","peer":"127.0.0.1:9","transport":"udp","codecs":["PCMA"]}]}`)
		ask("PUT", "/v1/rooms", `{"rooms":[{"id":"c1","rev":5,"endpoints":["a"],"hears":{"a":["m"]},"sources":{"m":{"tone":"busy"}}}]}`)
		read(ask("GET", "/v1/state", ""), &before)
	})
	live(t, cfg, func(ask func(method, path, body string) string) { read(ask("GET", "/v1/state", ""), &after) })
	if before.Epoch == after.Epoch || after.TrunksRev != 3 || len(after.Rooms) != 1 || after.Rooms[0].Rev != 5 ||
		after.Rooms[0].Sources["m"].Tone != "busy" {
		t.Fatalf("%+v became %+v", before, after)
	}
}

func TestAnEmptyServerDrainsAtOnce(t *testing.T) {
	cfg := here(t)
	live(t, cfg, func(ask func(method, path, body string) string) {
		ask("POST", "/v1/drain", "")
		for {
			connection, err := net.Dial("tcp", cfg.Control)
			if err != nil {
				return
			}
			_ = connection.Close()
			time.Sleep(5 * time.Millisecond)
		}
	})
}

func TestWhatIsInTheWayIsNamed(t *testing.T) {
	cfg := here(t)
	live(t, cfg, func(func(method, path, body string) string) {
		other := here(t)
		other.State = cfg.State
		if err := server.Run(context.Background(), other, options()); err == nil || !strings.Contains(err.Error(), "another media server") {
			t.Errorf("the same state folder: %v", err)
		}
		other = here(t)
		other.Control = cfg.Control
		if err := server.Run(context.Background(), other, options()); err == nil || !strings.Contains(err.Error(), "another program has this port") {
			t.Errorf("the same port: %v", err)
		}
		other = here(t)
		other.RTPHost = ""
		if err := server.Run(context.Background(), other, options()); err == nil || !strings.Contains(err.Error(), "rtp_host") {
			t.Errorf("a bad configuration: %v", err)
		}
	})
}
