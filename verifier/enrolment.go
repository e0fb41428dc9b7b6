package verifier

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Enrolment is a finished enrolment: the attestation key lives in the TPM of a
// trusted endorsement key. Only [Enrolments.Finish] makes one; the zero Enrolment
// is not valid. It is immutable.
type Enrolment struct{ e *enrolment }

type enrolment struct {
	ticket evidence.EnrolmentTicket
	id     string
	at     time.Time
}

// Valid reports whether e came from a finished enrolment.
func (e Enrolment) Valid() bool { return e.e != nil }

// ID is the enrolment's own random name, 32 hex digits.
func (e Enrolment) ID() string { return e.e.id }

// Claims are what was found of the keys.
func (e Enrolment) Claims() evidence.EnrolmentClaims { return e.e.ticket.Claims }

// Key is the attestation key's SubjectPublicKeyInfo, DER.
func (e Enrolment) Key() []byte { return slices.Clone(e.e.ticket.AKKey) }

// At is the instant at which the enrolment was finished.
func (e Enrolment) At() time.Time { return e.e.at }

// ValidUntil is when the trust in the endorsement key ends; zero if it does not.
func (e Enrolment) ValidUntil() time.Time { return e.e.ticket.ValidUntil }

// EnrolmentConfig is what [Enrolments] work with.
type EnrolmentConfig struct {
	Enroller tee.Enroller
	// Endorsements returns the certificates and revocation lists at hand; nil means none.
	Endorsements func() *tee.Endorsements
	// Spender remembers which enrolments were answered.
	Spender Spender
	// AcceptSimulated is the operator's consent to simulated endorsement keys.
	AcceptSimulated bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Enrolments enrol attestation keys in two steps, without keeping anything in
// between. It is safe for concurrent use.
type Enrolments struct {
	EnrolmentConfig
	sealer *evidence.Sealer
}

// NewEnrolments returns Enrolments with a fresh sealing key, which dies with the
// process, and with it every open enrolment.
func NewEnrolments(c EnrolmentConfig) (*Enrolments, error) {
	if c.Enroller == nil || c.Spender == nil {
		return nil, errors.New("verifier: enrolments need an enroller and a spender")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Endorsements == nil {
		c.Endorsements = func() *tee.Endorsements { return nil }
	}
	var key [evidence.SealKeySize]byte
	rand.Read(key[:]) // never fails (crypto/rand)
	return &Enrolments{c, evidence.NewSealer(key)}, nil
}

// EnrolmentStep is what the first step brings.
type EnrolmentStep struct {
	// Checks are what was judged of the keys; Claims count only if none failed.
	Checks evidence.Checks
	Claims evidence.EnrolmentClaims
	// Missing lists endorsements without which nothing could be decided.
	Missing []tee.EndorsementName
	// Ticket and Credential are for the machine, if the keys were good.
	Ticket     string
	Credential tee.Credential
	Expires    time.Time
}

// Good reports whether the machine may go on to the second step.
func (s EnrolmentStep) Good() bool { return s.Ticket != "" }

// Begin judges the keys and, if they are good, makes the credential that only the
// TPM with both can decrypt. The error is an *evidence.Error for a request that is
// malformed; keys that are refused are no error but a step that is not good.
func (e *Enrolments) Begin(request evidence.Enrolment, stapled *tee.Endorsements) (EnrolmentStep, error) {
	if err := request.Check(); err != nil {
		return EnrolmentStep{}, err
	}
	now := e.Now()
	outcome := e.judge(request, stapled, now)
	step := EnrolmentStep{Checks: outcome.Checks, Claims: outcome.Claims, Missing: outcome.Missing}
	if !outcome.Good() {
		return step, nil
	}
	ticket := evidence.EnrolmentTicket{
		Claims: outcome.Claims, AKKey: outcome.AKKey,
		Expires: now.Add(EnrolmentTTL).Truncate(time.Second), ValidUntil: outcome.ValidUntil,
	}
	rand.Read(ticket.ID[:])
	rand.Read(ticket.Secret[:])
	var err error
	if step.Credential, err = e.Enroller.Challenge(rand.Reader, outcome, ticket.Secret[:]); err != nil {
		return EnrolmentStep{}, err
	}
	step.Ticket, step.Expires = e.sealer.SealTicket(ticket), ticket.Expires
	return step, nil
}

// judge calls the enroller behind a fence: one that panics has refused.
func (e *Enrolments) judge(request evidence.Enrolment, stapled *tee.Endorsements, now time.Time) (outcome tee.EnrolmentOutcome) {
	defer func() {
		if recover() != nil {
			outcome = tee.EnrolmentOutcome{}
			outcome.Checks.Fail(evidence.CodeVerifierFault, "a verdict", "the enrolment's verifier failed")
		}
	}()
	outcome = e.Enroller.Judge(request, stapled.Over(e.Endorsements()), tee.Params{Now: now, Pooled: true})
	anchor := outcome.Claims.TrustAnchor
	outcome.Claims.Simulated = outcome.Claims.Simulated || anchor != nil && anchor.Origin == evidence.OriginSimulated
	if outcome.Claims.Simulated {
		outcome.Checks.Judge(e.AcceptSimulated, evidence.CodeSimulatedAllowed, "the consent of the service", "a simulated endorsement key")
	}
	return outcome
}

// UnprovedError is the error of an enrolment that was begun with these keys, and
// whose answer does not show that they are in one TPM.
type UnprovedError struct {
	Claims evidence.EnrolmentClaims
	cause  error
}

func (e *UnprovedError) Error() string { return e.cause.Error() }
func (e *UnprovedError) Unwrap() error { return e.cause }

// Finish compares the secret that the TPM decrypted. An enrolment that was
// answered is spent, whatever the answer. The error is an *evidence.Error with
// evidence.CodeTPMEnrolment, in an *UnprovedError if the secret is another.
func (e *Enrolments) Finish(ticket string, secret []byte) (Enrolment, error) {
	t, err := e.sealer.OpenTicket(ticket)
	if err != nil {
		return Enrolment{}, err
	}
	now := e.Now()
	if !now.Before(t.Expires) {
		return Enrolment{}, enrolmentError("the enrolment expired at %s; begin again", t.Expires.UTC().Format(time.RFC3339))
	}
	if err := e.Spender.Spend(t.ID, t.Expires, now); err != nil {
		if evidence.CodeOf(err) == evidence.CodeChallengeSpent {
			return Enrolment{}, enrolmentError("the enrolment was answered before; begin again")
		}
		return Enrolment{}, err
	}
	if subtle.ConstantTimeCompare(secret, t.Secret[:]) != 1 {
		return Enrolment{}, &UnprovedError{t.Claims, enrolmentError("the secret is not the one in the credential: the attestation key is not in the endorsement key's TPM; begin again")}
	}
	return Enrolment{&enrolment{ticket: t, id: newID(), at: now}}, nil
}

func enrolmentError(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTPMEnrolment, "enrolment", format, args...)
}
