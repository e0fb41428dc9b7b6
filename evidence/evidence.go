// Package evidence holds what a workload sends and what a verifier may say of
// it: items of evidence and their wire format (CMW), challenges, the binding
// between a challenge, a key and a bundle, typed claims, checks and the
// registry of their codes. It is pure data and codecs: no clock, no network, no
// verification. Nothing in an [Item] is trusted; a technology's verifier
// (package tee) turns it into [Claims] and [Checks].
//
// Start at [Parse], which reads everything that a workload may send.
package evidence

import (
	"cmp"
	"slices"
)

// Kind names a technology of evidence.
type Kind string

// The kinds of evidence that this build knows.
const (
	KindSEVSNP Kind = "sev-snp" // an AMD SEV-SNP attestation report
	KindTDX    Kind = "tdx"     // an Intel TDX quote
	KindTPM    Kind = "tpm"     // a TPM 2.0 quote
)

// Kinds lists all kinds in their canonical order.
func Kinds() []Kind { return []Kind{KindSEVSNP, KindTDX, KindTPM} }

// ParseKind reads a kind as people write it: the canonical name, or "snp".
func ParseKind(s string) (Kind, error) {
	if s == "snp" {
		return KindSEVSNP, nil
	}
	if k := Kind(s); slices.Contains(Kinds(), k) {
		return k, nil
	}
	return "", Errorf(CodeKindUnknown, "kind", "%q is no kind of evidence; use sev-snp, tdx or tpm", s)
}

// Item is one piece of evidence as it arrived: [*SNP], [*TDX] or [*TPM].
// Its bytes are attacker-controlled until a tee.Verifier has judged them.
type Item interface {
	Kind() Kind
	sealed()
}

// SNP is an AMD SEV-SNP attestation report.
type SNP struct {
	// Report is the ATTESTATION_REPORT structure, 1184 bytes (SEV-SNP ABI,
	// 56860, table 23), possibly followed by zero padding.
	Report []byte
	// Certificates are DER certificates that travelled with the report
	// (untrusted transport): at best they complete a chain to a pinned root.
	Certificates [][]byte
	// RuntimeData is what the report's REPORT_DATA is the SHA-256 of, where a
	// paravisor made the report and put a key of its own virtual TPM there; else empty.
	RuntimeData []byte
}

// TDX is an Intel TDX quote.
type TDX struct {
	// Quote is the DCAP quote, version 4 or 5, possibly followed by zero padding.
	Quote []byte
	// EventLog is the log area of the guest's CCEL table (UEFI 2.10, 38.4.2), with or
	// without the padding behind its events, or empty. It explains the RTMRs of the
	// quote, which hold it to the truth.
	EventLog []byte
	// RuntimeData is as in [SNP].
	RuntimeData []byte
}

// TPM is a TPM 2.0 quote with what is needed to judge it.
type TPM struct {
	// Attest is the TPMS_ATTEST structure that the TPM signed (TPM 2.0 part 2, 10.12.12).
	Attest []byte
	// Signature is the TPMT_SIGNATURE over Attest (part 2, 11.3.4).
	Signature []byte
	// PCRs are the values that the quote's digest covers.
	PCRs PCRs
	// AKPublic is the attestation key's public area, TPMT_PUBLIC, or empty.
	AKPublic []byte
	// AKCertificates is the attestation key's certificate, DER, followed by
	// intermediates, or empty.
	AKCertificates [][]byte
	// EventLog is the firmware's log (binary_bios_measurements), or empty. The quoted
	// PCRs hold it to the truth.
	EventLog []byte
	// IMALog has entries of the kernel's measurement list in its binary form
	// (binary_runtime_measurements), or is empty. PCR 10 holds it to the truth.
	IMALog []byte
	// IMAOffset is how many entries of that list come before those of IMALog: they
	// were sent to an earlier appraisal.
	IMAOffset uint64
	// Certification says that the key which is to be certified lives in the TPM; nil
	// if it does not.
	Certification *TPMCertification
}

// TPMCertification is an attestation key's statement about another key of its TPM
// (TPM2_Certify, TPM 2.0 part 3, 18.2).
type TPMCertification struct {
	// Attest is the TPMS_ATTEST that the TPM signed, of type TPM_ST_ATTEST_CERTIFY. Its
	// extraData carries the binding, as the quote's does.
	Attest []byte
	// Signature is the attestation key's TPMT_SIGNATURE over Attest.
	Signature []byte
	// Public is the certified key's public area, TPMT_PUBLIC.
	Public []byte
}

// PCRs are PCR values by bank ("sha256", "sha384", …) and index (0–23).
type PCRs map[string]map[int]Hex

// Kind returns KindSEVSNP.
func (*SNP) Kind() Kind { return KindSEVSNP }

// Kind returns KindTDX.
func (*TDX) Kind() Kind { return KindTDX }

// Kind returns KindTPM.
func (*TPM) Kind() Kind { return KindTPM }

func (*SNP) sealed() {}
func (*TDX) sealed() {}
func (*TPM) sealed() {}

// Bundle is everything that one workload sends as proof: one to [MaxItems]
// items, at most one of each kind, ordered by kind.
type Bundle []Item

// NewBundle orders items and refuses an empty bundle, too many items, nil, and
// two items of one kind.
func NewBundle(items ...Item) (Bundle, error) {
	if len(items) == 0 {
		return nil, Errorf(CodeEvidenceEmpty, "evidence", "there is no evidence in the request")
	}
	if len(items) > MaxItems {
		return nil, Errorf(CodeEvidenceTooLarge, "evidence", "a bundle holds at most %d items, got %d", MaxItems, len(items))
	}
	if slices.ContainsFunc(items, isNil) {
		return nil, Errorf(CodeEvidenceMalformed, "evidence", "an item of the bundle is nil")
	}
	b := Bundle(slices.Clone(items))
	slices.SortFunc(b, func(x, y Item) int { return cmp.Compare(x.Kind(), y.Kind()) })
	for i := 1; i < len(b); i++ {
		if b[i].Kind() == b[i-1].Kind() {
			return nil, Errorf(CodeEvidenceDuplicate, "evidence", "two items of kind %s; a bundle holds one of each kind", b[i].Kind())
		}
	}
	return b, nil
}

// isNil reports whether item is nil, or a nil pointer.
func isNil(item Item) bool {
	switch i := item.(type) {
	case *SNP:
		return i == nil
	case *TDX:
		return i == nil
	case *TPM:
		return i == nil
	}
	return item == nil
}

// Kinds lists the kinds of the bundle's items, sorted, as the binding has them.
func (b Bundle) Kinds() []Kind {
	kinds := make([]Kind, len(b))
	for i, item := range b {
		kinds[i] = item.Kind()
	}
	slices.Sort(kinds)
	return kinds
}
