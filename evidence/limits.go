package evidence

// Bounds on what a workload may send. Each is far above what real machines
// send and far below what would hurt a verifier.
const (
	// MaxItems is one of each kind: a bundle of two reports of one technology
	// has no meaning yet.
	MaxItems = 3
	// MaxEncoded bounds an encoded bundle. The largest real parts are event logs (seen:
	// 50 KiB, allowed elsewhere up to 4 MiB) and IMA logs (112 KiB for 826 files);
	// without logs a quote with its chain is under 20 KiB.
	MaxEncoded = 768 << 10
	// MaxReport bounds an SNP report or TDX quote with its padding: guests pad
	// quotes to 8,000 or 16,384 bytes.
	MaxReport = 64 << 10
	// MaxEventLog bounds an event log: real ones take 2 to 50 KiB without their
	// padding.
	MaxEventLog = 128 << 10
	// MaxIMALog bounds the entries of an IMA log that are sent at once: some 4000 of
	// 100 bytes. In base64, with an event log and a quote, they still fit a bundle.
	MaxIMALog = 384 << 10
	// MaxRuntimeData bounds what a paravisor says in JSON: real ones take 0.6 to 1.2 KiB.
	MaxRuntimeData = 16 << 10
	// MaxTPMStructure bounds TPMS_ATTEST, TPMT_SIGNATURE and TPMT_PUBLIC: RSA-4096
	// structures stay under 1,100 bytes.
	MaxTPMStructure = 4 << 10
	// MaxTPMFile bounds a file of PCR values: 24 PCRs of eight banks are under
	// 30 KB in every form.
	MaxTPMFile = 64 << 10
	// MaxCertificate bounds a certificate: VCEKs take 1.4 KiB, AK certificates
	// (padded to their NV index) 3 KiB.
	MaxCertificate = 16 << 10
	// MaxCertificates bounds the certificates that travel with one item.
	MaxCertificates = 8
	// MaxPCR is the highest PCR index: TPM 2.0 PC client profile has 24.
	MaxPCR = 23
	// MaxDepth bounds nested collections: ours are flat; one level of nesting is
	// tolerated because CMW senders may wrap a collection in a collection.
	MaxDepth = 2
	// MaxPCRBanks bounds the PCR banks of one item: TPM 2.0 part 2 (TPML_PCR_SELECTION)
	// has up to 16, machines have up to 5.
	MaxPCRBanks = 16
	// MaxPCRBankName bounds a bank's name in bytes: the longest in use is "sha3_512".
	MaxPCRBankName = 16
	// MaxPCRValue is the largest digest that a TPM makes, SHA-512, in bytes.
	MaxPCRValue = 64
	// MaxAudience bounds an audience (a trust domain: at most 255 bytes, SPIFFE ID §2.1).
	MaxAudience = 255
	// MaxKey bounds a SubjectPublicKeyInfo: RSA-4096 takes 550 bytes.
	MaxKey = 1 << 10
	// MaxCSR bounds a certificate request: one with an RSA-4096 key and no names
	// takes 1.6 KiB.
	MaxCSR = 4 << 10
	// maxTicket bounds a sealed enrolment in characters: with the names of a TPM's
	// maker and an RSA-4096 key it takes some 2000.
	maxTicket = 6 << 10
	// MaxAuxiliaryEntries bounds an auxiliary certificate table of SEV-SNP; AMD
	// defines five entries, hosts may add their own.
	MaxAuxiliaryEntries = 16
	// maxSealed bounds a sealed challenge in characters: with the longest audience
	// it takes about 500.
	maxSealed = 1024
	// maxNestedCBOR bounds nested CBOR: a record in MaxDepth collections makes
	// three levels, PCR values in their payload three; the library starts at four.
	maxNestedCBOR = 4
	// maxElementsCBOR bounds each CBOR array and map: the longest is a bank of 24 PCRs.
	maxElementsCBOR = MaxPCR + 1
	// maxForeignMembers bounds the members that are read of another system's JSON
	// to name it: those that are known have up to ten.
	maxForeignMembers = 64
)
