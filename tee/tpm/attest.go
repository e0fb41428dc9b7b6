package tpm

import (
	"github.com/quotary/quotary/evidence"
)

const (
	// generatedValue is TPM_GENERATED_VALUE, "\xffTCG" (TPM 2.0 part 2, 6.2).
	generatedValue uint32 = 0xff544347
	// typeQuote and typeCertify are TPM_ST_ATTEST_QUOTE and TPM_ST_ATTEST_CERTIFY (part 2, 6.9).
	typeQuote   uint16 = 0x8018
	typeCertify uint16 = 0x8017
)

// attest is a TPMS_ATTEST (TPM 2.0 part 2, 10.12.12). Its byte strings point
// into the bytes that it was read from.
type attest struct {
	magic           uint32
	typ             uint16
	qualifiedSigner []byte
	extraData       []byte
	clock           uint64 // milliseconds
	resetCount      uint32
	restartCount    uint32
	safe            bool
	firmware        []byte // 8 bytes
	// Of the bodies only one that was asked for is decoded; the others are nil.
	quote   *quoteInfo
	certify *certifyInfo
}

// certifyInfo is a TPMS_CERTIFY_INFO (part 2, 10.12.3).
type certifyInfo struct {
	name          []byte
	qualifiedName []byte
}

// quoteInfo is a TPMS_QUOTE_INFO (part 2, 10.12.4).
type quoteInfo struct {
	selections []selection
	digest     []byte
}

// selection is a TPMS_PCR_SELECTION: a bank and the indices that its bitmap
// has, in ascending order.
type selection struct {
	bank    algorithm
	indices []int
}

// parseAttest decodes a TPMS_ATTEST with the body of this type. The magic number
// and the type are returned as they are, for the caller to judge; of another type
// only what all types have is decoded.
func parseAttest(b []byte, body uint16) (attest, error) {
	if len(b) > evidence.MaxTPMStructure {
		return attest{}, evidence.Errorf(evidence.CodeTPMAttestFormat, "attest", "%d bytes, at most %d are read", len(b), evidence.MaxTPMStructure)
	}
	r := &reader{rest: b}
	a := attest{
		magic:           r.u32("magic"),
		typ:             r.u16("type"),
		qualifiedSigner: r.sized(maxName, "qualifiedSigner"),
		extraData:       r.sized(maxExtraData, "extraData"),
		clock:           r.u64("clock"),
		resetCount:      r.u32("resetCount"),
		restartCount:    r.u32("restartCount"),
	}
	switch r.u8("safe") {
	case 0:
	case 1:
		a.safe = true
	default:
		r.fail("safe: neither YES nor NO")
	}
	a.firmware = r.take(8, "firmwareVersion")
	switch {
	case r.err == nil && a.typ != body:
		return a, nil
	case body == typeCertify:
		a.certify = &certifyInfo{name: r.sized(maxName, "name"), qualifiedName: r.sized(maxName, "qualifiedName")}
	default:
		a.quote = readQuoteInfo(r)
	}
	if err := r.end(); err != nil {
		return attest{}, evidence.Errorf(evidence.CodeTPMAttestFormat, "attest", "%w", err)
	}
	return a, nil
}

// readQuoteInfo reads what a quote has behind the fields of every attestation.
func readQuoteInfo(r *reader) *quoteInfo {
	q := &quoteInfo{}
	count := r.u32("pcrSelect.count")
	if count > maxSelections {
		r.fail("pcrSelect: %d selections, at most %d are defined", count, maxSelections)
		return q
	}
	for range count {
		q.selections = append(q.selections, readSelection(r))
	}
	q.digest = r.sized(maxDigest, "pcrDigest")
	return q
}

// readSelection reads a bank and its bitmap: PCR i is bit i%8 of byte i/8.
func readSelection(r *reader) selection {
	s := selection{bank: r.algorithm("pcrSelect.hash")}
	size := int(r.u8("pcrSelect.sizeofSelect"))
	if size > maxSelect {
		r.fail("pcrSelect: a bitmap of %d bytes, at most %d are defined", size, maxSelect)
		return s
	}
	for n, octet := range r.take(size, "pcrSelect") {
		for bit := range 8 {
			if octet>>bit&1 == 0 {
				continue
			}
			index := 8*n + bit
			if index > evidence.MaxPCR {
				r.fail("pcrSelect: PCR %d, there are %d", index, evidence.MaxPCR+1)
				return s
			}
			s.indices = append(s.indices, index)
		}
	}
	return s
}
