package stream

import (
	"bytes"
	"encoding/base64"
	"math"
)

func testKey(suite string, fill byte) *Crypto {
	return &Crypto{Suite: suite, Key: base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, keyBytes+saltBytes))}
}

func sin(turns float64) float64 { return math.Sin(2 * math.Pi * turns) }
