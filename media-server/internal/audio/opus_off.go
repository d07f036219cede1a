//go:build !opus

package audio

import "fmt"

func newOpus() (Codec, error) {
	return nil, fmt.Errorf("make codec opus, which this build is without: %w", ErrUnknownCodec)
}
