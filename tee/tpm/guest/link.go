package guest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/tee/internal/tsm"
)

// link is one sequence of commands to an opened TPM. It implements go-tpm's
// transport. What it has loaded is flushed when it is closed.
type link struct {
	ctx     context.Context
	device  io.ReadWriteCloser
	loaded  []tpm2.TPMHandle
	options *Options
}

// do opens the TPM, runs one sequence of commands, and leaves nothing loaded. It
// does not wait longer than ctx lasts; the TPM may then still be at work on a command,
// and later calls wait until it is done.
func do[A any](ctx context.Context, t *TPM, sequence func(*link) (A, error)) (A, error) {
	got, err := tsm.Ask(ctx, t.slot, func() (got A, err error) {
		device, err := t.device.Open(ctx)
		if err != nil {
			return got, err
		}
		l := &link{ctx: ctx, device: device, options: &t.options}
		defer func() {
			if failed := l.close(); failed != nil && err == nil {
				err = failed
			}
		}()
		return sequence(l)
	})
	var none A
	switch {
	case err == nil:
		return got, nil
	case ctx.Err() != nil:
		return none, fmt.Errorf("guest: the TPM had no answer before the end: %w", ctx.Err())
	}
	return none, explain(t.device.String(), err)
}

// close flushes what was loaded and closes the device. A TPM without a resource
// manager keeps it otherwise, and has room for three.
func (l *link) close() error {
	var failed error
	for len(l.loaded) > 0 {
		failed = errors.Join(failed, l.flush(l.loaded[len(l.loaded)-1]))
	}
	return errors.Join(failed, l.device.Close())
}

// keep takes note of an object or session that must be flushed.
func (l *link) keep(handle tpm2.TPMHandle) { l.loaded = append(l.loaded, handle) }

// flush flushes an object or session that was kept.
func (l *link) flush(handle tpm2.TPMHandle) error {
	for i, loaded := range l.loaded {
		if loaded == handle {
			l.loaded = append(l.loaded[:i], l.loaded[i+1:]...)
			break
		}
	}
	if _, err := (tpm2.FlushContext{FlushHandle: handle}).Execute(l); err != nil {
		return fmt.Errorf("cannot flush %#x: %w", uint32(handle), err)
	}
	return nil
}

// Sizes and offsets in the header of commands and responses in bytes (TPM 2.0 part 1, 18).
const (
	headerSize = 10
	offSize    = 2
	offCode    = 6
)

// Send implements go-tpm's transport: it sends a command, again while the TPM is
// busy. After the end of ctx nothing is sent but what cleans up.
func (l *link) Send(command []byte) ([]byte, error) {
	ctx := l.ctx
	if binary.BigEndian.Uint32(command[offCode:]) == uint32(tpm2.TPMCCFlushContext) {
		ctx = context.WithoutCancel(ctx)
	}
	for attempt, delay := 1, firstDelay; ; attempt, delay = attempt+1, min(2*delay, lastDelay) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		response, err := l.exchange(ctx, command)
		if err != nil || !isBusy(response) || attempt == maxAttempts {
			return response, err
		}
		pause(ctx, delay)
	}
}

// isBusy reports whether a response asks for the command to be sent again.
func isBusy(response []byte) bool {
	switch tpm2.TPMRC(binary.BigEndian.Uint32(response[offCode:])) {
	case tpm2.TPMRCRetry, tpm2.TPMRCYielded, tpm2.TPMRCTesting:
		return true
	}
	return false
}

// pause waits, but not longer than ctx lasts.
func pause(ctx context.Context, delay time.Duration) {
	wait, cancel := context.WithTimeout(ctx, delay)
	defer cancel()
	<-wait.Done()
}

// exchange sends a command and returns its whole response. It is not broken off at
// the end of ctx, which would leave keys loaded, but where it hangs.
func (l *link) exchange(ctx context.Context, command []byte) ([]byte, error) {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), commandTimeout)
	defer cancel()
	defer context.AfterFunc(limit, func() { l.device.Close() })()
	if _, err := l.device.Write(command); err != nil {
		return nil, fmt.Errorf("cannot send a command to the TPM: %w", err)
	}
	response, have := make([]byte, maxResponse), 0
	for have < headerSize || have < responseSize(response) {
		if have >= headerSize && responseSize(response) > maxResponse {
			return nil, fmt.Errorf("the TPM announces a response of %d bytes", responseSize(response))
		}
		n, err := l.device.Read(response[have:])
		have += n
		if err != nil {
			return nil, fmt.Errorf("the TPM's response broke off after %d bytes: %w", have, err)
		}
	}
	if size := responseSize(response); size < headerSize || have > size {
		return nil, fmt.Errorf("the TPM's response has %d bytes and says that it has %d", have, size)
	}
	return response[:have], nil
}

// responseSize returns how long a response says that it is.
func responseSize(response []byte) int { return int(binary.BigEndian.Uint32(response[offSize:])) }
