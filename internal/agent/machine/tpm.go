package machine

import (
	"context"
	"crypto"
	"fmt"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/tpm/guest"
)

// Platform says whose attestation key a TPM has.
type Platform string

// What Platform may be.
const (
	// Enrolled is a key of the TPM that the service certifies.
	Enrolled Platform = "enrolled"
	// Google is the key that Compute Engine certified in its virtual TPMs.
	Google Platform = "google"
	// Azure is the key of the paravisor of a confidential VM with SEV-SNP, whose report
	// covers it.
	Azure Platform = "azure"
)

// TPM says which TPM is quoted, and how. The zero value is the platform's TPM with a key
// that the service certifies, and PCRs 0 to 15 of SHA-256 with the event log.
type TPM struct {
	// Address is a device or a socket; see guest.ParseAddress.
	Address string
	// Platform is Enrolled if empty.
	Platform Platform
	// Bank and PCRs are what is quoted; see guest.Quoting.
	Bank string
	PCRs []int
	// IMA sends the kernel's measurement list along: what is new since the last
	// attestation that was accepted.
	IMA bool
	// EKCertificates are the endorsement key's certificate, DER, and intermediates, for a
	// TPM that does not have them.
	EKCertificates [][]byte
}

func (t TPM) check(environment TEE) error {
	switch t.Platform {
	case "", Enrolled, Google:
	case Azure:
		if environment != Detect && environment != None {
			return malformed("machine.tpm.platform", "the hardware of an Azure confidential VM is the paravisor's; leave machine.tee out")
		}
	default:
		return malformed("machine.tpm.platform", "%q is none of %s, %s and %s", t.Platform, Enrolled, Google, Azure)
	}
	return nil
}

// module is a TPM that was opened.
type module struct {
	config  *Config
	tpm     TPM
	address string
	opened  *guest.TPM
	report  *guest.ParavisorAttester // nil but for Azure

	certificates [][]byte  // of the attestation key
	renew, ends  time.Time // when to enrol again, and when that must be done; zero if not enrolled

	ima progress
}

// openTPM opens a TPM with its attestation key.
func (m *Machine) openTPM(ctx context.Context, t TPM) (*module, error) {
	mod := &module{config: &m.config, tpm: t, address: t.Address}
	if mod.address == "" {
		mod.address = m.config.Devices.TPM
	}
	var err error
	if mod.opened, err = guest.Open(ctx, mod.address, mod.options()); err != nil {
		return nil, err
	}
	switch t.Platform {
	case Google:
		certificate, err := mod.opened.Certificate(ctx, guest.GoogleAKCertificate)
		if err != nil {
			return nil, fmt.Errorf("the certificate that Compute Engine made: %w", err)
		}
		mod.certificates = [][]byte{certificate}
	case Azure:
		quotes, err := mod.opened.Attester(mod.quoting(nil))
		if err != nil {
			return nil, err
		}
		if mod.report, err = quotes.Paravisor(ctx); err != nil {
			return nil, fmt.Errorf("the paravisor's report: %w", err)
		}
	}
	return mod, nil
}

func (t *module) options() guest.Options {
	o := guest.Options{EKCertificates: t.tpm.EKCertificates}
	switch t.tpm.Platform {
	case Google:
		o.AKTemplate = guest.GoogleAKTemplate
	case Azure:
		o.AKHandle = guest.ParavisorAK
	}
	return o
}

func (t *module) quoting(key crypto.Signer) guest.Quoting {
	inTPM, _ := key.(*guest.Key)
	return guest.Quoting{
		Bank: t.tpm.Bank, PCRs: t.tpm.PCRs, AKCertificates: t.certificates, Key: inTPM, WithoutEventLog: t.config.WithoutEventLog,
		IMA: t.tpm.IMA, IMAOffset: t.ima.entries, Logs: t.config.Devices.Logs,
	}
}

// attester returns what quotes the TPM, for a key that may live in it.
func (t *module) attester(ctx context.Context, key crypto.Signer) (tee.KeyAttester, error) {
	quotes, err := t.opened.Attester(t.quoting(key))
	if err != nil || t.report == nil {
		return quotes, err
	}
	return quotes.Paravisor(ctx)
}

// enrolled reports whether the service certifies the attestation key.
func (t *module) enrolled() bool { return t.tpm.Platform == "" || t.tpm.Platform == Enrolled }

// enrol has the attestation key certified, if that is due. While the certificate at hand
// counts, a failure is no reason not to attest.
func (t *module) enrol(ctx context.Context, c *client.Client) error {
	now := t.config.Now()
	if !t.enrolled() || now.Before(t.renew) {
		return nil
	}
	key, err := t.certify(ctx, c)
	if err != nil {
		if now.Before(t.ends) {
			t.config.Logger.Warn("the attestation key could not be enrolled again", "cause", err.Error(), "certificate_ends", t.ends)
			return nil
		}
		return err
	}
	t.certificates, t.ends = key.Certificates, key.NotAfter
	t.renew = now.Add(key.NotAfter.Sub(now) * 2 / 3)
	t.config.Logger.Info("the attestation key is enrolled", "enrolment_id", key.EnrolmentID, "ak_sha256", key.AKSHA256.String(), "ek_sha256", key.EKSHA256.String(), "not_after", key.NotAfter)
	return nil
}

// certify enrols by the TPM's first endorsement key, or, where the service does not trust
// that, by any other that it has: its operator may have listed one of them.
func (t *module) certify(ctx context.Context, c *client.Client) (*client.AttestationKey, error) {
	key, err := c.Enrol(ctx, t.opened, client.EnrolOptions{})
	if !problemWith(err, evidence.CodeTPMEKUntrusted) || len(t.tpm.EKCertificates) > 0 {
		return key, err
	}
	keys, _, listErr := t.opened.EndorsementKeys(ctx)
	if listErr != nil || len(keys) < 2 {
		return nil, err
	}
	for _, other := range keys[1:] {
		o := t.options()
		o.EKCertificates = other.Certificates
		opened, openErr := guest.Open(ctx, t.address, o)
		if openErr != nil {
			return nil, openErr
		}
		key, otherErr := c.Enrol(ctx, opened, client.EnrolOptions{})
		if otherErr == nil {
			t.opened = opened // by the same endorsement key the next time
		}
		if !problemWith(otherErr, evidence.CodeTPMEKUntrusted) {
			return key, otherErr
		}
	}
	return nil, err
}

// mend changes what is sent, so that a refusal for what was lacking does not repeat. It is
// false if there is nothing to change.
func (t *module) mend(err error) bool {
	switch {
	case t.ima.entries > 0 && problemWith(err, evidence.CodeTPMReboot, evidence.CodeTPMIMAOffset):
		t.ima = progress{}
	case t.enrolled() && (problemWith(err, evidence.CodeTPMAKUntrusted) || unknownIssuer(err)):
		t.certificates, t.renew, t.ends = nil, time.Time{}, time.Time{}
	default:
		return false
	}
	return true
}

// accepted notes how far an accepted quote has brought the service.
func (t *module) accepted(quote *evidence.TPM) {
	if t.tpm.IMA && quote != nil {
		t.ima = t.ima.after(quote, t.tpm.Bank)
	}
}
