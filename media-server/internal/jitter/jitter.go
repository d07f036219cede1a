// Package jitter plays out packets that come unevenly, too late or not at all, as one even row of frames.
package jitter
