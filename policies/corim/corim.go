// Package corim reads and writes reference values as CoRIMs, the concise reference
// integrity manifests of draft-ietf-rats-corim, in the profiles for AMD SEV-SNP
// (draft-deeglaze-amd-sev-snp-corim-profile) and Intel TDX
// (draft-cds-rats-intel-corim-profile).
//
// A CoRIM can say more than a document of reference values. What is understood
// and has its place becomes part of the document. What belongs into a workload, such as
// a least TCB, is a [Requirement]. Everything else is refused by its name:
// nothing is passed over in silence.
//
// Start at [Import] and [Export]; docs/corim.md says what maps to what.
package corim

import (
	"time"

	"github.com/quotary/quotary/policies"
)

// ImportOptions say how a CoRIM is read.
type ImportOptions struct {
	// Name names the document, as documents are named; several become NAME-1, NAME-2 and so on.
	// Empty means the IDs of the CoRIM's tags, which must have the form of names then.
	Name string
	// Keys are the keys of which one must have signed the CoRIM. Without keys the CoRIM
	// must not be signed.
	Keys []policies.ReferenceKey
	// Now is the time of the import, at which the CoRIM must be valid. It is the
	// document's created_at where the CoRIM says no beginning.
	Now time.Time
	// NotAfter ends the document, if the CoRIM does not end earlier. Zero: the CoRIM must say.
	NotAfter time.Time
	// Partial takes the values of a CoRIM that asks for more than reference values
	// can hold. What else it asks for is in the result.
	Partial bool
}

// Imported is what a CoRIM says.
type Imported struct {
	// YAML are documents of reference values that load.
	YAML []byte
	// ID is the CoRIM's own ID, a text or a UUID.
	ID string
	// SignedBy is the name of the key that signed the CoRIM; empty if it is not signed.
	SignedBy string
	// Requirements are what the CoRIM asks for that has its place in a workload.
	Requirements []Requirement
	// LeftOut says what else it asks for, by its place; no document can hold it.
	LeftOut []string
}

// Requirement is a key of a workload's alternative, below sev_snp or tdx, with its
// value in YAML; or an entry of the alternative's list of rules, if the key is "require".
type Requirement struct {
	Technology string // "sev_snp" or "tdx", which a rule is about
	Key, Value string
	At         string // the place in the CoRIM
}

// CBOR tags (draft-ietf-rats-corim, 12.1; RFC 8949, 3.4; RFC 9090; RFC 9562).
const (
	tagTime         = 1
	tagSign1        = 18
	tagURI          = 32
	tagUUID         = 37
	tagOID          = 111
	tagCoRIM        = 501
	tagSignedCoRIM  = 502 // of earlier drafts, around tag 18
	tagCoMID        = 506
	tagSVN          = 552
	tagMinSVN       = 553
	tagBytes        = 560
	tagDigestMember = 60020 // Intel's sets of digests
)

// algorithmSHA384 is SHA-384 in the registry of named information hash algorithms (RFC 6920).
const algorithmSHA384 = 7

// registerSize is the size of a launch measurement, of MRTD and of an RTMR in bytes.
const registerSize = 48

// Identifiers of the profiles and of what they measure.
const (
	profileAMD     = "tag:amd.com,2025:snp-corim-profile"
	profileAMD2024 = "tag:amd.com,2024:snp-corim-profile"
	profileIntel   = "\x60\x86\x48\x01\x86\xf8\x4d\x01\x10\x01"         // 2.16.840.1.113741.1.16.1
	classSNPByChip = "\x2b\x06\x01\x04\x01\x9c\x78\x03\x01"             // 1.3.6.1.4.1.3704.3.1
	classSNPByCSP  = "\x2b\x06\x01\x04\x01\x9c\x78\x03\x02"             // 1.3.6.1.4.1.3704.3.2
	classTDXModule = "\x60\x86\x48\x01\x86\xf8\x4d\x01\x02\x03\x04\x03" // 2.16.840.1.113741.1.2.3.4.3
	vendorIntel    = "Intel Corporation"
	modelTD        = "TDX TD"
	contentTypeRIM = "application/rim+cbor"
)
