package server

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// figures gives what /v1/stats shows of the process and the tick.
func figures(p *parts, options Options) func() map[string]any {
	return func() map[string]any {
		samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
		metrics.Read(samples)
		return map[string]any{
			"version":      options.Version,
			"uptime_s":     int64(time.Since(options.Started).Seconds()),
			"goroutines":   runtime.NumGoroutine(),
			"heap_bytes":   samples[0].Value.Uint64(),
			"memory_bytes": samples[1].Value.Uint64(),
			"mixer":        p.mixer.Stats(),
		}
	}
}
