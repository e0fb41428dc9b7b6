package tsm

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/quotary/quotary/evidence"
)

// Classify says in the project's terms why an interface of this name gave no report.
func Classify(name string, err error) *evidence.Error {
	var e *evidence.Error
	if errors.As(err, &e) {
		return e
	}
	code := evidence.CodeAttesterFailed
	switch {
	case isBusy(err):
		code = evidence.CodeAttesterBusy
	case errors.Is(err, fs.ErrPermission):
		code = evidence.CodeAttesterDenied
	}
	return evidence.Errorf(code, name, "%w", err)
}

// Absent makes of an error on the way to an interface, if it says so, that the
// interface is not there. Further on the same errors say other things: with
// ENXIO, for one, the driver hands on what the firmware refuses.
func Absent(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV) || errors.Is(err, errors.ErrUnsupported) {
		return evidence.Errorf(evidence.CodeAttesterAbsent, name, "%w", err)
	}
	return err
}
