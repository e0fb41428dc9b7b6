package guest

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // PCR banks and signatures
	_ "crypto/sha512" // PCR banks and signatures
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
)

// bank is a PCR bank.
type bank struct {
	name string
	alg  tpm2.TPMAlgID
	hash crypto.Hash
}

// banks are those that can be quoted: SHA-1 is no longer good for it.
var banks = []bank{
	{"sha256", tpm2.TPMAlgSHA256, crypto.SHA256},
	{"sha384", tpm2.TPMAlgSHA384, crypto.SHA384},
	{"sha512", tpm2.TPMAlgSHA512, crypto.SHA512},
}

// selection is what a quote covers.
type selection struct {
	bank bank
	pcrs []int // ascending
}

// newSelection holds a choice of PCRs to what there is.
func newSelection(name string, pcrs []int) (selection, error) {
	if name == "" {
		name = banks[0].name
	}
	at := slices.IndexFunc(banks, func(b bank) bool { return b.name == name })
	if at < 0 {
		return selection{}, evidence.Errorf(evidence.CodeAttesterPCRs, "bank", "%q is none of the banks sha256, sha384 and sha512", name)
	}
	if len(pcrs) == 0 {
		pcrs = defaultPCRs
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(pcrs)))
	if sorted[0] < 0 || sorted[len(sorted)-1] > evidence.MaxPCR {
		return selection{}, evidence.Errorf(evidence.CodeAttesterPCRs, "pcrs", "there are the PCRs 0 to %d", evidence.MaxPCR)
	}
	return selection{banks[at], sorted}, nil
}

// defaultPCRs are those that cannot be reset while the machine runs: the static root
// of trust's, the boot loader's and the operating system's.
var defaultPCRs = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// list returns the TPM's form of a selection of some PCRs, with a bitmap of 24.
func (s selection) list(pcrs []int) tpm2.TPMLPCRSelection {
	bits := make([]byte, (evidence.MaxPCR+1)/8)
	for _, n := range pcrs {
		bits[n/8] |= 1 << (n % 8)
	}
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{Hash: s.bank.alg, PCRSelect: bits}}}
}

// readPCRs reads the values of the selection, in the pieces that the TPM hands out.
func (l *link) readPCRs(s selection) (map[int]evidence.Hex, error) {
	values, left := map[int]evidence.Hex{}, slices.Clone(s.pcrs)
	for len(left) > 0 {
		read, err := tpm2.PCRRead{PCRSelectionIn: s.list(left)}.Execute(l)
		if err != nil {
			return nil, fmt.Errorf("cannot read PCRs: %w", err)
		}
		got := selected(read.PCRSelectionOut, s.bank.alg, left)
		if len(got) == 0 || len(got) != len(read.PCRValues.Digests) {
			return nil, evidence.Errorf(evidence.CodeAttesterPCRs, "", "the TPM has no values of bank %s for the PCRs %v: the bank is not active (tpm2_getcap pcrs); choose another, or allocate it in the firmware's setup", s.bank.name, left)
		}
		for i, n := range got {
			if value := read.PCRValues.Digests[i].Buffer; len(value) == s.bank.hash.Size() {
				values[n] = value
				continue
			}
			return nil, fmt.Errorf("the TPM's value of PCR %d has %d bytes", n, len(read.PCRValues.Digests[i].Buffer))
		}
		left = slices.DeleteFunc(left, func(n int) bool { return slices.Contains(got, n) })
	}
	return values, nil
}

// selected returns which of the PCRs a TPM's selection names.
func selected(list tpm2.TPMLPCRSelection, alg tpm2.TPMAlgID, among []int) []int {
	var named []int
	for _, s := range list.PCRSelections {
		for _, n := range among {
			if s.Hash == alg && n/8 < len(s.PCRSelect) && s.PCRSelect[n/8]&(1<<(n%8)) != 0 {
				named = append(named, n)
			}
		}
	}
	return named
}

// quotation is a quote and the values that it covers.
type quotation struct {
	attest, signature []byte
	values            map[int]evidence.Hex
}

// errMoved says that PCRs were extended between reading and quoting them.
var errMoved = errors.New("the PCRs were extended meanwhile")

// quote reads PCRs and has them quoted, again where something extended one of them
// in between.
func (l *link) quote(ak *signer, s selection, data []byte) (quotation, error) {
	for attempt := 1; ; attempt++ {
		q, err := l.quoteOnce(ak, s, data)
		if !errors.Is(err, errMoved) {
			return q, err
		}
		if attempt == maxQuotes {
			return q, evidence.Errorf(evidence.CodeAttesterPCRs, "", "in %d attempts %w; quote fewer PCRs (without 10, which each new file may extend), or try again", maxQuotes, err)
		}
	}
}

func (l *link) quoteOnce(ak *signer, s selection, data []byte) (quotation, error) {
	values, err := l.readPCRs(s)
	if err != nil {
		return quotation{}, err
	}
	quoted, err := tpm2.Quote{
		SignHandle: ak.withAuth(), QualifyingData: tpm2.TPM2BData{Buffer: data},
		InScheme: tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull}, PCRSelect: s.list(s.pcrs),
	}.Execute(l)
	if err != nil {
		return quotation{}, fmt.Errorf("cannot quote: %w", err)
	}
	attest, err := attestOf(quoted.Quoted, tpm2.TPMSTAttestQuote, data)
	if err != nil {
		return quotation{}, err
	}
	quote, err := attest.Attested.Quote()
	if err != nil {
		return quotation{}, err
	}
	if !slices.Equal(selected(quote.PCRSelect, s.bank.alg, s.pcrs), s.pcrs) {
		return quotation{}, evidence.Errorf(evidence.CodeAttesterReport, "", "the TPM quotes other PCRs than was asked for")
	}
	hash, err := hashOf(&quoted.Signature)
	if err != nil {
		return quotation{}, err
	}
	h := hash.New()
	for _, n := range s.pcrs {
		h.Write(values[n])
	}
	if !bytes.Equal(h.Sum(nil), quote.PCRDigest.Buffer) {
		return quotation{}, errMoved
	}
	return quotation{quoted.Quoted.Bytes(), tpm2.Marshal(quoted.Signature), values}, nil
}

// attestOf decodes what the TPM signed and holds it to what was asked for: a TPM that
// mixed up two requests must not pass unnoticed.
func attestOf(signed tpm2.TPM2BAttest, typ tpm2.TPMST, data []byte) (*tpm2.TPMSAttest, error) {
	attest, err := signed.Contents()
	switch {
	case err != nil:
		return nil, evidence.Errorf(evidence.CodeAttesterReport, "", "what the TPM signed cannot be read: %w", err)
	case attest.Type != typ:
		return nil, evidence.Errorf(evidence.CodeAttesterReport, "", "the TPM signed a structure of type %#x", uint16(attest.Type))
	case !bytes.Equal(attest.ExtraData.Buffer, data):
		return nil, evidence.Errorf(evidence.CodeAttesterReport, "", "the TPM signed other data than was asked for")
	}
	return attest, nil
}

// hashOf returns the hash of a signature's scheme, by which the TPM digests PCRs, too.
func hashOf(s *tpm2.TPMTSignature) (crypto.Hash, error) {
	var alg tpm2.TPMIAlgHash
	switch s.SigAlg {
	case tpm2.TPMAlgECDSA:
		signature, err := s.Signature.ECDSA()
		if err != nil {
			return 0, err
		}
		alg = signature.Hash
	case tpm2.TPMAlgRSASSA:
		signature, err := s.Signature.RSASSA()
		if err != nil {
			return 0, err
		}
		alg = signature.Hash
	case tpm2.TPMAlgRSAPSS:
		signature, err := s.Signature.RSAPSS()
		if err != nil {
			return 0, err
		}
		alg = signature.Hash
	}
	hash, err := alg.Hash()
	if err != nil || !hash.Available() {
		return 0, fmt.Errorf("the attestation key signs by a scheme %#x with hash %#x, which is not read here", uint16(s.SigAlg), uint16(alg))
	}
	return hash, nil
}
