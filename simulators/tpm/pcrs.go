package tpm

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // the hashes of the banks
	_ "crypto/sha512"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
)

// The banks of a machine's TPM.
const (
	SHA256 = "sha256"
	SHA384 = "sha384"
)

var banks = []struct {
	name string
	id   tpm2.TPMAlgID
	hash crypto.Hash
}{
	{SHA256, tpm2.TPMAlgSHA256, crypto.SHA256},
	{SHA384, tpm2.TPMAlgSHA384, crypto.SHA384},
}

// firstDynamic is the first PCR that TPM2_Startup(STATE) does not restore (PC Client
// Platform TPM Profile, 4.6.1).
const firstDynamic = 16

// startPCRs returns the PCRs as TPM2_Startup(CLEAR) leaves them: zero, and those of
// the dynamic launch, 17 to 22, all ones (PC Client Platform TPM Profile, 4.6.1).
func startPCRs() evidence.PCRs {
	pcrs := evidence.PCRs{}
	for _, bank := range banks {
		pcrs[bank.name] = map[int]evidence.Hex{}
		for index := range evidence.MaxPCR + 1 {
			fill := byte(0)
			if index >= 17 && index <= 22 {
				fill = 0xff
			}
			pcrs[bank.name][index] = bytes.Repeat([]byte{fill}, bank.hash.Size())
		}
	}
	return pcrs
}

// Extend extends a PCR with a digest, in the bank whose digests have that size.
func (m *Machine) Extend(pcr int, digest []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.extend(pcr, digest)
}

func (m *Machine) extend(pcr int, digest []byte) error {
	for _, bank := range banks {
		if len(digest) == bank.hash.Size() && m.pcrs[bank.name][pcr] != nil {
			m.pcrs[bank.name][pcr] = sum(bank.hash, append(bytes.Clone(m.pcrs[bank.name][pcr]), digest...))
			return nil
		}
	}
	return fmt.Errorf("tpm: no PCR %d in a bank with digests of %d bytes", pcr, len(digest))
}

// Measure extends a PCR in every bank with the digest of an event that no log has.
func (m *Machine) Measure(pcr int, event []byte) error {
	for _, bank := range banks {
		if err := m.Extend(pcr, sum(bank.hash, event)); err != nil {
			return err
		}
	}
	return nil
}

// ResetPCR sets PCR 16 or 23 back to zero, which any software may do.
func (m *Machine) ResetPCR(pcr int) error {
	if pcr != 16 && pcr != 23 {
		return fmt.Errorf("tpm: PCR %d is set back by a reboot only", pcr)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, bank := range banks {
		m.pcrs[bank.name][pcr] = make([]byte, bank.hash.Size())
	}
	return nil
}

// PCRs returns a copy of all PCR values.
func (m *Machine) PCRs() evidence.PCRs {
	m.mu.Lock()
	defer m.mu.Unlock()
	return copyPCRs(m.pcrs)
}

func copyPCRs(pcrs evidence.PCRs) evidence.PCRs {
	copied := evidence.PCRs{}
	for bank, values := range pcrs {
		copied[bank] = map[int]evidence.Hex{}
		for index, value := range values {
			copied[bank][index] = bytes.Clone(value)
		}
	}
	return copied
}
