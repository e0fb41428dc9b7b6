package tpm

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/seed"
)

// KeyType is the type of an attestation key.
type KeyType string

// The types of attestation keys.
const (
	KeyECC KeyType = "ecc" // P-256, ECDSA with SHA-256
	KeyRSA KeyType = "rsa" // RSA-2048, RSASSA with SHA-256
)

// MachineOptions say what a machine is.
type MachineOptions struct {
	// Name tells machines apart: another name is another TPM with another key.
	Name string
	Key  KeyType // empty is KeyECC
	Bank string  // that quotes cover; empty is SHA256
	PCRs []int   // that quotes cover; nil is 0 to 15
	// Attributes of the attestation key; zero is those of a restricted one.
	Attributes tpm2.TPMAObject
	// WithoutCertificate leaves the key's certificates out of the evidence, as
	// on a machine whose key the operator knows.
	WithoutCertificate bool
}

// Machine is a computer with a simulated TPM. It implements tee.Attester and is
// safe for concurrent use.
type Machine struct {
	// Key is the attestation key. No TPM gives it out.
	Key crypto.Signer
	// Public is the key's TPMT_PUBLIC.
	Public []byte
	// Certificate is that of the attestation key.
	Certificate *x509.Certificate

	clock        func() time.Time
	booted       time.Time
	bank         string
	quoted       []int
	certificates [][]byte
	signer       []byte // the key's qualified name

	mu         sync.Mutex
	pcrs       evidence.PCRs // guarded by mu
	resetCount uint32        // guarded by mu
}

// restricted are the attributes of an attestation key.
var restricted = tpm2.TPMAObject{
	FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true,
	NoDA: true, Restricted: true, SignEncrypt: true,
}

// NewMachine makes a machine whose PCRs are as after a start without firmware,
// and certifies its attestation key.
func (v *Vendor) NewMachine(options MachineOptions) (*Machine, error) {
	m := &Machine{
		clock: v.clock, booted: v.clock(), bank: options.Bank, quoted: options.PCRs, pcrs: startPCRs(), resetCount: 1,
	}
	if m.bank == "" {
		m.bank = SHA256
	}
	if m.quoted == nil {
		m.quoted = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	}
	if options.Attributes == (tpm2.TPMAObject{}) {
		options.Attributes = restricted
	}
	area, err := m.makeKey(v.source, options)
	if err != nil {
		return nil, err
	}
	m.Public = tpm2.Marshal(area)
	if m.signer, err = qualifiedName(area); err != nil {
		return nil, err
	}
	if m.Certificate, err = v.Intermediate.Issue(v.AKTemplate(options.Name), m.Key.Public()); err != nil {
		return nil, err
	}
	if !options.WithoutCertificate {
		m.certificates = [][]byte{m.Certificate.Raw, v.Intermediate.Certificate.Raw}
	}
	return m, nil
}

// makeKey makes the attestation key and its public area.
func (m *Machine) makeKey(source seed.Source, options MachineOptions) (tpm2.TPMTPublic, error) {
	switch options.Key {
	case KeyECC, "":
		key := source.ECDSA(elliptic.P256(), "machine/"+options.Name)
		m.Key = key
		return eccArea(&key.PublicKey, options.Attributes)
	case KeyRSA:
		key := source.RSA(2048, "machine/"+options.Name)
		m.Key = key
		return rsaArea(&key.PublicKey, options.Attributes), nil
	}
	return tpm2.TPMTPublic{}, fmt.Errorf("tpm: no attestation keys of type %q", options.Key)
}

// Kinds returns the one kind of evidence that Attest gives.
func (*Machine) Kinds() []evidence.Kind { return []evidence.Kind{evidence.KindTPM} }

// Attest returns a quote that carries the binding.
func (m *Machine) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	quote, err := m.Quote(binding.ReportData(evidence.KindTPM))
	if err != nil {
		return nil, err
	}
	return evidence.NewBundle(quote)
}

// Quote returns a quote of the machine's PCRs with this extra data.
func (m *Machine) Quote(extraData []byte) (*evidence.TPM, error) {
	attest, err := m.Attestation(extraData)
	if err != nil {
		return nil, err
	}
	return m.Sign(tpm2.Marshal(attest))
}

// Sign signs anything as TPMS_ATTEST and returns it as evidence, with the
// values of the PCRs that the machine quotes.
func (m *Machine) Sign(attest []byte) (*evidence.TPM, error) {
	signature, err := m.signature(attest)
	if err != nil {
		return nil, err
	}
	values := m.PCRs()[m.bank]
	for index := range values {
		if !slices.Contains(m.quoted, index) {
			delete(values, index)
		}
	}
	item := &evidence.TPM{
		Attest: attest, Signature: tpm2.Marshal(signature), PCRs: evidence.PCRs{m.bank: values}, AKPublic: slices.Clone(m.Public),
	}
	for _, der := range m.certificates { // the evidence is the caller's
		item.AKCertificates = append(item.AKCertificates, slices.Clone(der))
	}
	return item, nil
}

// isECDSA reports which of the two types of keys the machine has.
func (m *Machine) isECDSA() bool {
	_, ok := m.Key.Public().(*ecdsa.PublicKey)
	return ok
}
