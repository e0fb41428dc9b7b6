package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/google/go-tpm/tpm2"
)

// firmwareVersion is what the simulated TPM's firmware calls itself.
const firmwareVersion = 0x2026010100000001

// eccArea returns the public area of a signing key on P-256.
func eccArea(key *ecdsa.PublicKey, attributes tpm2.TPMAObject) (tpm2.TPMTPublic, error) {
	point, err := key.Bytes() // 04, X, Y
	if err != nil {
		return tpm2.TPMTPublic{}, fmt.Errorf("tpm: %w", err)
	}
	x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: attributes,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			Symmetric: tpm2.TPMTSymDefObject{Algorithm: tpm2.TPMAlgNull},
			Scheme: tpm2.TPMTECCScheme{
				Scheme:  tpm2.TPMAlgECDSA,
				Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
			},
			CurveID: tpm2.TPMECCNistP256,
			KDF:     tpm2.TPMTKDFScheme{Scheme: tpm2.TPMAlgNull},
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
			X: tpm2.TPM2BECCParameter{Buffer: x}, Y: tpm2.TPM2BECCParameter{Buffer: y},
		}),
	}, nil
}

// rsaArea returns the public area of a signing RSA key.
func rsaArea(key *rsa.PublicKey, attributes tpm2.TPMAObject) tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgRSA, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: attributes,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{
			Symmetric: tpm2.TPMTSymDefObject{Algorithm: tpm2.TPMAlgNull},
			Scheme: tpm2.TPMTRSAScheme{
				Scheme:  tpm2.TPMAlgRSASSA,
				Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgRSASSA, &tpm2.TPMSSigSchemeRSASSA{HashAlg: tpm2.TPMAlgSHA256}),
			},
			KeyBits: tpm2.TPMKeyBits(key.N.BitLen()),
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: key.N.Bytes()}),
	}
}

// qualifiedName returns the qualified name of a primary key of the endorsement
// hierarchy (TPM 2.0 part 1, 16).
func qualifiedName(area tpm2.TPMTPublic) ([]byte, error) {
	name, err := tpm2.ObjectName(&area)
	if err != nil {
		return nil, fmt.Errorf("tpm: %w", err)
	}
	hierarchy := binary.BigEndian.AppendUint32(nil, uint32(tpm2.TPMRHEndorsement))
	sum := sha256.Sum256(append(hierarchy, name.Buffer...))
	return append(binary.BigEndian.AppendUint16(nil, uint16(tpm2.TPMAlgSHA256)), sum[:]...), nil
}

// Attestation returns what a quote with this extra data says, to be altered and
// marshalled for [Machine.Sign].
func (m *Machine) Attestation(extraData []byte) (tpm2.TPMSAttest, error) {
	h := sha256.New()
	values := m.PCRs()[m.bank]
	indices := make([]uint, len(m.quoted))
	for n, index := range m.quoted {
		if values[index] == nil {
			return tpm2.TPMSAttest{}, fmt.Errorf("tpm: no PCR %d in bank %q", index, m.bank)
		}
		h.Write(values[index])
		indices[n] = uint(index)
	}
	m.mu.Lock()
	resets := m.resetCount
	m.mu.Unlock()
	return tpm2.TPMSAttest{
		Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestQuote,
		QualifiedSigner: tpm2.TPM2BName{Buffer: m.signer},
		ExtraData:       tpm2.TPM2BData{Buffer: extraData},
		ClockInfo: tpm2.TPMSClockInfo{
			Clock: uint64(m.clock().Sub(m.booted).Milliseconds()), ResetCount: resets, Safe: true,
		},
		FirmwareVersion: firmwareVersion,
		Attested: tpm2.NewTPMUAttest(tpm2.TPMSTAttestQuote, &tpm2.TPMSQuoteInfo{
			PCRSelect: tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{
				Hash: bankID(m.bank), PCRSelect: tpm2.PCClientCompatible.PCRs(indices...),
			}}},
			PCRDigest: tpm2.TPM2BDigest{Buffer: h.Sum(nil)},
		}),
	}, nil
}

func bankID(name string) tpm2.TPMAlgID {
	for _, bank := range banks {
		if bank.name == name {
			return bank.id
		}
	}
	return tpm2.TPMAlgNull
}

// signature signs by the key's scheme.
func (m *Machine) signature(message []byte) (tpm2.TPMTSignature, error) {
	digest := sha256.Sum256(message)
	raw, err := m.Key.Sign(nil, digest[:], crypto.SHA256) // without randomness: the same each time
	if err != nil {
		return tpm2.TPMTSignature{}, fmt.Errorf("tpm: cannot sign: %w", err)
	}
	if !m.isECDSA() {
		return tpm2.TPMTSignature{SigAlg: tpm2.TPMAlgRSASSA, Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgRSASSA,
			&tpm2.TPMSSignatureRSA{Hash: tpm2.TPMAlgSHA256, Sig: tpm2.TPM2BPublicKeyRSA{Buffer: raw}})}, nil
	}
	var point struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(raw, &point); err != nil {
		return tpm2.TPMTSignature{}, fmt.Errorf("tpm: %w", err)
	}
	const size = 32
	return tpm2.TPMTSignature{SigAlg: tpm2.TPMAlgECDSA, Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgECDSA, &tpm2.TPMSSignatureECC{
		Hash:       tpm2.TPMAlgSHA256,
		SignatureR: tpm2.TPM2BECCParameter{Buffer: point.R.FillBytes(make([]byte, size))},
		SignatureS: tpm2.TPM2BECCParameter{Buffer: point.S.FillBytes(make([]byte, size))},
	})}, nil
}
