package ca

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
	"github.com/quotary/quotary/internal/strictjson"
)

// The journal is a folder of files, one for each change, which are numbered, appear
// whole or not at all, and are never replaced. Whoever changes it, or reads it
// together with what it speaks of, holds the lock.
const (
	journalDir = "journal"
	lockFile   = "lock"
)

// Change is one step in the life of an authority, as the journal keeps it.
type Change struct {
	Number int       `json:"number"` // from 1
	Time   time.Time `json:"time"`
	By     Actor     `json:"by"`
	Step   Step      `json:"step"`
	// Authority names the authority: 16 hex digits of its issuing key's identifier.
	Authority string `json:"authority"`
	// Root is the SHA-256 of its root's certificate, in hex.
	Root string `json:"root_sha256"`
	// Sequence is the sequence number of the bundle after the change.
	Sequence uint64 `json:"sequence"`
}

// Actor says who made a change.
type Actor string

// Who makes changes.
const (
	Service  Actor = "service"  // by the age of an authority
	Operator Actor = "operator" // by a command
)

// locked runs f while no other process or goroutine does so for this folder.
func locked(dir string, f func() error) error {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer file.Close() // and with it the lock
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return err
	}
	return f()
}

func changePath(dir string, number int) string {
	return filepath.Join(dir, journalDir, fmt.Sprintf("%06d.json", number))
}

// journalLength is the number of changes, found without reading them.
func journalLength(dir string) (int, error) {
	entries, err := os.ReadDir(filepath.Join(dir, journalDir))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	n := 0
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) == ".json" {
			n++
		}
	}
	return n, err
}

// readJournal returns the changes in order.
func readJournal(dir string) ([]Change, error) {
	length, err := journalLength(dir)
	if err != nil {
		return nil, err
	}
	if length > maxChanges {
		return nil, refuseJournal("it has more than %d changes", maxChanges)
	}
	changes := make([]Change, 0, length)
	for number := 1; number <= length; number++ {
		data, mode, err := keyfile.Read(changePath(dir, number))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, refuseJournal("change %d is missing", number)
		}
		if err != nil {
			return nil, err
		}
		if mode.Perm()&0o022 != 0 {
			return nil, refuseJournal("others may write change %d (mode %04o)", number, mode.Perm())
		}
		change, err := parseChange(data)
		if err != nil || change.Number != number {
			return nil, refuseJournal("change %d cannot be read: %w", number, err)
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// parseChange reads one change strictly.
func parseChange(data []byte) (c Change, err error) {
	if err := strictjson.Check(data, strictjson.Rules{Depth: 1, Elements: 7, Text: 128, NoNull: true}); err != nil {
		return c, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, err
	}
	id, err := hex.DecodeString(c.Authority)
	if err != nil || len(id) != 8 || hex.EncodeToString(id) != c.Authority { // it names a folder
		return c, errors.New("the authority is not 16 lower-case hex digits")
	}
	return c, nil
}

// appendChange completes c and makes it durable.
func appendChange(dir string, changes []Change, now time.Time, c Change) (Change, error) {
	c.Number, c.Time = len(changes)+1, now.UTC().Truncate(time.Second)
	c.Sequence = uint64(max(0, c.Time.Unix()))
	if n := len(changes); n > 0 { // it grows even if the clock does not
		c.Sequence = max(c.Sequence, changes[n-1].Sequence+1)
	}
	if c.Number > maxChanges {
		return c, refuseJournal("it has %d changes already", maxChanges)
	}
	data, err := json.Marshal(c)
	if err != nil {
		return c, err
	}
	if err := os.MkdirAll(filepath.Join(dir, journalDir), 0o700); err != nil {
		return c, err
	}
	return c, keyfile.WriteNew(changePath(dir, c.Number), append(data, '\n'), 0o600)
}

func refuseJournal(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeAuthorityJournal, journalDir, format, args...)
}

// begin makes the first authority, and the journal that names it. A folder of
// before there was a journal gets one. The folder must be locked.
func (r *realm) begin(dir string) (created bool, err error) {
	length, err := journalLength(dir)
	if err != nil || length > 0 {
		return false, err
	}
	h, created, err := r.openFirst(dir)
	if err != nil {
		return false, err
	}
	_, err = appendChange(dir, nil, r.now(), Change{By: Service, Step: StepActivate, Authority: h.id(), Root: h.rootID()})
	return created, err
}
