// Package mixer decides in every tick of 20 ms who hears whom, and moves the audio.
package mixer

import (
	"context"
	"log/slog"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

// Deps is what a Mixer needs.
type Deps struct {
	Emit protocol.Emit
	Keep media.Keeper
	// Prompts is the only folder from which files are played, Spool where recordings are written.
	Prompts string
	Spool   string
	Log     *slog.Logger
}

// Mixer holds the rooms. All its methods may be called from any goroutine, before Run too.
type Mixer struct {
	deps Deps
}

// New makes a Mixer; it fails when the spool folder cannot be made.
func New(deps Deps) (*Mixer, error) { return &Mixer{deps: deps}, nil }

// Run ticks until ctx is done. What is recorded then goes on at the next start.
func (m *Mixer) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Attach lets the port speak and hear from the next tick on. A port of the same id is replaced.
func (m *Mixer) Attach(port media.Port) {}

// Detach ends that. The tick that is under way may still call the port once.
func (m *Mixer) Detach(id string) {}

// Apply puts whole rooms: all of them change between the same two ticks, or a *protocol.Refusal says why
// nothing did. It returns when no tick runs on what stood before.
func (m *Mixer) Apply(rooms []protocol.Room) error { return nil }

// Play plays something once, or in a loop, to endpoints of a room; the event "played" tells how it ended.
// The same play put again changes nothing. Refusals are *protocol.Refusal.
func (m *Mixer) Play(room string, play protocol.Play) error { return nil }

// StopPlay ends a play; it is no error when it has ended by itself.
func (m *Mixer) StopPlay(room, play string) error { return nil }

// Digit tells that the endpoint pressed a key: interruptible plays that it hears end. Which key is not the
// mixer's business.
func (m *Mixer) Digit(endpoint string) {}

// Rooms are the rooms as they stand; one that lost an endpoint to another room shows it no more.
func (m *Mixer) Rooms() []protocol.Room { return nil }

// RoomOf is the room in which the endpoint is, or "".
func (m *Mixer) RoomOf(endpoint string) string { return "" }

// Levels of all attached endpoints over the last whole 200 ms: poll it at 5 Hz.
func (m *Mixer) Levels() []protocol.Level { return nil }

// Restore takes up the rooms that were kept by an earlier process, before Run. Files are loaded afterwards:
// calls go on at once, music a moment later.
func (m *Mixer) Restore() error { return nil }

// Stats are the figures of the tick.
func (m *Mixer) Stats() Stats { return Stats{} }
