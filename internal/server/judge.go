package server

import (
	"context"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/verifier"
)

// Endorser makes endorsements available that an appraisal lacked.
type Endorser interface {
	// Fetch returns once the named endorsements are at hand. If some are not, the
	// error says why and retryAfter when it is worth while to try again.
	Fetch(ctx context.Context, names []tee.EndorsementName) (retryAfter time.Duration, err error)
}

// judge appraises, fetches what the appraisal lacked, and returns an error unless
// the evidence is accepted.
func (s *Server) judge(x *exchange, request verifier.Request) error {
	err := s.appraised(x, func() (verifier.Result, error) { return s.Appraiser.Appraise(request) })
	if err != nil {
		return err
	}
	if s.Endorser != nil {
		err = s.endorse(x)
	}
	if err != nil {
		return err
	}
	s.tryShadow(x)
	s.noteOutcome(x.result)
	return verdictError(x.result)
}

func (s *Server) appraised(x *exchange, appraise func() (verifier.Result, error)) error {
	return s.timed("appraise", func() error {
		result, err := appraise()
		if err == nil {
			x.result = result
		}
		return err
	})
}

// endorse fetches what the result wants and appraises again, until it wants
// nothing more or fetching does not help. One endorsement may lead to the next.
func (s *Server) endorse(x *exchange) error {
	ctx, cancel := context.WithTimeout(x.r.Context(), fetchPatience)
	defer cancel()
	for range fetchRounds {
		wanted := x.result.Wanted()
		if len(wanted) == 0 {
			return nil
		}
		retryAfter, cause := s.fetch(ctx, x, wanted)
		if err := s.timed("wait", func() error { return x.slot.enter(x.r.Context()) }); err != nil {
			return err
		}
		if err := s.appraised(x, func() (verifier.Result, error) { return s.Appraiser.Reappraise(x.result) }); err != nil {
			return err
		}
		if cause == nil || len(x.result.Wanted()) == 0 {
			continue
		}
		if x.result.Verdict() == verifier.Undecided || retryAfter > 0 && evidence.CodeOf(cause) != evidence.CodeEndorsementNotFound {
			return unendorsed(x.result, retryAfter, cause)
		}
		return nil // there is nothing else to be had, so what there is decides
	}
	return nil
}

// fetch waits for a vendor. Meanwhile the request holds up no appraisal, and it
// keeps its place among those in flight only while nobody else needs it.
func (s *Server) fetch(ctx context.Context, x *exchange, wanted []tee.EndorsementName) (retryAfter time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x.slot.leave()
	err = s.timed("fetch", func() (err error) {
		x.place.waits(cancel, func() { retryAfter, err = s.Endorser.Fetch(ctx, wanted) })
		return err
	})
	return retryAfter, err
}
