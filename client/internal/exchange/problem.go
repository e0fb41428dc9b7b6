package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Problem is the service's refusal. evidence.CodeOf finds its code.
type Problem struct {
	// Reason is the code, field and detail.
	Reason *evidence.Error
	// Status is the HTTP status.
	Status int
	// RequestID finds the request in the service's log.
	RequestID string
	// AttestationID, Verdict, Checks and Missing are those of an appraisal that was
	// not accepted.
	AttestationID string
	Verdict       string
	Checks        evidence.Checks
	Missing       []tee.EndorsementName
	// Documents are what is wrong with policy documents that were sent.
	Documents []DocumentProblem
	// RetryAfter is when to try again, if the service says so.
	RetryAfter time.Duration
}

// DocumentProblem is something wrong, or doubtful, at one place of a policy
// document. Lines and columns count from 1, columns in characters. The code may be
// one that this build does not know.
type DocumentProblem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (p DocumentProblem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s (%s)", p.File, p.Line, p.Column, p.Detail, p.Code)
}

func (p *Problem) Error() string { return p.Reason.Error() }

// Unwrap returns p.Reason.
func (p *Problem) Unwrap() error { return p.Reason }

// Temporary reports whether the same request, with a new challenge, may succeed later.
func (p *Problem) Temporary() bool {
	return p.Status == http.StatusServiceUnavailable || p.Status == http.StatusRequestTimeout
}

// problemWire is a problem document (RFC 9457). Unknown members are passed
// over, so that a newer service can say more.
type problemWire struct {
	Code          string                `json:"code"`
	Field         string                `json:"field"`
	Detail        string                `json:"detail"`
	RequestID     string                `json:"request_id"`
	AttestationID string                `json:"attestation_id"`
	Verdict       string                `json:"verdict"`
	Checks        ChecksWire            `json:"checks"`
	Missing       []tee.EndorsementName `json:"missing"`
	Problems      []DocumentProblem     `json:"problems"`
}

func decodeProblem(resp *http.Response, mediaType string, body []byte) error {
	var w problemWire
	if mediaType != "application/problem+json" || json.Unmarshal(body, &w) != nil {
		return Unusable("", "the service answered with status %d and no problem document", resp.StatusCode)
	}
	p := &Problem{
		Reason: &evidence.Error{Field: w.Field, Detail: w.Detail}, Status: resp.StatusCode, RequestID: w.RequestID,
		AttestationID: w.AttestationID, Verdict: w.Verdict, Missing: w.Missing, Documents: w.Problems,
		RetryAfter: retryAfter(resp.Header),
	}
	if err := p.Reason.Code.UnmarshalText([]byte(w.Code)); err != nil {
		// A newer service knows codes that this build does not.
		p.Reason.Code = evidence.CodeResponseMalformed
		p.Reason.Detail = fmt.Sprintf("%s (code %q, which this build does not know)", w.Detail, w.Code)
	}
	p.Checks = w.Checks.Known()
	return p
}

// ChecksWire are checks, undecoded one by one: a newer service may make some
// whose codes this build does not know.
type ChecksWire []json.RawMessage

// Known returns the checks that this build knows.
func (c ChecksWire) Known() evidence.Checks {
	var out evidence.Checks
	for _, raw := range c {
		var check evidence.Check
		if json.Unmarshal(raw, &check) == nil {
			out = append(out, check)
		}
	}
	return out
}

// retryAfter reads a Retry-After of seconds; zero if there is none.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 || n > maxRetryAfter {
		return 0
	}
	return time.Duration(n) * time.Second
}
