package tpm

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
)

// firmwareVersion is what the simulated TPM's firmware calls itself.
const firmwareVersion = 0x2026010100000001

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

// Quote returns a quote of the machine's PCRs with this extra data, and what goes
// with it: the logs of a machine that keeps them, and the certification of the key
// that [Machine.UseKey] named.
func (m *Machine) Quote(extraData []byte) (*evidence.TPM, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	attest, err := m.attestation(extraData)
	if err != nil {
		return nil, err
	}
	item, err := m.sign(tpm2.Marshal(attest))
	if err != nil || m.certified == nil {
		return item, err
	}
	attest = m.certification(m.certified, extraData)
	item.Certification, err = m.SignCertification(tpm2.Marshal(attest), m.certified.area)
	return item, err
}

// Sign signs anything as TPMS_ATTEST and returns it as evidence, with the
// values of the PCRs that the machine quotes, and its logs.
func (m *Machine) Sign(attest []byte) (*evidence.TPM, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sign(attest)
}

func (m *Machine) sign(attest []byte) (*evidence.TPM, error) {
	signature, err := m.ak.signature(attest)
	if err != nil {
		return nil, err
	}
	values := copyPCRs(m.pcrs)[m.options.Bank]
	for index := range values {
		if !slices.Contains(m.options.PCRs, index) {
			delete(values, index)
		}
	}
	item := &evidence.TPM{
		Attest: attest, Signature: signature, PCRs: evidence.PCRs{m.options.Bank: values}, AKPublic: slices.Clone(m.Public),
	}
	for _, der := range m.certificates { // the evidence is the caller's
		item.AKCertificates = append(item.AKCertificates, slices.Clone(der))
	}
	if m.log != nil {
		item.EventLog = m.log.Encode()
	}
	item.IMALog, item.IMAOffset = m.list.encode()
	return item, nil
}

// Attestation returns what a quote with this extra data says, to be altered and
// marshalled for [Machine.Sign].
func (m *Machine) Attestation(extraData []byte) (tpm2.TPMSAttest, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.attestation(extraData)
}

func (m *Machine) attestation(extraData []byte) (tpm2.TPMSAttest, error) {
	h := sha256.New()
	values := m.pcrs[m.options.Bank]
	indices := make([]uint, len(m.options.PCRs))
	for n, index := range m.options.PCRs {
		if values[index] == nil {
			return tpm2.TPMSAttest{}, fmt.Errorf("tpm: no PCR %d in bank %q", index, m.options.Bank)
		}
		h.Write(values[index])
		indices[n] = uint(index)
	}
	attest := m.statement(extraData)
	attest.Type = tpm2.TPMSTAttestQuote
	attest.Attested = tpm2.NewTPMUAttest(tpm2.TPMSTAttestQuote, &tpm2.TPMSQuoteInfo{
		PCRSelect: tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{
			Hash: bankID(m.options.Bank), PCRSelect: tpm2.PCClientCompatible.PCRs(indices...),
		}}},
		PCRDigest: tpm2.TPM2BDigest{Buffer: h.Sum(nil)},
	})
	return attest, nil
}

// statement returns what every TPMS_ATTEST of the TPM says. It takes the TPM a
// millisecond.
func (m *Machine) statement(extraData []byte) tpm2.TPMSAttest {
	m.elapsed++
	disguise := m.disguise()
	return tpm2.TPMSAttest{
		Magic:           tpm2.TPMGeneratedValue,
		QualifiedSigner: tpm2.TPM2BName{Buffer: m.ak.qualified},
		ExtraData:       tpm2.TPM2BData{Buffer: extraData},
		ClockInfo: tpm2.TPMSClockInfo{
			Clock:        uint64(m.vendor.clock().Sub(m.made).Milliseconds()) + m.elapsed,
			ResetCount:   m.resets + disguise.resets,
			RestartCount: m.restarts + disguise.restarts,
			Safe:         true,
		},
		FirmwareVersion: m.options.Firmware + disguise.firmware,
	}
}

// disguise is what is added to counters and version, so that those who see quotes
// by several keys cannot tell that one TPM made them.
type disguise struct {
	firmware         uint64
	resets, restarts uint32
}

// disguise returns the summands that belong to the attestation key (TPM 2.0 part
// 1, 36.7): none in the hierarchies whose administrator may know.
func (m *Machine) disguise() disguise {
	if m.options.Hierarchy == tpm2.TPMRHEndorsement || m.options.Hierarchy == tpm2.TPMRHPlatform {
		return disguise{}
	}
	proof := make([]byte, 32)
	m.vendor.source.Fill(proof, "storage proof/"+m.options.Name)
	mask := tpm2.KDFa(crypto.SHA256, proof, "OBFUSCATE", m.ak.qualified, nil, 128)
	return disguise{
		firmware: binary.BigEndian.Uint64(mask), resets: binary.BigEndian.Uint32(mask[8:]), restarts: binary.BigEndian.Uint32(mask[12:]),
	}
}

func bankID(name string) tpm2.TPMAlgID {
	for _, bank := range banks {
		if bank.name == name {
			return bank.id
		}
	}
	return tpm2.TPMAlgNull
}
