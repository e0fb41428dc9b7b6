package ca

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// enroller finds good what it is told to, and gives away the secret.
type enroller struct {
	outcome tee.EnrolmentOutcome
	secret  []byte
}

func (e *enroller) Judge(evidence.Enrolment, *tee.Endorsements, tee.Params) tee.EnrolmentOutcome {
	return e.outcome
}

func (e *enroller) Challenge(_ io.Reader, _ tee.EnrolmentOutcome, secret []byte) (tee.Credential, error) {
	e.secret = append([]byte{}, secret...)
	return tee.Credential{Blob: []byte{1}, Secret: []byte{1}}, nil
}

// enrolment describes a finished enrolment. Its zero value is that of a new P-256
// key in a TPM with a certificate.
type enrolment struct {
	claims     func(*evidence.EnrolmentClaims)
	spki       []byte
	validUntil time.Time
	at         time.Time
}

func tpmClaims(spki []byte) evidence.EnrolmentClaims {
	sum, ek := sha256.Sum256(spki), sha256.Sum256([]byte("ek"))
	return evidence.EnrolmentClaims{
		EKSHA256: ek[:], EKSource: "certificate", Manufacturer: "id:414D4400", Model: "AMD", Version: "id:00060017",
		AKSHA256: sum[:], AKName: []byte{0, 11, 1},
	}
}

// enrolled finishes an enrolment, through the one path that there is.
func (e enrolment) enrolled(tb testing.TB) verifier.Enrolment {
	tb.Helper()
	if e.spki == nil {
		e.spki = verifiertest.NewKey(tb).SPKI()
	}
	if e.at.IsZero() {
		e.at = verifiertest.Now()
	}
	claims := tpmClaims(e.spki)
	if e.claims != nil {
		e.claims(&claims)
	}
	fake := &enroller{outcome: tee.EnrolmentOutcome{
		Claims: claims, EKPublic: []byte{1}, AKPublic: []byte{1}, AKKey: e.spki, ValidUntil: e.validUntil,
	}}
	fake.outcome.Checks.Pass(evidence.CodeTPMEKKey, "good")
	return finish(tb, fake, evidence.Enrolment{EKPublic: []byte{1}, AKPublic: []byte{1}}, e.at,
		func(tee.Credential) ([]byte, error) { return fake.secret, nil })
}

// finish enrols with an enroller and a TPM that activates the credential.
func finish(tb testing.TB, by tee.Enroller, request evidence.Enrolment, at time.Time, activate func(tee.Credential) ([]byte, error)) verifier.Enrolment {
	tb.Helper()
	enrolments, err := verifier.NewEnrolments(verifier.EnrolmentConfig{
		Enroller: by, Spender: &verifier.SpentSet{}, AcceptSimulated: true, Now: func() time.Time { return at },
	})
	if err != nil {
		tb.Fatal(err)
	}
	step, err := enrolments.Begin(request, nil)
	if err != nil || !step.Good() {
		tb.Fatalf("%v: %v", err, step.Checks.Failed())
	}
	secret, err := activate(step.Credential)
	if err != nil {
		tb.Fatal(err)
	}
	done, err := enrolments.Finish(step.Ticket, secret)
	if err != nil {
		tb.Fatal(err)
	}
	return done
}

// simulatedTPM marks claims as those of a simulated TPM.
func simulatedTPM(c *evidence.EnrolmentClaims) { c.Simulated = true }

// openAttestation returns a new attestation authority, at the time of enrolments.
func openAttestation(tb testing.TB) *AttestationAuthority {
	tb.Helper()
	return openAttestationAt(tb, tb.TempDir(), &clock{verifiertest.Now()})
}

func openAttestationAt(tb testing.TB, dir string, c *clock) *AttestationAuthority {
	tb.Helper()
	a, err := OpenAttestation(AttestationConfig{Dir: dir, Simulated: true, Now: c.now})
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// certify returns the certificate for e and its parsed form.
func certify(tb testing.TB, a *AttestationAuthority, e enrolment) (*AttestationCertificate, *x509.Certificate) {
	tb.Helper()
	issued, err := a.Issue(e.enrolled(tb))
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(issued.Chain[0])
	if err != nil {
		tb.Fatal(err)
	}
	return issued, cert
}

// sample is a good profile for a new key.
func (ca *attestationCA) sample(tb testing.TB, a *AttestationAuthority) *attestationProfile {
	tb.Helper()
	p, err := a.attestationProfile(ca, enrolment{}.enrolled(tb), a.now())
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// template is the profile in the standard library's terms, which encodes it
// independently of encode, but for the names.
func (p *attestationProfile) template() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: new(big.Int).Set(p.serial), NotBefore: p.notBefore.UTC(), NotAfter: p.notAfter.UTC(),
		KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 133, 8, 3}},
		BasicConstraintsValid: true, MaxPathLen: -1, SubjectKeyId: spkiID(p.spki), SignatureAlgorithm: x509.ECDSAWithSHA256,
		ExtraExtensions: []pkix.Extension{{Id: oidSubjectAltName, Critical: true, Value: p.names.marshal()}},
	}
}

func (p *attestationProfile) public() any {
	key, err := x509.ParsePKIXPublicKey(p.spki)
	if err != nil {
		panic(err)
	}
	return key
}

// forge signs a changed template with the CA's key, as a thief would.
func (ca *attestationCA) forge(tb testing.TB, a *AttestationAuthority, change func(*x509.Certificate)) *x509.Certificate {
	tb.Helper()
	p := ca.sample(tb, a)
	template := p.template()
	change(template)
	return create(tb, template, ca.cert, p.public(), ca.key)
}

// marshal is the SubjectAltName by the standard library's encoder.
func (n tpmNames) marshal() []byte {
	type attribute struct {
		ID    asn1.ObjectIdentifier
		Value string `asn1:"utf8"`
	}
	type identifier struct {
		Value string `asn1:"utf8"`
	}
	type otherName struct {
		ID    asn1.ObjectIdentifier
		Value identifier `asn1:"explicit,tag:0"`
	}
	permanent := marshal(otherName{oidPermanentIdentifier, identifier{n.endorsementKey}}, "tag:0")
	names := []asn1.RawValue{{FullBytes: permanent}}
	if !n.anonymous() {
		var sets []asn1.RawValue
		for at, text := range []string{n.manufacturer, n.model, n.version} {
			sets = append(sets, asn1.RawValue{FullBytes: marshal([]attribute{{asn1.ObjectIdentifier{2, 23, 133, 2, at + 1}, text}}, "set")})
		}
		directory := marshal(sets, "explicit,tag:4")
		names = append([]asn1.RawValue{{FullBytes: directory}}, names...)
	}
	return marshal(names, "")
}

func marshal(value any, params string) []byte {
	der, err := asn1.MarshalWithParams(value, params)
	if err != nil {
		panic(err)
	}
	return der
}
