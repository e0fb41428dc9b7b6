package agent

import (
	"errors"
	"strings"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
)

// State is how an agent stands with the service.
type State string

// The states.
const (
	// Starting: nothing was granted and nothing refused yet.
	Starting State = "starting"
	// Healthy: the last attempt was granted.
	Healthy State = "healthy"
	// Degraded: there was no answer to the last attempt. The identity granted before
	// is handed out until it ends.
	Degraded State = "degraded"
	// Denied: the service refused this machine; there is no identity.
	Denied State = "denied"
	// Revoked: the service revoked the identity, and did not judge this machine since.
	Revoked State = "revoked"
)

// States lists all states.
func States() []State { return []State{Starting, Healthy, Degraded, Denied, Revoked} }

// Final reports whether the service said no, rather than nothing: there is no identity, and
// who has an earlier one is to let go of it.
func (s State) Final() bool { return s == Denied || s == Revoked }

// Status says how an agent is doing. Times are of the wall's clock, in UTC, and zero
// where there is nothing to say.
type Status struct {
	State State     `json:"state"`
	Since time.Time `json:"since"`
	// SPIFFEID and what follows are of the identity that is handed out.
	SPIFFEID      string    `json:"spiffe_id,omitempty"`
	AttestationID string    `json:"attestation_id,omitempty"`
	Simulated     bool      `json:"simulated,omitempty"`
	Expires       time.Time `json:"expires,omitzero"`
	// LastAttested is when an attestation was last granted.
	LastAttested time.Time `json:"last_attested,omitzero"`
	// NextDue is when to attest next.
	NextDue time.Time `json:"next_due,omitzero"`
	// Failures counts the attempts since then that were not granted.
	Failures int `json:"consecutive_failures"`
	// Reason is why the last attempt was not granted, or why the identity that it brought was
	// revoked; nil if neither is so.
	Reason *Reason `json:"reason,omitempty"`
}

// Reason is why there is no new identity.
type Reason struct {
	// Refused tells a refusal from the lack of an answer.
	Refused bool   `json:"refused"`
	Code    string `json:"code,omitempty"` // one of package evidence's
	Detail  string `json:"detail"`
	// Failed are the codes of the checks that failed.
	Failed []string `json:"failed_checks,omitempty"`
	// RequestID finds the request in the service's log.
	RequestID string `json:"request_id,omitempty"`
}

// reasonOf says why an attempt failed.
func reasonOf(err error) *Reason {
	detail := err.Error()
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "") + "…"
	}
	r := &Reason{Refused: Refused(err), Code: evidence.CodeOf(err).String(), Detail: detail}
	var problem *client.Problem
	if errors.As(err, &problem) {
		r.RequestID = problem.RequestID
		for _, check := range problem.Checks.Failed() {
			r.Failed = append(r.Failed, check.Code.String())
		}
	}
	return r
}
