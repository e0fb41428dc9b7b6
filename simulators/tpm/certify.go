package tpm

import (
	"fmt"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
)

// KeyOptions say what a key of a workload is.
type KeyOptions struct {
	Type KeyType // empty is KeyECC
	// Attributes of the key; zero is those of one that signs what it is given and
	// cannot leave its TPM.
	Attributes tpm2.TPMAObject
}

// NewKey makes a key of a workload in the machine's TPM, another one each time: on
// P-256, signing what it is given.
func (m *Machine) NewKey() (*Key, error) { return m.MakeKey(KeyOptions{}) }

// MakeKey makes a key of a workload in the machine's TPM, another one each time.
func (m *Machine) MakeKey(o KeyOptions) (*Key, error) {
	if o.Type == "" {
		o.Type = KeyECC
	}
	if o.Attributes == (tpm2.TPMAObject{}) {
		o.Attributes = unrestricted
	}
	m.mu.Lock()
	m.keys++
	label := fmt.Sprintf("machine/%s/key/%d", m.options.Name, m.keys)
	m.mu.Unlock()
	return m.vendor.newKey(label, keyOptions{typ: o.Type, attributes: o.Attributes, hierarchy: tpm2.TPMRHOwner})
}

// UseKey makes the evidence carry the certification of a key from now on; nil ends
// that.
func (m *Machine) UseKey(key *Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.certified = key
}

// Certify returns the attestation key's statement about another key of the TPM.
func (m *Machine) Certify(key *Key, extraData []byte) (*evidence.TPMCertification, error) {
	return m.SignCertification(tpm2.Marshal(m.Certification(key, extraData)), key.area)
}

// Certification returns what TPM2_Certify says of a key with this extra data, to be
// altered and marshalled for [Machine.SignCertification].
func (m *Machine) Certification(key *Key, extraData []byte) tpm2.TPMSAttest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.certification(key, extraData)
}

func (m *Machine) certification(key *Key, extraData []byte) tpm2.TPMSAttest {
	attest := m.statement(extraData)
	attest.Type = tpm2.TPMSTAttestCertify
	attest.Attested = tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{
		Name: tpm2.TPM2BName{Buffer: key.name}, QualifiedName: tpm2.TPM2BName{Buffer: key.qualified},
	})
	return attest
}

// SignCertification signs anything as the TPMS_ATTEST that certifies a key with
// this area.
func (m *Machine) SignCertification(attest, area []byte) (*evidence.TPMCertification, error) {
	signature, err := m.ak.signature(attest)
	if err != nil {
		return nil, err
	}
	return &evidence.TPMCertification{Attest: attest, Signature: signature, Public: slices.Clone(area)}, nil
}
