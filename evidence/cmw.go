package evidence

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
)

// Media types of the records that this build reads. The first three carry a
// CBOR map (see docs/evidence.md for its keys); the last two carry the bare
// structure that the hardware made.
const (
	MediaTypeSEVSNP       = "application/vnd.quotary.sev-snp"
	MediaTypeTDX          = "application/vnd.quotary.tdx"
	MediaTypeTPM          = "application/vnd.quotary.tpm"
	MediaTypeSEVSNPReport = "application/vnd.quotary.sev-snp.report" // ATTESTATION_REPORT
	MediaTypeTDXQuote     = "application/vnd.quotary.tdx.quote"      // DCAP quote
)

// Media types of an encoded bundle (draft-ietf-rats-msg-wrap).
const (
	MediaTypeCMWJSON = "application/cmw+json"
	MediaTypeCMWCBOR = "application/cmw+cbor"
)

// CollectionType is what our collections say of themselves under "__cmwc_t".
const CollectionType = "tag:github.com,2026:quotary/quotary#bundle-1"

// collectionTypeLabel is the one label of a collection that is not an entry.
const collectionTypeLabel = "__cmwc_t"

// indicatorEvidence is the conceptual message type "evidence", bit 2; all known
// types together are bits 0 to 4.
const (
	indicatorEvidence = 1 << 2
	indicatorKnown    = 1<<5 - 1
)

// record is one wrapped message, as it was found.
type record struct {
	field     string // where it was found, for errors
	mediaType string
	value     []byte
}

// records gathers what a decoder finds, within the bounds of a bundle.
type records []record

// add appends one record. indicators is nil where the record has none.
func (r *records) add(found record, indicators *uint64) error {
	if len(*r) == MaxItems {
		return Errorf(CodeEvidenceTooLarge, found.field, "a bundle holds at most %d items", MaxItems)
	}
	if indicators != nil && (*indicators&indicatorEvidence == 0 || *indicators > indicatorKnown) {
		return Errorf(CodeEvidenceMalformed, found.field, "the record's indicator is %d, which does not say evidence (4)", *indicators)
	}
	*r = append(*r, found)
	return nil
}

// checkDepth refuses the collection at this depth, 1 being the outermost, if it is too deep.
func checkDepth(field string, depth int) error {
	if depth > MaxDepth {
		return Errorf(CodeEvidenceMalformed, field, "collections are nested deeper than %d levels", MaxDepth)
	}
	return nil
}

// checkEntries refuses a collection without entries.
func checkEntries(field string, n int) error {
	if n == 0 {
		return Errorf(CodeEvidenceEmpty, field, "the collection has no entry")
	}
	return nil
}

// checkCollectionType refuses collections that mean something else than a bundle.
func checkCollectionType(field, typ string) error {
	if typ != CollectionType {
		return Errorf(CodeMediaTypeUnknown, under(field, collectionTypeLabel),
			"the collection is of type %q; leave the type out, or use %q", truncate(typ), CollectionType)
	}
	return nil
}

// errContentFormat refuses records that name their type by a CoAP number: no
// kind of evidence here has one.
func errContentFormat(field string) error {
	return Errorf(CodeMediaTypeUnknown, field, "the record's type is a CoAP content format; use a media type such as %q", MediaTypeTDX)
}

// under names the entry of field that has this label. Labels are foreign text:
// what could upset a terminal or a log is quoted.
func under(field, label string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	if label == "" || strings.Trim(label, plain) != "" {
		label = strconv.QuoteToASCII(truncate(label))
	}
	return field + "/" + truncate(label)
}

// MarshalJSON returns b as a CMW collection in JSON, in one fixed form: one
// entry per item, labelled with its kind.
func (b Bundle) MarshalJSON() ([]byte, error) {
	payloads, err := b.payloads()
	if err != nil {
		return nil, err
	}
	entries := map[string]any{collectionTypeLabel: CollectionType}
	for _, p := range payloads {
		entries[p.field] = []string{p.mediaType, base64.RawURLEncoding.EncodeToString(p.value)}
	}
	return bounded(json.Marshal(entries))
}

// MarshalCBOR returns b as a CMW collection in deterministic CBOR: one entry per
// item, labelled with its kind.
func (b Bundle) MarshalCBOR() ([]byte, error) {
	payloads, err := b.payloads()
	if err != nil {
		return nil, err
	}
	entries := map[string]any{collectionTypeLabel: CollectionType}
	for _, p := range payloads {
		entries[p.field] = []any{p.mediaType, p.value}
	}
	return bounded(deterministic.Marshal(entries))
}

// bounded refuses an encoding that [Parse] would refuse.
func bounded(encoded []byte, err error) ([]byte, error) {
	if err == nil && len(encoded) > MaxEncoded {
		return nil, errTooLarge("evidence", MaxEncoded, "bytes")
	}
	return encoded, err
}

// payloads returns one record per item of b, its field being the item's kind.
func (b Bundle) payloads() (records, error) {
	ordered, err := NewBundle(b...)
	if err != nil {
		return nil, err
	}
	var out records
	for _, item := range ordered {
		p, err := encodePayload(item)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
