// Package tsm is how a guest asks its kernel for evidence of itself, whatever the
// technology: Linux's configfs-tsm (since 6.7;
// Documentation/ABI/testing/configfs-tsm-report), one question at a time, again
// while the kernel is busy, and no longer than a context lasts.
//
// Start at [Report] and [Ask]. What is asked for, and whether the answer is one to
// it, is for the technologies' packages.
package tsm

import (
	"fmt"
	"strings"

	"github.com/google/go-configfs-tsm/configfs/configfsi"
	"github.com/google/go-configfs-tsm/report"

	"github.com/quotary/quotary/evidence"
)

// Name is how this interface is called in messages.
const Name = "configfs-tsm"

// Report makes an entry of its own, so that requests cannot get mixed up, writes
// data as what the report is to carry, holds the entry to be that of this
// provider, and removes it when read returns. That it is another's is
// [evidence.CodeAttesterAbsent].
func Report(client configfsi.Client, provider string, data [64]byte, read func(*Entry) error) (err error) {
	causes := &causes{Client: client}
	defer func() { err = causes.add(err) }()
	opened, err := report.CreateOpenReport(causes)
	if err != nil {
		return Absent(Name, causes.add(err))
	}
	defer func() {
		if failed := opened.Destroy(); failed != nil && err == nil {
			err = fmt.Errorf("cannot remove the entry: %w", failed) // each one left behind takes kernel memory
		}
	}()
	entry := &Entry{opened, causes}
	if err := entry.Write("inblob", data[:]); err != nil {
		return err
	}
	name, err := entry.Read("provider")
	if err != nil {
		return err
	}
	if got := strings.TrimSuffix(string(name), "\n"); got != provider {
		return evidence.Errorf(evidence.CodeAttesterAbsent, Name, "the provider of reports is %.40q, not %q", got, provider)
	}
	return read(entry)
}

// Entry is a request in configfs-tsm.
type Entry struct {
	opened *report.OpenReport
	causes *causes
}

// Read returns an attribute. The kernel makes the report on the first read of
// "outblob". That somebody else wrote to the entry meanwhile is an error for which
// [IsPassing] holds.
func (e *Entry) Read(attribute string) ([]byte, error) {
	value, err := e.opened.ReadOption(attribute)
	return value, e.causes.add(err)
}

// Write sets an attribute.
func (e *Entry) Write(attribute string, value []byte) error {
	return e.causes.add(e.opened.WriteOption(attribute, value))
}

// PrivilegeLevelFloor returns the lowest privilege level that "privlevel" takes.
func (e *Entry) PrivilegeLevelFloor() (uint, error) {
	floor, err := e.opened.PrivilegeLevelFloor()
	return floor, e.causes.add(err)
}
