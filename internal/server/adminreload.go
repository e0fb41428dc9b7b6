package server

import (
	"context"
	"errors"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// Reloader reads the service's files again and puts them in force together, or leaves
// everything as it is. The event is recorded with what came of it before that takes effect.
type Reloader interface {
	ReloadBy(context.Context, store.Event) (Reloaded, error)
}

// Reloaded is the answer to POST /v1/admin/reload: what is in force then.
type Reloaded struct {
	Policy       PolicyState `json:"policy"`
	Endorsements int         `json:"endorsements"`
	// Unrecognised is the number of files among the endorsements that are not used.
	Unrecognised int `json:"unrecognised"`
}

// unreloaded is the error of files that cannot be used. Their names are for the log alone.
type unreloaded struct {
	reason *evidence.Error
	cause  error
}

func (e *unreloaded) Error() string { return e.reason.Error() + ": " + e.cause.Error() }

func (e *unreloaded) Unwrap() error { return e.reason }

// reload answers POST /v1/admin/reload, as SIGHUP does for who may signal the process.
func (s *Server) reload(x *exchange) (reply, error) {
	if _, err := x.decodeCall(maxCall); err != nil {
		return reply{}, err
	}
	if s.Reloader == nil {
		return reply{}, evidence.Errorf(evidence.CodeNotFound, "", "this service reads no files again")
	}
	var r Reloaded
	err := s.changing(x, actionReload, func(ctx context.Context, event store.Event) (err error) {
		r, err = s.Reloader.ReloadBy(ctx, event)
		return err
	})
	return reply{body: r}, s.notReloaded(x, err)
}

// notReloaded tells the caller what is wrong with policy documents, and of other files only
// that something is.
func (s *Server) notReloaded(x *exchange, err error) error {
	var documents policies.Problems
	code := evidence.CodeOf(err)
	if err == nil || errors.As(err, &documents) || code == evidence.CodeLedgerUnavailable || code == evidence.CodeOverloaded {
		return err
	}
	what := "a file"
	if !code.IsZero() {
		what = code.String()
	}
	return &unreloaded{evidence.Errorf(evidence.CodeReloadFailed, "", "%s; what was in force stays so; the service's log has the cause under %s", what, x.id), err}
}
