package guest

import (
	"context"
	"io/fs"
	"os"

	"github.com/quotary/quotary/evidence"
)

// Quoting says what a quote covers and what goes along. The zero value is a quote of
// the PCRs 0 to 15 of SHA-256, with the event log.
type Quoting struct {
	// Bank is "sha256", the default, "sha384" or "sha512".
	Bank string
	// PCRs are the registers to quote; none are 0 to 15.
	PCRs []int
	// AKCertificates are the attestation key's certificate, DER, and intermediates, as an
	// enrolment gave them.
	AKCertificates [][]byte
	// Key is the key that is to be certified, if it lives in this TPM: the attestation
	// key then certifies that.
	Key *Key
	// WithoutEventLog leaves the event log at home.
	WithoutEventLog bool
	// IMA sends the kernel's measurement list, behind the first IMAOffset entries: as
	// many as a service accepted since the machine was started.
	IMA       bool
	IMAOffset uint64
	// Logs has the logs as Linux has them in /sys/kernel/security, which is the default.
	Logs fs.FS
}

// securityFS is where Linux has the logs.
const securityFS = "/sys/kernel/security"

// Attester gives quotes of a TPM. It implements tee.KeyAttester and is safe for
// concurrent use.
type Attester struct {
	tpm       *TPM
	quoting   Quoting
	selection selection
}

// Attester returns an attester that quotes as q says. There may be several of one TPM.
func (t *TPM) Attester(q Quoting) (*Attester, error) {
	s, err := newSelection(q.Bank, q.PCRs)
	if err != nil {
		return nil, err
	}
	if q.Logs == nil {
		q.Logs = os.DirFS(securityFS)
	}
	return &Attester{t, q, s}, nil
}

// Kinds returns the one kind of evidence that Attest gives.
func (*Attester) Kinds() []evidence.Kind { return []evidence.Kind{evidence.KindTPM} }

// AttestationKey returns the SHA-256 of the attestation key's SubjectPublicKeyInfo.
func (a *Attester) AttestationKey() evidence.Digest { return a.tpm.AttestationKey() }

// Attest returns a quote that carries the binding. See [Attester.Collect] for its errors.
func (a *Attester) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	c, err := a.Collect(ctx, binding.ReportData(evidence.KindTPM))
	if err != nil {
		return nil, err
	}
	return evidence.NewBundle(c.Item)
}

// Collected is what a TPM and its machine gave.
type Collected struct {
	// Item has the quote and what explains it.
	Item *evidence.TPM
	// Omitted says why logs that there are, or that were asked for, were left at home: a
	// service would refuse the quote with them, or they cannot be read.
	Omitted []error
}

// Collect asks for a quote with this qualifying data, at most 66 bytes (TPM2B_DATA). An
// error is an [*evidence.Error] with one of the attester's codes, or wraps ctx's: Collect
// returns when ctx ends, though the TPM may be at work until it has an answer; until
// then later calls wait.
func (a *Attester) Collect(ctx context.Context, data []byte) (*Collected, error) {
	type answer struct {
		quote         quotation
		certification *evidence.TPMCertification
	}
	got, err := do(ctx, a.tpm, func(l *link) (got answer, err error) {
		ak, err := l.attestationKey()
		if err != nil {
			return got, err
		}
		if string(ak.area) != string(a.tpm.area) {
			return got, errChangedKey(a.tpm)
		}
		if got.quote, err = l.quote(ak, a.selection, data); err != nil || a.quoting.Key == nil {
			return got, err
		}
		got.certification, err = l.certify(ak, a.quoting.Key, data)
		return got, err
	})
	if err != nil {
		return nil, err
	}
	c := &Collected{Item: &evidence.TPM{
		Attest: got.quote.attest, Signature: got.quote.signature, AKPublic: a.tpm.AKPublic(),
		PCRs:          evidence.PCRs{a.selection.bank.name: got.quote.values},
		Certification: got.certification,
	}}
	for _, certificate := range a.quoting.AKCertificates {
		c.Item.AKCertificates = append(c.Item.AKCertificates, append([]byte(nil), certificate...))
	}
	a.addLogs(c)
	return c, nil
}
