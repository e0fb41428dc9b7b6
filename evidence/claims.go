package evidence

import (
	"reflect"
	"time"
)

// Claims are what a verifier found in one item of evidence. They are typed
// facts, not judgements: policy decides what is good enough. Exactly one of
// SEVSNP, TDX and TPM is set. A nil pointer, an empty byte string or an empty
// text means that the evidence does not say; absent is never false.
type Claims struct {
	Kind Kind `json:"kind"`
	// Simulated marks evidence that rests on a simulated or test root.
	Simulated bool `json:"simulated"`
	// TrustAnchor is the root that the evidence rests on, once its chain was verified.
	TrustAnchor *TrustAnchor `json:"trust_anchor,omitempty"`
	// Certificates are those between the key that signed the evidence and the trust anchor, the
	// key's first, without the anchor. Empty where a key is trusted without a certificate.
	Certificates []CertificateClaims `json:"certificates,omitempty"`

	SEVSNP *SNPClaims `json:"sev_snp,omitempty"`
	TDX    *TDXClaims `json:"tdx,omitempty"`
	TPM    *TPMClaims `json:"tpm,omitempty"`

	// Paravisor is what the layer between host and guest says of the guest and its
	// virtual TPM; beside SEVSNP or TDX, whose REPORT_DATA vouches for it.
	Paravisor *ParavisorClaims `json:"paravisor,omitempty"`
}

// IsZero reports whether nothing is claimed.
func (c Claims) IsZero() bool { return reflect.ValueOf(c).IsZero() }

// Origin says why a trust anchor is trusted.
type Origin string

// The origins of trust anchors.
const (
	OriginPinned     Origin = "pinned"     // a vendor's root, embedded in this build
	OriginConfigured Origin = "configured" // named by the operator as real (TPM roots, attestation keys)
	OriginSimulated  Origin = "simulated"  // a simulator's or test PKI's root
)

// TrustAnchor identifies a root of trust.
type TrustAnchor struct {
	Name   string `json:"name"`   // the certificate's subject, or the key's description
	SHA256 Hex    `json:"sha256"` // of the certificate's DER, or of the key's SPKI
	Origin Origin `json:"origin"`
}

// SNPTCB is a TCB version, component by component (SEV-SNP ABI 56860, table 3 and 4).
// Components are compared one by one, never as a number.
type SNPTCB struct {
	Bootloader uint8  `json:"bootloader"`
	TEE        uint8  `json:"tee"`
	SNP        uint8  `json:"snp"`
	Microcode  uint8  `json:"microcode"`
	FMC        *uint8 `json:"fmc,omitempty"` // Turin and later only
}

// SNPPolicy is the guest policy that the guest's owner set at launch (table 8).
type SNPPolicy struct {
	ABIMinor         uint8 `json:"abi_minor"`
	ABIMajor         uint8 `json:"abi_major"`
	SMT              bool  `json:"smt"`                // bit 16: SMT allowed
	MigrateMA        bool  `json:"migrate_ma"`         // bit 18: a migration agent may be associated
	Debug            bool  `json:"debug"`              // bit 19: debugging allowed
	SingleSocket     bool  `json:"single_socket"`      // bit 20: single socket required
	CXL              bool  `json:"cxl"`                // bit 21: CXL allowed
	AES256XTS        bool  `json:"aes_256_xts"`        // bit 22: AES-256-XTS required
	RAPLDisabled     bool  `json:"rapl_disabled"`      // bit 23: RAPL must be off
	CiphertextHiding bool  `json:"ciphertext_hiding"`  // bit 24: ciphertext hiding required
	PageSwapDisabled bool  `json:"page_swap_disabled"` // bit 25: page move commands disabled
	Raw              Hex   `json:"raw"`                // 8 bytes, big-endian, as people write the number
}

// SNPPlatform is PLATFORM_INFO (table 24).
type SNPPlatform struct {
	SMT                bool `json:"smt"`
	TSME               bool `json:"tsme"`
	ECC                bool `json:"ecc"`
	RAPLDisabled       bool `json:"rapl_disabled"`
	CiphertextHiding   bool `json:"ciphertext_hiding"`
	AliasCheckComplete bool `json:"alias_check_complete"`
	IOMMUWriteSafe     bool `json:"iommu_write_safe"` // bit 6: the IOMMU's write buffering cannot reach guests
	TIO                bool `json:"tio"`
	Raw                Hex  `json:"raw"` // 8 bytes, big-endian
}

// SNPClaims are the contents of an SEV-SNP report (table 23) and of the
// certificate that its key rests on.
type SNPClaims struct {
	Version          uint32      `json:"version"`
	Product          string      `json:"product"`        // "Milan", "Genoa", …
	ProductSource    string      `json:"product_source"` // "report" (signed family and model, version 3 on) or "certificate"
	GuestSVN         uint32      `json:"guest_svn"`
	Policy           SNPPolicy   `json:"policy"`
	FamilyID         Hex         `json:"family_id"` // 16 bytes
	ImageID          Hex         `json:"image_id"`  // 16 bytes
	VMPL             uint32      `json:"vmpl"`
	PlatformInfo     SNPPlatform `json:"platform_info"`
	AuthorKeyEnabled bool        `json:"author_key_enabled"`
	ChipKeyMasked    bool        `json:"chip_key_masked"`
	SigningKey       string      `json:"signing_key"`       // "vcek" or "vlek"
	ReportData       Hex         `json:"report_data"`       // 64 bytes
	Measurement      Hex         `json:"measurement"`       // 48 bytes
	HostData         Hex         `json:"host_data"`         // 32 bytes
	IDKeyDigest      Hex         `json:"id_key_digest"`     // 48 bytes
	AuthorKeyDigest  Hex         `json:"author_key_digest"` // 48 bytes
	ReportID         Hex         `json:"report_id"`         // 32 bytes
	ReportIDMA       Hex         `json:"report_id_ma"`      // 32 bytes; all FF if there is no migration agent
	ReportedTCB      SNPTCB      `json:"reported_tcb"`
	CurrentTCB       SNPTCB      `json:"current_tcb"`
	CommittedTCB     SNPTCB      `json:"committed_tcb"`
	LaunchTCB        SNPTCB      `json:"launch_tcb"`
	CPUFamily        *uint32     `json:"cpu_family,omitempty"`   // version 3 on
	CPUModel         *uint32     `json:"cpu_model,omitempty"`    // version 3 on
	CPUStepping      *uint32     `json:"cpu_stepping,omitempty"` // version 3 on
	ChipID           Hex         `json:"chip_id,omitempty"`      // 64 bytes; absent where the host masks it
	CurrentVersion   string      `json:"current_version"`        // firmware "major.minor.build"
	CommittedVersion string      `json:"committed_version"`
	LaunchMitVector  Hex         `json:"launch_mit_vector,omitempty"`  // 8 bytes, big-endian, version 5 on
	CurrentMitVector Hex         `json:"current_mit_vector,omitempty"` // 8 bytes, big-endian, version 5 on
	CSPID            string      `json:"csp_id,omitempty"`             // VLEK only
	// RevocationChecked says that a current CRL of the vendor covered the chain.
	RevocationChecked bool `json:"revocation_checked"`
	// RevocationNextUpdate is when the newest authentic CRL that covered the chain
	// expires, or expired. Zero where there was none.
	RevocationNextUpdate time.Time `json:"revocation_next_update,omitzero"`
}

// TDXAttributes are the TD attributes (TDX module ABI, "TD ATTRIBUTES").
type TDXAttributes struct {
	Debug         bool `json:"debug"`           // bit 0
	TUD           bool `json:"tud"`             // any of bits 0 to 7: the TD is under debug in one way or another
	SEPTVEDisable bool `json:"sept_ve_disable"` // bit 28
	Migratable    bool `json:"migratable"`      // bit 29
	PKS           bool `json:"pks"`             // bit 30
	KL            bool `json:"kl"`              // bit 31
	Perfmon       bool `json:"perfmon"`         // bit 63
	Raw           Hex  `json:"raw"`             // 8 bytes, as in the quote (little-endian)
}

// TDXClaims are the contents of a TDX quote's body, of its PCK certificate, and
// the TCB evaluation by Intel's collateral.
type TDXClaims struct {
	QuoteVersion   uint16        `json:"quote_version"` // 4 or 5
	BodyVersion    string        `json:"body_version"`  // "1.0" or "1.5"
	TEETCBSVN      Hex           `json:"tee_tcb_svn"`   // 16 bytes
	TEETCBSVN2     Hex           `json:"tee_tcb_svn2,omitempty"`
	MRSEAM         Hex           `json:"mrseam"`          // 48 bytes, as every MR and RTMR
	MRSignerSEAM   Hex           `json:"mrsigner_seam"`   // zero for Intel's module
	SEAMAttributes Hex           `json:"seam_attributes"` // 8 bytes
	Attributes     TDXAttributes `json:"td_attributes"`
	XFAM           Hex           `json:"xfam"` // 8 bytes, as in the quote
	MRTD           Hex           `json:"mrtd"`
	MRConfigID     Hex           `json:"mrconfigid"`
	MROwner        Hex           `json:"mrowner"`
	MROwnerConfig  Hex           `json:"mrownerconfig"`
	RTMR0          Hex           `json:"rtmr0"`
	RTMR1          Hex           `json:"rtmr1"`
	RTMR2          Hex           `json:"rtmr2"`
	RTMR3          Hex           `json:"rtmr3"`
	ReportData     Hex           `json:"report_data"` // 64 bytes
	MRServiceTD    Hex           `json:"mrservicetd,omitempty"`
	FMSPC          Hex           `json:"fmspc,omitempty"` // 6 bytes, from the PCK certificate
	PCEID          Hex           `json:"pceid,omitempty"` // 2 bytes
	PPID           Hex           `json:"ppid,omitempty"`  // 16 bytes

	// PCKTCB and QEISVSVN are what, beside the body, the TCB was evaluated by: the
	// platform's TCB by its PCK certificate, and the quoting enclave's version.
	PCKTCB   *TDXPCKTCB `json:"pck_tcb,omitempty"`
	QEISVSVN *uint16    `json:"qe_isvsvn,omitempty"`

	// TCB is absent where no genuine collateral decided it.
	TCB *TDXTCB `json:"tcb,omitempty"`

	// Boot is what the event log says, as far as the RTMRs vouch for it. Absent where
	// the evidence has no log.
	Boot *BootClaims `json:"boot,omitempty"`
}

// TDXPCKTCB is the TCB of a platform that its PCK certificate is for.
type TDXPCKTCB struct {
	Components Hex    `json:"components"` // 16 bytes, the SVN of each SGX component
	PCESVN     uint16 `json:"pcesvn"`
}

// TDXTCB is the TCB evaluation: Intel's statuses, converged and part by part.
type TDXTCB struct {
	// Status is the converged status: "UpToDate", "SWHardeningNeeded",
	// "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
	// "OutOfDateConfigurationNeeded", "TDRelaunchAdvised" or
	// "TDRelaunchAdvisedConfigurationNeeded" where the TD was launched by a TDX
	// module that is out of date and runs on one that is not any more, "Revoked",
	// or "NotSupported" where no TCB level matches.
	Status string `json:"status"`
	// LaunchStatus and CurrentStatus are the converged statuses with the TDX module
	// of the TD's launch (TEE_TCB_SVN) and of now (TEE_TCB_SVN2), which differ after
	// an update of the module under running TDs. TD report 1.5 only.
	LaunchStatus  string `json:"launch_status,omitempty"`
	CurrentStatus string `json:"current_status,omitempty"`
	// PlatformStatus, ModuleStatus and QEStatus are the parts at the TD's launch.
	PlatformStatus string    `json:"platform_status"`
	ModuleStatus   string    `json:"module_status,omitempty"` // empty where the body has no module version
	QEStatus       string    `json:"qe_status"`
	Advisories     []string  `json:"advisories,omitempty"` // sorted
	TCBDate        time.Time `json:"tcb_date,omitzero"`
	// Behind lists what parts that are not UpToDate lack of the newest level that is:
	// by the module of the TD's launch. Empty where there is no such level.
	Behind []TDXShortfall `json:"behind,omitempty"`
	// EvaluationDataNumber is the lower of the two documents' numbers.
	EvaluationDataNumber           uint32 `json:"evaluation_data_number"`
	TCBInfoEvaluationDataNumber    uint32 `json:"tcb_info_evaluation_data_number"`
	QEIdentityEvaluationDataNumber uint32 `json:"qe_identity_evaluation_data_number"`
}

// TDXShortfall is a security version that is too low.
type TDXShortfall struct {
	// Component is "SGX component 1" to "SGX component 16", "TDX component 1" to
	// "TDX component 16", "PCESVN", "TDX module ISVSVN" or "QE ISVSVN".
	Component string `json:"component"`
	// Part is Intel's text on what the component versions, such as "BIOS: Early
	// Microcode Update". Empty where Intel gives none.
	Part string `json:"part,omitempty"`
	Have uint32 `json:"have"`
	Need uint32 `json:"need"`
}

// TPMClaims are the contents of a TPM quote and what is known of the key that
// signed it.
type TPMClaims struct {
	// AKSource says why the key is trusted; see the constants AKSource….
	AKSource string `json:"ak_source"`
	// AKVouchedBy is the item of the same bundle whose REPORT_DATA vouches for the
	// key, where AKSource is AKSourceTEE.
	AKVouchedBy Kind `json:"ak_vouched_by,omitempty"`
	// AKProvider is the cloud under whose own root the key's certificate is, and
	// which therefore runs the TPM in software: "google" or "azure".
	AKProvider string `json:"ak_provider,omitempty"`
	// AKHierarchy is the hierarchy that the key is a primary key of ("endorsement",
	// "owner", "platform", "null"), where the quote shows it. Under the owner's, a TPM
	// disguises its counters and its firmware's version (TPM 2.0 part 1, 36.7).
	AKHierarchy string `json:"ak_hierarchy,omitempty"`
	// EKSHA256 is the SHA-256 of the SubjectPublicKeyInfo of the endorsement key that
	// the attestation key was enrolled with.
	EKSHA256 Hex `json:"ek_sha256,omitempty"`
	AKSHA256 Hex `json:"ak_sha256"`         // SHA-256 of the key's SubjectPublicKeyInfo DER
	AKName   Hex `json:"ak_name,omitempty"` // TPM name, where the public area is known
	// AKRestricted is absent where the public area is not known.
	AKRestricted *bool `json:"ak_restricted,omitempty"`
	// RevocationChecked says that current revocation lists covered every
	// certificate of the key's chain. False for a given key, which has none.
	RevocationChecked bool   `json:"revocation_checked"`
	SignatureScheme   string `json:"signature_scheme"` // "rsassa", "rsapss" or "ecdsa"
	SignatureHash     string `json:"signature_hash"`
	Bank              string `json:"bank"` // the one bank that the quote covers
	// PCRs holds exactly the values that the signed digest covers, by index.
	PCRs            map[int]Hex `json:"pcrs"`
	ExtraData       Hex         `json:"extra_data"`
	QualifiedSigner Hex         `json:"qualified_signer"`
	Clock           uint64      `json:"clock"` // milliseconds
	ResetCount      uint32      `json:"reset_count"`
	RestartCount    uint32      `json:"restart_count"`
	Safe            bool        `json:"safe"`
	FirmwareVersion Hex         `json:"firmware_version"` // 8 bytes, big-endian
	// RevocationNextUpdate is when the first of the newest revocation lists of the
	// key's chain expires, or expired. Zero unless there is one for each certificate.
	RevocationNextUpdate time.Time `json:"revocation_next_update,omitzero"`

	// Boot is what the event log says, as far as the quoted PCRs vouch for it. Absent
	// where there is no log.
	Boot *BootClaims `json:"boot,omitempty"`
	// IMA is what the kernel measured, as far as PCR 10 vouches for it. Absent where
	// there is no list.
	IMA *IMAClaims `json:"ima,omitempty"`
	// CertifiedKey is another key that is proven to live in the TPM.
	CertifiedKey *TPMKeyClaims `json:"certified_key,omitempty"`
}

// The reasons to trust an attestation key.
const (
	AKSourceCertificate = "certificate" // a certificate under a configured root
	AKSourceGiven       = "given"       // the operator vouches for the key
	AKSourceEnrolled    = "enrolled"    // it was enrolled with this service by its TPM's endorsement key
	AKSourceTEE         = "tee"         // a report or quote in the same bundle vouches for it
)

// TPMKeyClaims describe a key that cannot leave its TPM, was made in it, and signs
// what it is given.
type TPMKeyClaims struct {
	SHA256 Hex `json:"sha256"` // of its SubjectPublicKeyInfo
	Name   Hex `json:"name"`   // TPM name
}

// IMAClaims are what a kernel's integrity measurement architecture measured
// (ima-ng, ima-sig and the like), entry by entry, as far as PCR 10 vouches for it.
type IMAClaims struct {
	Bank string `json:"bank"` // whose PCR 10 was replayed: "sha256", …
	// Offset counts the entries that an earlier appraisal of the same TPM, since its last start,
	// has judged; Entries all up to the quote.
	Offset  uint64 `json:"offset"`
	Entries uint64 `json:"entries"`
	// Violations counts entries that the kernel could not measure, because the file was open for
	// writing meanwhile. They count from the first entry on, sent now or earlier.
	Violations uint64 `json:"violations"`
	// BootAggregate says whether the first entry is the digest of the quoted PCRs 0 to 9.
	// Absent where not all are quoted, or the first entry was judged earlier.
	BootAggregate *bool `json:"boot_aggregate,omitempty"`
	// Unread counts entries that may be about a file, but not in a way that is known. They count from the first
	// entry on, sent now or earlier.
	Unread uint64 `json:"unread"`
	// Others counts entries behind Offset that are about no file: buffers that the kernel
	// measured, and what it extended other PCRs with.
	Others uint64 `json:"others,omitempty"`
	// Files are the files that were measured, each content once, in order.
	Files []IMAFile `json:"files,omitempty"`
	// FilesOmitted says that there were files, and that these claims are a record
	// without them: nothing can be judged by it that depends on files.
	FilesOmitted bool `json:"files_omitted,omitempty"`
}

// IMAFile is a file as the kernel measured it.
type IMAFile struct {
	Path      string `json:"path"`
	Algorithm string `json:"algorithm"` // "sha256", …
	Digest    Hex    `json:"digest"`
	// Signature is the file's security.ima attribute (signature_v2_hdr and signature),
	// unverified, where the template has it.
	Signature Hex `json:"signature,omitempty"`
}

// ParavisorClaims are what the paravisor of an Azure confidential VM says.
type ParavisorClaims struct {
	VMID         string `json:"vm_id,omitempty"` // vmUniqueId
	SecureBoot   *bool  `json:"secure_boot,omitempty"`
	TPMEnabled   *bool  `json:"tpm_enabled,omitempty"`
	TPMPersisted *bool  `json:"tpm_persisted,omitempty"`
	Console      *bool  `json:"console_enabled,omitempty"`
	// AKSHA256 and EKSHA256 are the SHA-256 of the SubjectPublicKeyInfo of the virtual
	// TPM's keys.
	AKSHA256 Hex `json:"ak_sha256"`
	EKSHA256 Hex `json:"ek_sha256,omitempty"`
	// UserData is what software in the guest had put into the report, 64 bytes.
	UserData Hex `json:"user_data,omitempty"`
}
