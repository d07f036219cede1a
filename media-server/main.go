// Command guichet-media is Guichet's media server: phones, browsers, and who hears whom.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"guichet/mediaserver/internal/config"
	"guichet/mediaserver/internal/server"
)

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version = "development"

func main() {
	started := time.Now()
	path := flag.String("config", "", "JSON file of the configuration; without it the defaults, all on loopback")
	check := flag.Bool("check", false, "say what is wrong with the configuration, and bind nothing")
	profile := flag.Bool("pprof", false, "open /debug/pprof/ on the control address, for who knows the token")
	told := flag.Bool("version", false, "say the version")
	flag.Parse()
	if *told {
		fmt.Println("guichet-media", version)
		return
	}
	if err := run(started, *path, *check, *profile, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "guichet-media:", err)
		os.Exit(1)
	}
}

func run(started time.Time, path string, check, profile bool, rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("%q is no flag: see -help", rest[0])
	}
	token := os.Getenv("GUICHET_MEDIA_TOKEN")
	if token == "" {
		return errors.New("no token: set GUICHET_MEDIA_TOKEN to a long random text, the same for this server and for Guichet")
	}
	cfg, err := config.Read(path)
	if err != nil {
		return err
	}
	if check {
		if err := cfg.Check(); err != nil {
			return err
		}
		fmt.Println("the configuration is good")
		return nil
	}
	steady()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(slog.New(slog.DiscardHandler)) // libraries log addresses and messages there
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return server.Run(ctx, cfg, server.Options{Token: token, Version: version, Profile: profile, Started: started, Log: log})
}
