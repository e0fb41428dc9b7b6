package control

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
)

// problem is a problem document (RFC 9457), as the service's are.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`

	// Of the service's refusals: what it said.
	AttestationID string          `json:"attestation_id,omitempty"`
	Verdict       string          `json:"verdict,omitempty"`
	Failed        []string        `json:"failed,omitempty"` // codes of the checks that failed
	Checks        evidence.Checks `json:"checks,omitempty"`
}

// statuses are the HTTP statuses of codes; others are mistakes in the request where they
// have a code, and the program's own failure where they have none.
var statuses = map[evidence.Code]int{
	evidence.CodeNotFound:         http.StatusNotFound,
	evidence.CodeForbidden:        http.StatusForbidden,
	evidence.CodeMethodNotAllowed: http.StatusMethodNotAllowed,
	evidence.CodeRequestTooLarge:  http.StatusRequestEntityTooLarge,
	evidence.CodeRequestMediaType: http.StatusUnsupportedMediaType,
	evidence.CodeServiceUnreached: http.StatusBadGateway,
	evidence.CodeInternal:         http.StatusInternalServerError,
}

// problemOf is the answer that an error becomes. Nothing is hidden: whoever asks owns the
// program.
func problemOf(err error) reply {
	var known *evidence.Error
	if !errors.As(err, &known) {
		known = evidence.Errorf(evidence.CodeInternal, "", "%s", err)
	}
	p := problem{
		Type: server.ProblemType + known.Code.String(), Title: known.Code.Description(), Detail: known.Detail, Code: known.Code.String(), Field: known.Field,
		Status: cmp.Or(statuses[known.Code], http.StatusBadRequest),
	}
	var refused *client.Problem
	if errors.As(err, &refused) {
		p.Status, p.AttestationID, p.Verdict, p.Checks = refused.Status, refused.AttestationID, refused.Verdict, refused.Checks
		for _, check := range refused.Checks.Failed() {
			p.Failed = append(p.Failed, check.Code.String())
		}
	}
	return reply{status: p.Status, contentType: "application/problem+json", body: p}
}

func malformed(field, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeRequestMalformed, field, format, args...)
}
