package server

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/verifier"
)

// Enrolment is what the server enrols TPMs with.
type Enrolment struct {
	Enroller  Enroller
	Authority AttestationAuthority
	// Replace has a TPM's new attestation key supersede its last one.
	Replace bool
}

// Enroller judges enrolments: a *verifier.Enrolments.
type Enroller interface {
	Begin(evidence.Enrolment, *tee.Endorsements) (verifier.EnrolmentStep, error)
	Finish(ticket string, secret []byte) (verifier.Enrolment, error)
}

// AttestationAuthority certifies attestation keys: a *ca.AttestationAuthority.
type AttestationAuthority interface {
	Issue(verifier.Enrolment) (*ca.AttestationCertificate, error)
	PEM() []byte
}

// EnrolmentResponse is the answer to POST /v1/tpm/enrolments.
type EnrolmentResponse struct {
	Enrolment      string          `json:"enrolment"`       // opaque; send it back as it is
	CredentialBlob string          `json:"credential_blob"` // TPM2B_ID_OBJECT, base64
	Secret         string          `json:"secret"`          // TPM2B_ENCRYPTED_SECRET, base64
	ExpiresAt      time.Time       `json:"expires_at"`
	EKSHA256       evidence.Hex    `json:"ek_sha256"`
	AKSHA256       evidence.Hex    `json:"ak_sha256"`
	Simulated      bool            `json:"simulated"`
	Checks         evidence.Checks `json:"checks"`
}

// ActivationResponse is the answer to POST /v1/tpm/activations.
type ActivationResponse struct {
	EnrolmentID string `json:"enrolment_id"`
	// AKCertificates is the attestation key's certificate, PEM. Its issuer is at GET /v1/tpm/ca.
	AKCertificates string       `json:"ak_certificates"`
	Serial         string       `json:"serial"` // lower-case hex
	EKSHA256       evidence.Hex `json:"ek_sha256"`
	AKSHA256       evidence.Hex `json:"ak_sha256"`
	AKName         evidence.Hex `json:"ak_name"`
	Manufacturer   string       `json:"manufacturer,omitempty"`
	Model          string       `json:"model,omitempty"`
	Version        string       `json:"version,omitempty"`
	Simulated      bool         `json:"simulated"`
	NotBefore      time.Time    `json:"not_before"`
	NotAfter       time.Time    `json:"not_after"`
}

// unenrolled is the error of an enrolment whose keys were not good.
type unenrolled struct {
	reason *evidence.Error
	step   verifier.EnrolmentStep
}

func (e *unenrolled) Error() string { return e.reason.Error() }

func (e *unenrolled) Unwrap() error { return e.reason }

// verdict is what the client is told.
func (e *unenrolled) verdict() verifier.Verdict {
	if e.reason.Code == evidence.CodeEndorsementsMissing {
		return verifier.Undecided
	}
	return verifier.Rejected
}

// stepError returns nil for keys that are good.
func stepError(step verifier.EnrolmentStep) error {
	switch {
	case step.Good():
		return nil
	case len(step.Checks.Failed()) == 0 && len(step.Missing) > 0:
		return &unenrolled{evidence.Errorf(evidence.CodeEndorsementsMissing, "", "a certificate between the endorsement key's and a configured root is missing, see missing; send it with the endorsement key's"), step}
	}
	return &unenrolled{evidence.Errorf(evidence.CodeNotAccepted, "", "%s", whyRejected(step.Checks)), step}
}

// errEnrolmentOff says that this service has nothing to enrol TPMs with.
func errEnrolmentOff() error {
	return evidence.Errorf(evidence.CodeTPMEnrolmentOff, "", "this service trusts no endorsement key; its operator configures tpm.enrolment")
}

// enrol answers POST /v1/tpm/enrolments, the first step. It keeps nothing.
func (s *Server) enrol(x *exchange) (reply, error) {
	if s.Enrolment == nil {
		return reply{}, errEnrolmentOff()
	}
	body, err := x.readBody()
	if err != nil {
		return reply{}, err
	}
	var step verifier.EnrolmentStep
	err = s.underGate(x, func() error {
		request, stapled, err := decodeEnrolment(body)
		if err != nil {
			return err
		}
		return s.timed("appraise", func() error { step, err = s.Enrolment.Enroller.Begin(request, stapled); return err })
	})
	if err != nil {
		return reply{}, err
	}
	x.keys = step.Claims
	if err := stepError(step); err != nil {
		return reply{}, err
	}
	return reply{body: EnrolmentResponse{
		Enrolment: step.Ticket, ExpiresAt: step.Expires.UTC(), Checks: step.Checks, Simulated: step.Claims.Simulated,
		CredentialBlob: base64.StdEncoding.EncodeToString(step.Credential.Blob),
		Secret:         base64.StdEncoding.EncodeToString(step.Credential.Secret),
		EKSHA256:       step.Claims.EKSHA256, AKSHA256: step.Claims.AKSHA256,
	}}, nil
}

func decodeEnrolment(body []byte) (request evidence.Enrolment, stapled *tee.Endorsements, err error) {
	o, err := decodeObject(body, memberEKCertificates, "ek_public", "ak_public", memberEndorsements)
	if err != nil {
		return request, nil, err
	}
	texts, err := o.texts(memberEKCertificates)
	if err != nil {
		return request, nil, err
	}
	if len(texts) > evidence.MaxCertificates {
		return request, nil, malformed(memberEKCertificates, "more than %d certificates", evidence.MaxCertificates)
	}
	for i, text := range texts {
		data, err := decodeBase64(fmt.Sprintf("%s[%d]", memberEKCertificates, i), text)
		if err != nil {
			return request, nil, err
		}
		request.EKCertificates = append(request.EKCertificates, data)
	}
	if request.EKPublic, err = o.bytes("ek_public"); err != nil {
		return request, nil, err
	}
	if request.AKPublic, err = o.bytes("ak_public"); err != nil {
		return request, nil, err
	}
	stapled, err = o.endorsements()
	return request, stapled, err
}

// bytes returns a member that holds bytes in base64, or nil if it is not there.
func (o object) bytes(name string) ([]byte, error) {
	text, err := o.text(name)
	if err != nil || text == "" {
		return nil, err
	}
	return decodeBase64(name, text)
}

func decodeBase64(field, text string) ([]byte, error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, malformed(field, "this is not base64")
	}
	return data, nil
}

// activate answers POST /v1/tpm/activations, the second step: the certificate of
// the attestation key leaves once the enrolment is recorded.
func (s *Server) activate(x *exchange) (reply, error) {
	if s.Enrolment == nil {
		return reply{}, errEnrolmentOff()
	}
	body, err := x.readBody()
	if err != nil {
		return reply{}, err
	}
	var enrolment verifier.Enrolment
	var certificate *ca.AttestationCertificate
	err = s.underGate(x, func() error {
		if enrolment, err = s.finish(x, body); err != nil {
			return err
		}
		return s.timed("issue", func() error { certificate, err = s.Enrolment.Authority.Issue(enrolment); return err })
	})
	if err != nil {
		return reply{}, err
	}
	if err := s.recordEnrolment(x, enrolment, certificate); err != nil {
		return reply{}, err
	}
	return reply{body: activationResponse(enrolment, certificate)}, nil
}

func (s *Server) finish(x *exchange, body []byte) (verifier.Enrolment, error) {
	o, err := decodeObject(body, "enrolment", "secret")
	if err != nil {
		return verifier.Enrolment{}, err
	}
	ticket, err := o.text("enrolment")
	if err != nil {
		return verifier.Enrolment{}, err
	}
	secret, err := o.bytes("secret")
	if err != nil {
		return verifier.Enrolment{}, err
	}
	enrolment, err := s.Enrolment.Enroller.Finish(ticket, secret)
	var unproved *verifier.UnprovedError
	switch {
	case err == nil:
		x.keys = enrolment.Claims()
	case errors.As(err, &unproved):
		x.keys = unproved.Claims
	}
	return enrolment, err
}

func (s *Server) recordEnrolment(x *exchange, e verifier.Enrolment, c *ca.AttestationCertificate) error {
	claims := e.Claims()
	d := detail{RequestID: x.id, Route: x.route}
	event := store.Event{Action: "enrolment", Outcome: store.Issued, AttestationID: e.ID()}
	err := s.record(x, d, store.Entry{Event: event, Enrolment: &store.Enrolment{
		ID: e.ID(), EKSHA256: evidence.Digest(claims.EKSHA256), AKSHA256: evidence.Digest(claims.AKSHA256), AKName: claims.AKName,
		EKSource: claims.EKSource, Manufacturer: claims.Manufacturer, Model: claims.Model, Version: claims.Version,
		Serial: c.Serial, IssuedAt: e.At(), NotAfter: c.NotAfter, Simulated: claims.Simulated, Replace: s.Enrolment.Replace,
	}})
	if err == nil {
		s.metrics.outcome(x, "enrolment", "")
		x.enrolment = e
	}
	return err
}

func activationResponse(e verifier.Enrolment, c *ca.AttestationCertificate) ActivationResponse {
	claims := e.Claims()
	return ActivationResponse{
		EnrolmentID: e.ID(), Serial: c.Serial, Simulated: claims.Simulated,
		AKCertificates: string(c.PEM()),
		EKSHA256:       claims.EKSHA256, AKSHA256: claims.AKSHA256, AKName: slices.Clone(claims.AKName),
		Manufacturer: claims.Manufacturer, Model: claims.Model, Version: claims.Version,
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
	}
}

// attestationCAs answers GET /v1/tpm/ca.
func (s *Server) attestationCAs(*exchange) (reply, error) {
	if s.Enrolment == nil {
		return reply{}, errEnrolmentOff()
	}
	return reply{contentType: "application/pem-certificate-chain", cache: publicCache, body: s.Enrolment.Authority.PEM()}, nil
}
