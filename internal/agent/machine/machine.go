// Package machine is the machine that the agent runs on, as what can be proved of it:
// which trusted execution environment it is, or which TPM it has, or both. It finds
// that out or is told, has the TPM's attestation key certified by the service and again
// before that certificate ends, makes keys, and attests.
//
// A service goes by what it has seen of a TPM before. Where it wants what it has lost or
// what was left out (all logs after a restart, a certificate of its new authority), the
// machine sends that and tries again, before anybody hears of a refusal.
//
// Start at [New] and [Machine.Attest].
package machine

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// TEE says which trusted execution environment the machine is.
type TEE string

// What TEE may be.
const (
	// Detect asks the kernel; with nothing there, the machine is one with a TPM.
	Detect TEE = "detect"
	SEVSNP TEE = "sev-snp"
	TDX    TEE = "tdx"
	// None is a machine with a TPM alone.
	None TEE = "none"
)

// Config says what of the machine is proved.
type Config struct {
	// TEE is Detect if empty.
	TEE TEE
	// VMPL is the privilege level of SEV-SNP that reports are to name.
	VMPL uint
	// WithoutEventLog leaves the event logs of firmware at home.
	WithoutEventLog bool
	// TPM says which TPM is quoted, and how; nil for none beside a TEE, and for that of
	// the platform where there is no TEE.
	TPM *TPM
	// KeyInTPM has keys made in the TPM, which they cannot leave, instead of in memory.
	KeyInTPM bool
	// Devices are the ways to the machine; the zero value stands for the machine itself.
	Devices Devices
	// Logger is told what is not as it should be, and goes on; nil means nobody.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Machine attests, once at a time. It is safe for concurrent use.
type Machine struct {
	config Config
	slot   chan struct{} // held while the rest is used
	opened bool
	tee    tee.Attester // nil without
	tpm    *module      // nil without
}

// New checks what was configured. The machine is asked later, since its drivers may not
// be there yet.
func New(c Config) (*Machine, error) {
	if c.TEE == "" {
		c.TEE = Detect
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.TPM != nil {
		if err := c.TPM.check(c.TEE); err != nil {
			return nil, err
		}
	}
	switch c.TEE {
	case Detect, SEVSNP, TDX, None:
	default:
		return nil, malformed("machine.tee", "%q is none of %s, %s, %s and %s", c.TEE, Detect, SEVSNP, TDX, None)
	}
	if c.VMPL > maxVMPL {
		return nil, malformed("machine.vmpl", "%d is not between 0 and %d", c.VMPL, maxVMPL)
	}
	if c.KeyInTPM && c.TPM == nil && c.TEE != None {
		return nil, malformed("machine.key", "keys in the TPM need a TPM; say which in machine.tpm")
	}
	c.Devices = c.Devices.orOwn()
	return &Machine{config: c, slot: make(chan struct{}, 1)}, nil
}

// enter waits for its turn, and opens the machine if that was not done yet; call leave
// afterwards if there is no error.
func (m *Machine) enter(ctx context.Context) error {
	select {
	case m.slot <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := m.open(ctx)
	if err != nil {
		m.leave()
	}
	return err
}

func (m *Machine) leave() { <-m.slot }

// Kinds returns the kinds of evidence that the machine gives, once it was opened.
func (m *Machine) Kinds(ctx context.Context) ([]evidence.Kind, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.leave()
	attester, err := m.attester(ctx, nil)
	if err != nil {
		return nil, err
	}
	return attester.Kinds(), nil
}

// Collect returns evidence that carries a binding, for whoever wants it on its own. A
// TPM's attestation key is not enrolled for that.
func (m *Machine) Collect(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.leave()
	attester, err := m.attester(ctx, nil)
	if err != nil {
		return nil, err
	}
	return attester.Attest(ctx, binding)
}

// Attest makes a new key and attests for it. The error is a *client.Problem if the
// service refused; see [client.Client.Attest].
func (m *Machine) Attest(ctx context.Context, c *client.Client, o client.AttestOptions) (*client.Identity, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.leave()
	for attempt := 1; ; attempt++ {
		identity, err := m.attest(ctx, c, o)
		if err == nil || attempt == maxAttempts || m.tpm == nil || !m.tpm.mend(err) {
			return identity, err
		}
		m.config.Logger.Info("the service wants more of this machine; attesting anew", "cause", err.Error())
	}
}

// attest makes one attempt.
func (m *Machine) attest(ctx context.Context, c *client.Client, o client.AttestOptions) (*client.Identity, error) {
	if m.tpm != nil {
		if err := m.tpm.enrol(ctx, c); err != nil {
			return nil, fmt.Errorf("enrolling the TPM: %w", err)
		}
	}
	key, err := m.newKey(ctx)
	if err != nil {
		return nil, err
	}
	attester, err := m.attester(ctx, key)
	if err != nil {
		return nil, err
	}
	watched := &watcher{Attester: attester}
	identity, err := c.Attest(ctx, watched, key, o)
	if err == nil && m.tpm != nil {
		m.tpm.accepted(watched.quote)
	}
	return identity, err
}

// newKey makes a key that has never been used.
func (m *Machine) newKey(ctx context.Context) (crypto.Signer, error) {
	if m.config.KeyInTPM {
		return m.tpm.opened.NewKey(ctx)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// attester puts the machine's parts together.
func (m *Machine) attester(ctx context.Context, key crypto.Signer) (tee.Attester, error) {
	if m.tpm == nil {
		return m.tee, nil
	}
	quotes, err := m.tpm.attester(ctx, key)
	if err != nil || m.tee == nil {
		return quotes, err
	}
	return tee.Compose(m.tee, quotes), nil
}

// watcher remembers the last quote of a TPM that was sent.
type watcher struct {
	tee.Attester
	quote *evidence.TPM
}

func (w *watcher) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	bundle, err := w.Attester.Attest(ctx, binding)
	for _, item := range bundle {
		if quote, ok := item.(*evidence.TPM); ok {
			w.quote = quote
		}
	}
	return bundle, err
}

func malformed(field, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeConfigMalformed, field, format, args...)
}

// absent reports whether a machine has no such interface.
func absent(err error) bool { return evidence.CodeOf(err) == evidence.CodeAttesterAbsent }

// unknownIssuer reports whether the service does not know who certified the attestation
// key: it was another authority of its own, which it has lost.
func unknownIssuer(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) && slices.ContainsFunc(p.Missing, func(m tee.EndorsementName) bool { return m.Type == "ak-intermediate" })
}

// problemWith reports whether the service refused because of one of these codes: as its
// reason or as a check that failed.
func problemWith(err error, codes ...evidence.Code) bool {
	var p *client.Problem
	if !errors.As(err, &p) {
		return false
	}
	for _, code := range codes {
		if check, ok := p.Checks.Get(code); p.Reason.Code == code || ok && check.Status == evidence.Fail {
			return true
		}
	}
	return false
}
