package server

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/verifier"
)

// statuses is the one place where a code becomes an HTTP status. A code that is
// not here is the service's own fault: the client gets an opaque 500, and the
// log the cause.
var statuses = map[evidence.Code]int{
	// The request, or something in it, cannot be decoded.
	evidence.CodeRequestMalformed:   http.StatusBadRequest,
	evidence.CodeHexMalformed:       http.StatusBadRequest,
	evidence.CodeReportDataNeeded:   http.StatusBadRequest,
	evidence.CodeEvidenceEmpty:      http.StatusBadRequest,
	evidence.CodeEvidenceMalformed:  http.StatusBadRequest,
	evidence.CodeEvidenceDuplicate:  http.StatusBadRequest,
	evidence.CodeEvidenceIncomplete: http.StatusBadRequest,
	evidence.CodeChallengeMalformed: http.StatusBadRequest,
	evidence.CodeKeyMalformed:       http.StatusBadRequest,
	evidence.CodeIssuingAudience:    http.StatusBadRequest,
	evidence.CodePolicyInvalid:      http.StatusBadRequest,
	evidence.CodeLedgerQuery:        http.StatusBadRequest,
	evidence.CodeRevocationWhere:    http.StatusBadRequest,

	evidence.CodeEndorsementUnrecognised: http.StatusBadRequest,
	evidence.CodeEndorsementMalformed:    http.StatusBadRequest,
	evidence.CodeEndorsementTooLarge:     http.StatusRequestEntityTooLarge,

	evidence.CodeRequestTooLarge:  http.StatusRequestEntityTooLarge,
	evidence.CodeEvidenceTooLarge: http.StatusRequestEntityTooLarge,
	evidence.CodePolicyTooLarge:   http.StatusRequestEntityTooLarge,
	evidence.CodeRequestMediaType: http.StatusUnsupportedMediaType,
	evidence.CodeContentEncoding:  http.StatusUnsupportedMediaType,
	evidence.CodeRequestTimeout:   http.StatusRequestTimeout,

	// The challenge was good once.
	evidence.CodeChallengeSpent:   http.StatusConflict,
	evidence.CodeTPMEnrolled:      http.StatusConflict,
	evidence.CodeTPMClock:         http.StatusConflict,
	evidence.CodeChallengeExpired: http.StatusGone,

	// What administrators change is not as they think.
	evidence.CodePolicyConflict:         http.StatusConflict,
	evidence.CodePolicyManagedByFiles:   http.StatusConflict,
	evidence.CodePolicyProposalClosed:   http.StatusConflict,
	evidence.CodePolicyProposalApproved: http.StatusConflict,
	evidence.CodePolicyProposals:        http.StatusConflict,
	evidence.CodePolicyProposalUnknown:  http.StatusNotFound,
	evidence.CodePolicySetUnknown:       http.StatusNotFound,
	evidence.CodeAttestationUnknown:     http.StatusNotFound,
	evidence.CodeLedgerTampered:         http.StatusConflict,
	evidence.CodeAttestationKeyUnknown:  http.StatusNotFound,
	evidence.CodeAttestationKeyChanged:  http.StatusConflict,
	evidence.CodeReloadFailed:           http.StatusConflict,
	evidence.CodeRevocationNone:         http.StatusConflict,
	evidence.CodeRevocationFull:         http.StatusConflict,

	// The request is understood, and refused.
	evidence.CodeNotAccepted:       http.StatusUnprocessableEntity,
	evidence.CodeKindUnknown:       http.StatusUnprocessableEntity,
	evidence.CodeKindUnsupported:   http.StatusUnprocessableEntity,
	evidence.CodeKindOther:         http.StatusUnprocessableEntity,
	evidence.CodeMediaTypeUnknown:  http.StatusUnprocessableEntity,
	evidence.CodeChallengeAudience: http.StatusUnprocessableEntity,
	evidence.CodeChallengePurpose:  http.StatusUnprocessableEntity,
	evidence.CodeKeyUnsupported:    http.StatusUnprocessableEntity,
	evidence.CodeKeyMismatch:       http.StatusUnprocessableEntity,
	evidence.CodeRequestedNames:    http.StatusUnprocessableEntity,
	evidence.CodeIssuingKey:        http.StatusUnprocessableEntity,
	evidence.CodeTPMEnrolment:      http.StatusUnprocessableEntity,
	evidence.CodeTPMAKRevoked:      http.StatusUnprocessableEntity,
	evidence.CodeUnauthorized:      http.StatusUnauthorized,
	evidence.CodeForbidden:         http.StatusForbidden,
	evidence.CodeNotFound:          http.StatusNotFound,
	evidence.CodeTPMEnrolmentOff:   http.StatusNotFound,
	evidence.CodeMethodNotAllowed:  http.StatusMethodNotAllowed,

	// The service cannot say now.
	evidence.CodeOverloaded:          http.StatusServiceUnavailable,
	evidence.CodeLedgerUnavailable:   http.StatusServiceUnavailable,
	evidence.CodeNotReady:            http.StatusServiceUnavailable,
	evidence.CodeEndorsementsMissing: http.StatusServiceUnavailable,
	evidence.CodeIssuingValidity:     http.StatusServiceUnavailable,

	evidence.CodeAuthorityKeyUnavailable: http.StatusServiceUnavailable,
}

// Problem is a problem document (RFC 9457) of this service.
type Problem struct {
	Type      string `json:"type"`  // ProblemType and the code
	Title     string `json:"title"` // the code's description
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	Field     string `json:"field,omitempty"`
	RequestID string `json:"request_id"`

	// Of an appraisal that was not accepted.
	AttestationID string                `json:"attestation_id,omitempty"`
	Verdict       verifier.Verdict      `json:"verdict,omitempty"`
	Checks        evidence.Checks       `json:"checks,omitempty"`
	Missing       []tee.EndorsementName `json:"missing,omitempty"`

	// Of policy documents that do not load.
	Problems []DocumentProblem `json:"problems,omitempty"`

	// Of a service that is not ready.
	Parts []Part `json:"parts,omitempty"`

	retryAfter time.Duration // zero for the usual time
}

// ProblemType is what all problem types begin with; the code follows.
const ProblemType = "tag:github.com,2026:quotary/quotary:"

const problemMediaType = "application/problem+json"

// unaccepted is the error of an appraisal that ended otherwise than accepted.
type unaccepted struct {
	reason     *evidence.Error
	result     verifier.Result
	retryAfter time.Duration // zero if nobody can say
	cause      error         // why endorsements could not be fetched, for the log alone; or nil
}

func (e *unaccepted) Error() string {
	if e.cause != nil {
		return e.reason.Error() + ": " + e.cause.Error()
	}
	return e.reason.Error()
}

func (e *unaccepted) Unwrap() error { return e.reason }

// verdictError returns nil for an accepted result.
func verdictError(r verifier.Result) error {
	switch r.Verdict() {
	case verifier.Accepted:
		return nil
	case verifier.Undecided:
		return &unaccepted{reason: evidence.Errorf(evidence.CodeEndorsementsMissing, "", "an endorsement is missing, see missing; the evidence is neither accepted nor refused"), result: r}
	}
	return &unaccepted{reason: evidence.Errorf(evidence.CodeNotAccepted, "", "%s", whyRejected(r.Checks())), result: r}
}

// unendorsed is the error of a result that an endorsement could change which
// cannot be had now. That is no verdict, even where the endorsements that the
// sender has do not fit.
func unendorsed(r verifier.Result, retryAfter time.Duration, cause error) error {
	return &unaccepted{
		evidence.Errorf(evidence.CodeEndorsementsMissing, "", "an endorsement is missing, see missing, and cannot be fetched now (%s); the evidence is neither accepted nor refused", whyUnfetched(cause)),
		r, retryAfter, cause,
	}
}

// whyUnfetched names the cause by its code: its text may name hosts of the operator's.
func whyUnfetched(cause error) string {
	if code := evidence.CodeOf(cause); !code.IsZero() {
		return code.String()
	}
	return "no answer in time"
}

// verdict is what the client is told.
func (e *unaccepted) verdict() verifier.Verdict {
	if e.reason.Code == evidence.CodeEndorsementsMissing {
		return verifier.Undecided
	}
	return e.result.Verdict()
}

// whyRejected names the checks that failed.
func whyRejected(checks evidence.Checks) string {
	failed := checks.Failed()
	if len(failed) == 0 {
		return "no workload's policy accepts the evidence"
	}
	detail := "failed: " + failed[0].Code.String()
	for _, check := range failed[1:min(len(failed), 4)] {
		detail += ", " + check.Code.String()
	}
	if len(failed) > 4 {
		detail += ", …"
	}
	return detail
}

// countOf says how many there are of something.
func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// problemOf returns what the client gets to see of err, which may be all of it
// or nothing.
func problemOf(x *exchange, err error) Problem {
	var known *evidence.Error
	var documents policies.Problems
	status := 0
	switch {
	case errors.As(err, &documents):
		known = evidence.Errorf(evidence.CodePolicyInvalid, memberDocuments, "%s, see problems", countOf(len(documents), "problem"))
		status = statuses[known.Code]
	case errors.As(err, &known):
		status = statuses[known.Code]
	}
	if status == 0 {
		known = evidence.Errorf(evidence.CodeInternal, "", "the request failed in the service; its log has the cause under %s", x.id)
		status = http.StatusInternalServerError
	}
	p := Problem{
		Type: ProblemType + known.Code.String(), Title: known.Code.Description(), Status: status,
		Detail: known.Detail, Code: known.Code.String(), Field: known.Field, RequestID: x.id,
	}
	var u *unaccepted
	if errors.As(err, &u) {
		p.AttestationID, p.Verdict, p.Checks, p.Missing = u.result.ID(), u.verdict(), u.result.Checks(), u.result.Missing()
		p.retryAfter = u.retryAfter
	}
	var e *unenrolled
	if errors.As(err, &e) {
		p.Verdict, p.Checks, p.Missing = e.verdict(), e.step.Checks, e.step.Missing
	}
	var r *unexplained
	if errors.As(err, &r) {
		p.Verdict, p.Checks, p.Missing = r.examination.Verdict, r.examination.Checks, r.examination.Missing()
	}
	if len(documents) > 0 {
		p.Problems = newDocumentProblems(documents)
	}
	var n *notReady
	if errors.As(err, &n) {
		p.Parts = n.parts
	}
	switch known.Code { // the causes name files
	case evidence.CodeLedgerUnavailable:
		p.Detail = "the outcome could not be recorded, so nothing was issued"
	case evidence.CodeAuthorityKeyUnavailable:
		p.Detail, p.Field = "the key to sign with cannot be used, so nothing was issued", ""
	}
	return p
}

// refuse answers with a problem document. After a response has begun it can only
// note the error.
func (s *Server) refuse(x *exchange, err error) {
	p := problemOf(x, err)
	x.cause = err
	if uerr := x.code.UnmarshalText([]byte(p.Code)); uerr != nil {
		x.cause = errors.Join(err, uerr)
	}
	if x.status != 0 {
		return
	}
	header := x.w.Header()
	switch {
	case p.Code == evidence.CodeOverloaded.String():
		header.Set("Retry-After", seconds(retrySoon))
	case p.Status == http.StatusServiceUnavailable:
		header.Set("Retry-After", seconds(cmp.Or(min(p.retryAfter, retryLatest), retryLater)))
	case p.Status == http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Bearer realm="quotary"`)
	case p.Status == http.StatusUnsupportedMediaType:
		header.Set("Accept-Encoding", "identity") // RFC 9110 §15.5.16
	}
	if err := x.send(p.Status, reply{contentType: problemMediaType, body: p}); err != nil {
		x.cause = errors.Join(x.cause, err)
	}
}

// seconds rounds up: who comes back early comes in vain.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// failedCodes lists the codes of failed checks, each once, in a bounded number.
func failedCodes(checks evidence.Checks) []string {
	var codes []string
	for _, check := range checks.Failed() {
		if name := check.Code.String(); !slices.Contains(codes, name) && len(codes) < maxFailedCodes {
			codes = append(codes, name)
		}
	}
	return codes
}
