package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"guichet/mediaserver/internal/config"
)

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "media.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsAreGood(t *testing.T) {
	cfg, err := config.Read("")
	if err == nil {
		err = cfg.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheFileGoesOverTheDefaults(t *testing.T) {
	cfg, err := config.Read(write(t, `{"sip_udp": "0.0.0.0:5070", "rtp_last": 20099}`))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.SIPUDP != "0.0.0.0:5070" || cfg.RTPLast != 20099 || cfg.Control != config.New().Control {
		t.Fatalf("read %+v", cfg)
	}
}

func TestWhatCannotBeReadSaysWhich(t *testing.T) {
	for content, part := range map[string]string{
		`{"sip_upd": ""}`: "sip_upd", `{`: "media.json", `{"rtp_first": "x"}`: "rtp_first",
		strings.Repeat(" ", 100_000): "no configuration",
	} {
		if _, err := config.Read(write(t, content)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%.20s: %v", content, err)
		}
	}
	if _, err := config.Read("/nowhere/media.json"); err == nil {
		t.Error("a missing file passes")
	}
}

func TestAllThatIsWrongIsTold(t *testing.T) {
	cfg := config.New()
	cfg.Control, cfg.SIPUDP, cfg.SIPTLS, cfg.WebUDP = "", "localhost:5060", "127.0.0.1:5061", "127.0.0.1"
	cfg.RTPHost, cfg.RTPFirst, cfg.State, cfg.Park = "here", 80, "", "maybe"
	cfg.TLSRoots, cfg.DefaultPrompt = "/nowhere.pem", "../secret.wav"
	err := cfg.Check()
	if err == nil {
		t.Fatal("it passes")
	}
	for _, name := range []string{"control", "sip_udp", "sip_tls", "web_udp", "rtp_host", "rtp_first", "state", "park", "tls_roots", "default_prompt"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not told in: %v", name, err)
		}
	}
	cfg = config.New()
	cfg.DefaultPrompt, cfg.State, cfg.WebMax = "welcome.wav", os.Args[0], 0
	if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), "default_prompt") || !strings.Contains(err.Error(), "state") ||
		!strings.Contains(err.Error(), "web_max") {
		t.Error(err)
	}
}
