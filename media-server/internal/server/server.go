// Package server puts the media server together, and takes up the calls of the process before it.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"guichet/mediaserver/internal/browser"
	"guichet/mediaserver/internal/config"
	"guichet/mediaserver/internal/control"
	"guichet/mediaserver/internal/keep"
	"guichet/mediaserver/internal/mixer"
	"guichet/mediaserver/internal/phone"
	"guichet/mediaserver/internal/protocol"
	"guichet/mediaserver/internal/socket"
)

// Options are what the command line and the environment say beside the configuration.
type Options struct {
	Token   string
	Version string
	Profile bool
	Started time.Time
	Log     *slog.Logger
}

// Run serves until ctx is done or a drained server is empty. Calls outlive it: their ports, dialogs and rooms
// are kept, and the next Run on the same state folder takes them up.
func Run(ctx context.Context, cfg config.Config, options Options) (err error) {
	if err := cfg.Check(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Control)
	if err != nil {
		return taken(fmt.Errorf("bind the control address: %w", err), "control")
	}
	defer func() { _ = listener.Close() }()
	kept, err := keep.Open(cfg.State, options.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	parts, err := build(cfg, options, kept)
	if err != nil {
		return err
	}
	if err := parts.restore(options); err != nil {
		return err
	}
	return parts.run(ctx, listener, options)
}

type parts struct {
	journal *control.Journal
	mixer   *mixer.Mixer
	phone   *phone.Server
	browser *browser.Server
	sockets *socket.Server
	control *control.Server
}

func build(cfg config.Config, options Options, kept *keep.Folder) (*parts, error) {
	p := &parts{journal: control.NewJournal(control.JournalLength)}
	var err error
	p.mixer, err = mixer.New(mixer.Deps{Emit: p.journal.Emit, Keep: kept, Prompts: cfg.Prompts, Spool: cfg.Spool, Log: options.Log})
	if err != nil {
		return nil, err
	}
	emit := func(event protocol.Event) {
		if event.Kind == protocol.Digit {
			p.mixer.Digit(event.Endpoint)
		}
		p.journal.Emit(event)
	}
	p.phone, err = phone.New(cfg, phone.Deps{Emit: emit, Keep: kept, Attach: p.mixer.Attach, Detach: p.mixer.Detach, Log: options.Log})
	if err != nil {
		return nil, taken(err, "sip_udp, sip_tcp, sip_tls")
	}
	p.browser, err = browser.New(cfg, browser.Deps{Emit: emit, Attach: p.mixer.Attach, Detach: p.mixer.Detach, Log: options.Log})
	if err != nil {
		return nil, taken(err, "web_udp, web_tcp")
	}
	p.sockets = socket.New(socket.Deps{Emit: emit, Attach: p.mixer.Attach, Detach: p.mixer.Detach, Log: options.Log})
	p.control, err = control.New(control.Deps{
		Token: options.Token, Journal: p.journal, Phone: p.phone, Browser: p.browser, Sockets: p.sockets, Mixer: p.mixer,
		Parking: control.Parking{How: cfg.Park, Prompt: cfg.DefaultPrompt},
		Figures: figures(p, options), Busy: func() bool { return p.mixer.Stats().Recordings > 0 }, Profile: options.Profile, Log: options.Log,
	})
	return p, err
}

// restore takes up the calls first, as every millisecond of it is heard, then who hears whom.
func (p *parts) restore(options Options) error {
	calls, err := p.phone.Restore()
	if err != nil {
		return err
	}
	if err := p.mixer.Restore(); err != nil {
		return err
	}
	p.control.Forward(true)
	if calls > 0 {
		p.journal.Emit(protocol.Event{Kind: protocol.Recovered, Count: calls})
		options.Log.Info("calls go on", "count", calls, "ms", time.Since(options.Started).Milliseconds())
	}
	return nil
}

func (p *parts) run(ctx context.Context, listener net.Listener, options Options) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-p.control.Drained():
			options.Log.Info("drained: the last call is over")
			stop()
		case <-running.Done():
		}
	}()
	var work sync.WaitGroup
	var mu sync.Mutex
	var all error
	begin := func(run func(context.Context) error) {
		work.Go(func() {
			if err := run(running); err != nil {
				mu.Lock()
				all = errors.Join(all, err)
				mu.Unlock()
			}
			stop() // one part without the others serves nobody
		})
	}
	begin(p.mixer.Run)
	begin(p.phone.Run)
	begin(p.browser.Run)
	begin(func(ctx context.Context) error { return p.control.Serve(ctx, listener) })
	options.Log.Info("ready", "control", listener.Addr().String(), "version", options.Version,
		"ms", time.Since(options.Started).Milliseconds())
	<-running.Done()
	p.sockets.Close()
	work.Wait()
	return all
}

// taken adds what to do when an address is in use or not of this host.
func taken(err error, fields string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program has this port; end it, or set another one (%s)", err, fields)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this host has no such address; set one it has (%s)", err, fields)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: ports below 1024 need the right to bind them; set a higher one (%s)", err, fields)
	default:
		return err
	}
}
