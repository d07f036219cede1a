package record

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"guichet/mediaserver/internal/media"
	"guichet/mediaserver/internal/protocol"
)

const (
	lowest     = 19              // nice
	tryAgain   = 5 * time.Minute // after a failure: a disk is full for a while
	wavHeader  = 44
	wavLargest = 1<<32 - 1 - wavHeader
)

// encodeAll encodes what is ready, one at a time, until ctx is done. Its thread is its own: the encoder dies
// with the thread that started it, and so with the server.
func (r *Recorder) encodeAll(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	encoder := r.encoder(ctx)
	var again <-chan time.Time
	var failed []string
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-again:
			r.mu.Lock()
			r.ready = append(r.ready, failed...)
			r.mu.Unlock()
			failed, again = nil, nil
		}
		for id := r.nextReady(); id != "" && ctx.Err() == nil; id = r.nextReady() {
			if err := r.encode(ctx, encoder, id); err != nil && ctx.Err() == nil {
				r.encodeFailed(id, err)
				failed, again = append(failed, id), time.After(tryAgain)
			}
		}
	}
}

func (r *Recorder) nextReady() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy = len(r.ready) > 0; !r.busy {
		return ""
	}
	id := r.ready[0]
	r.ready = r.ready[1:]
	return id
}

// encoder is the path of a program that can make Opus, or "" with a word in the log.
func (r *Recorder) encoder(ctx context.Context) string {
	path, err := exec.LookPath(cmpOr(r.deps.FFmpeg, "ffmpeg"))
	if err == nil {
		var list []byte
		list, err = exec.CommandContext(ctx, path, "-v", "error", "-encoders").Output()
		if err == nil && !bytes.Contains(list, []byte("libopus")) {
			err = fmt.Errorf("it has no libopus")
		}
	}
	if err != nil {
		r.deps.Log.Warn("recordings will be WAV: there is no ffmpeg that can make Opus", "error", err)
		return ""
	}
	return path
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// encode makes the result of one spool, removes the spool, and tells of it.
func (r *Recorder) encode(ctx context.Context, encoder, id string) error {
	base := filepath.Join(r.deps.Folder, id)
	info, err := os.Stat(base + rawSuffix)
	if err != nil {
		return fmt.Errorf("find the spool: %w", err)
	}
	about, _, err := readFacts(base + factsSuffix)
	if err != nil {
		return err
	}
	about.Recording = id
	about.Millis = info.Size() / bytesPerMs
	if about.Millis == 0 {
		about.Failed = causeEmpty
		return r.publish(about)
	}
	about.File, about.Codec = id+".ogg", codecOpus
	work := func(to string) error { return encodeOpus(ctx, encoder, base+rawSuffix, to) }
	if encoder == "" {
		about.File, about.Codec = id+".wav", codecWAV
		work = func(to string) error { return writeWAV(base+rawSuffix, to) }
	}
	result := filepath.Join(r.deps.Folder, about.File)
	if err := work(result + partSuffix); err != nil {
		_ = os.Remove(result + partSuffix)
		return err
	}
	if about.SHA256, about.Bytes, err = settle(result + partSuffix); err != nil {
		return err
	}
	if err := os.Rename(result+partSuffix, result); err != nil {
		return fmt.Errorf("name the result: %w", err)
	}
	return r.publish(about)
}

// publish makes a recording finished and tells of it: first the facts, then without its raw audio, then the event.
func (r *Recorder) publish(about facts) error {
	base := filepath.Join(r.deps.Folder, about.Recording)
	if err := about.write(base + factsSuffix); err != nil {
		return err
	}
	if err := os.Remove(base + rawSuffix); err != nil {
		return fmt.Errorf("remove the spool: %w", err)
	}
	r.mu.Lock()
	delete(r.told, about.Recording)
	r.mu.Unlock()
	r.deps.Emit(about.event(r.deps.Folder))
	return nil
}

// encodeFailed tells once per recording; the spool stays, and is tried again.
func (r *Recorder) encodeFailed(id string, err error) {
	r.deps.Log.Error("a recording is not encoded; its spool stays and is tried again", "recording", id, "error", err)
	r.mu.Lock()
	told := r.told[id]
	r.told[id] = true
	r.mu.Unlock()
	if !told {
		about, _, _ := readFacts(filepath.Join(r.deps.Folder, id+factsSuffix))
		r.deps.Emit(protocol.Event{Kind: protocol.RecordingFailed, Recording: id, Room: about.Room, Cause: causeEncode})
	}
}

func encodeOpus(ctx context.Context, encoder, from, to string) error {
	// Below 32 kbit/s Opus merges the channels and one side is heard on the other, 25 dB down; at 48 nothing is.
	encode := exec.CommandContext(ctx, encoder, "-nostdin", "-v", "error", "-y",
		"-f", "s16le", "-ar", strconv.Itoa(media.Rate), "-ac", "2", "-i", from,
		"-c:a", "libopus", "-b:a", opusBitsRate, "-application", "voip", "-f", "ogg", to)
	encode.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaint strings.Builder
	encode.Stderr = &complaint
	if err := encode.Start(); err != nil {
		return fmt.Errorf("start the encoder: %w", err)
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, encode.Process.Pid, lowest) // one may always lower one's own
	if err := encode.Wait(); err != nil {
		return fmt.Errorf("encode: %w: %.200s", err, complaint.String())
	}
	return nil
}

// writeWAV puts a header before the spool.
func writeWAV(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open the spool: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return fmt.Errorf("measure the spool: %w", err)
	}
	size := min(info.Size(), wavLargest)
	header := make([]byte, 0, wavHeader)
	header = append(header, "RIFF"...)
	header = binary.LittleEndian.AppendUint32(header, uint32(size+wavHeader-8))
	header = append(header, "WAVEfmt "...)
	header = binary.LittleEndian.AppendUint32(header, 16)
	header = binary.LittleEndian.AppendUint16(header, 1) // PCM
	header = binary.LittleEndian.AppendUint16(header, 2) // channels
	header = binary.LittleEndian.AppendUint32(header, media.Rate)
	header = binary.LittleEndian.AppendUint32(header, media.Rate*4)
	header = binary.LittleEndian.AppendUint16(header, 4)
	header = binary.LittleEndian.AppendUint16(header, 16)
	header = append(header, "data"...)
	header = binary.LittleEndian.AppendUint32(header, uint32(size))
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make the WAV file: %w", err)
	}
	_, err = io.Copy(out, io.MultiReader(bytes.NewReader(header), io.LimitReader(in, size)))
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write the WAV file: %w", err)
	}
	return nil
}

// settle makes a file private, syncs it to the disk and hashes it.
func settle(path string) (sha string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, fmt.Errorf("open the result: %w", err)
	}
	defer file.Close()
	if err := file.Chmod(0o600); err != nil { // ffmpeg lets others read
		return "", 0, fmt.Errorf("close the result to others: %w", err)
	}
	if err := file.Sync(); err != nil {
		return "", 0, fmt.Errorf("sync the result: %w", err)
	}
	hash := sha256.New()
	if size, err = io.Copy(hash, file); err != nil {
		return "", 0, fmt.Errorf("hash the result: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}
