package guest

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/quotary/quotary/evidence"
)

// classify says in the project's terms why an interface gave no report.
func classify(name string, err error) *evidence.Error {
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

// absent makes of an error on the way to an interface, if it says so, that the
// interface is not there. Further on the same errors say other things: with
// ENXIO, for one, the driver hands on what the firmware refuses.
func absent(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV) || errors.Is(err, errors.ErrUnsupported) {
		return evidence.Errorf(evidence.CodeAttesterAbsent, name, "%w", err)
	}
	return err
}

// noneOf puts together why no interface can be used. One that is there but
// denied says more than one that is not there.
func noneOf(refused []*evidence.Error) *evidence.Error {
	if len(refused) == 1 {
		return refused[0]
	}
	code := evidence.CodeAttesterAbsent
	var details []string
	for _, e := range refused {
		if e.Code == evidence.CodeAttesterDenied {
			code = e.Code
		}
		details = append(details, e.Field+": "+e.Detail)
	}
	return evidence.Errorf(code, "", "%s", strings.Join(details, "; "))
}
