package machines

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/eventlog"
	"github.com/quotary/quotary/tee/tpm/guest"
)

// external is a TPM that a program runs: its evidence is collected as on a real machine.
// The simulated maker certifies its keys.
type external struct {
	name    string
	boot    *simulated.Boot
	bank    string
	options guest.Options
	maker   *tpm.Vendor

	mu      sync.Mutex // held while the TPM is used: the program serves one at a time
	program *program
	tpm     *guest.TPM
	log     []byte   // of the boot
	chain   [][]byte // of the attestation key
}

var _ module = (*external)(nil)

// newExternal starts a TPM and boots the machine around it.
func newExternal(p *plan) (*external, error) {
	started, err := startProgram()
	if err != nil {
		return nil, err
	}
	e := &external{
		name: p.module.Name, boot: p.module.Boot, bank: p.module.Bank, maker: p.maker, program: started,
		options: guest.Options{RSA: p.module.Key == tpm.KeyRSA},
	}
	if err := e.start(p); err != nil {
		return nil, errors.Join(err, started.Close())
	}
	return e, nil
}

// start boots the machine, opens its TPM and certifies the attestation key.
func (e *external) start(p *plan) error {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	if err := e.measureBoot(ctx); err != nil {
		return err
	}
	var err error
	if e.tpm, err = guest.New(ctx, e.program.device, e.options); err != nil {
		return err
	}
	if p.module.WithoutCertificate {
		return nil
	}
	ak, err := publicKey(e.tpm.AKPublic())
	if err != nil {
		return err
	}
	cert, err := e.maker.Intermediate.Issue(e.maker.AKTemplate(e.name), ak)
	if err != nil {
		return err
	}
	e.chain = [][]byte{cert.Raw, e.maker.Intermediate.Certificate.Raw}
	return nil
}

// publicKey returns the key in a TPMT_PUBLIC.
func publicKey(area []byte) (crypto.PublicKey, error) {
	public, err := tpm2.Unmarshal[tpm2.TPMTPublic](area)
	if err != nil {
		return nil, fmt.Errorf("swtpm: %w", err)
	}
	return tpm2.Pub(*public)
}

// measureBoot extends the PCRs as firmware and boot loaders do.
func (e *external) measureBoot(ctx context.Context) error {
	log := e.boot.Log(eventlog.PCRs, eventlog.SHA256, eventlog.SHA384)
	e.log = log.Encode()
	return e.program.run(ctx, func(t transport.TPM) error {
		for _, entry := range log.Entries {
			if entry.Type == eventlog.NoAction {
				continue
			}
			if err := extend(t, entry.Register, map[tpm2.TPMAlgID][]byte{
				tpm2.TPMAlgSHA256: entry.Digests[eventlog.SHA256], tpm2.TPMAlgSHA384: entry.Digests[eventlog.SHA384],
			}); err != nil {
				return fmt.Errorf("swtpm: PCR %d: %w", entry.Register, err)
			}
		}
		return nil
	})
}

// Kinds returns the one kind of evidence that Attest gives.
func (*external) Kinds() []evidence.Kind { return []evidence.Kind{evidence.KindTPM} }

// AttestationKey returns the SHA-256 of the key's SubjectPublicKeyInfo.
func (e *external) AttestationKey() evidence.Digest { return e.tpm.AttestationKey() }

// Attest returns a quote that carries the binding, and the log of the boot.
func (e *external) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	attester, err := e.tpm.Attester(guest.Quoting{
		Bank: e.bank, AKCertificates: e.chain, Logs: files{"tpm0/binary_bios_measurements": e.log},
	})
	if err != nil {
		return nil, err
	}
	return attester.Attest(ctx, binding)
}

// Measure extends a PCR in every bank with the digest of data.
func (e *external) Measure(pcr int, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	short, long := sha256.Sum256(data), sha512.Sum384(data)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.program.run(ctx, func(t transport.TPM) error {
		return extend(t, pcr, map[tpm2.TPMAlgID][]byte{tpm2.TPMAlgSHA256: short[:], tpm2.TPMAlgSHA384: long[:]})
	})
}

// Reboot switches the machine off and on, and boots it.
func (e *external) Reboot() error {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.program.again(ctx); err != nil {
		return err
	}
	return e.measureBoot(ctx)
}

// EnrolmentRequest returns the TPM's keys, with a certificate of the endorsement key.
func (e *external) EnrolmentRequest(ctx context.Context) (evidence.Enrolment, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	keys, err := e.tpm.EnrolmentRequest(ctx)
	if err != nil {
		return evidence.Enrolment{}, err
	}
	ek, err := publicKey(keys.EKPublic)
	if err != nil {
		return evidence.Enrolment{}, err
	}
	cert, err := e.maker.EKIntermediate.Issue(e.maker.EKTemplate(e.name, ek), ek)
	if err != nil {
		return evidence.Enrolment{}, err
	}
	keys.EKCertificates = [][]byte{cert.Raw, e.maker.EKIntermediate.Certificate.Raw}
	return keys, nil
}

// Activate has the TPM decrypt a credential.
func (e *external) Activate(ctx context.Context, credential tee.Credential) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tpm.Activate(ctx, credential)
}

// UseCertificates makes the machine send these certificates of its attestation key.
func (e *external) UseCertificates(certificates [][]byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.chain = slices.Clone(certificates)
}

// Close switches the TPM off for good.
func (e *external) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.program.Close()
}
