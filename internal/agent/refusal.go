package agent

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
)

// judgements are the statuses, and refusals the codes of others, by which the service says
// no to this machine, rather than to the form of a request or for now.
var (
	judgements = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity}
	refusals   = []evidence.Code{evidence.CodeTPMEnrolled, evidence.CodeTPMEnrolmentOff}
)

// Refused reports whether an error is the authenticated service's no. Everything else
// is no answer: who did not authenticate cannot take an identity away.
func Refused(err error) bool {
	var problem *client.Problem
	if !errors.As(err, &problem) {
		return false
	}
	return problem.Verdict == "rejected" || slices.Contains(judgements, problem.Status) || slices.Contains(refusals, problem.Reason.Code)
}

// retryAfter is how long the service asked to wait; zero if it did not.
func retryAfter(err error) time.Duration {
	var problem *client.Problem
	if !errors.As(err, &problem) {
		return 0
	}
	return min(problem.RetryAfter, maxRetryAfter)
}
