package sevsnp

// Bounds on work and memory. Each stands far above what real machines need.
const (
	// maxKeys bounds the VCEK or VLEK certificates that are tried for one report.
	// One fits in practice, two while a provider renews a VLEK. Each costs
	// three signature checks, about 1 ms.
	maxKeys = 4
	// maxIssuers bounds the ASK or ASVK certificates that are tried for one key.
	// AMD has issued two per product line so far.
	maxIssuers = 4
	// maxCRLs bounds the revocation lists of one root that are looked at. AMD
	// publishes one for VCEKs and one for VLEKs, and renews each yearly.
	maxCRLs = 16
	// maxChains bounds the remembered chains, and the keys in them: one per machine
	// and TCB, so a fleet of this many machines stays warm. An entry takes about 8 KiB.
	maxChains = 4096
	// maxProvenIssuers bounds the remembered ASKs and ASVKs of all roots.
	maxProvenIssuers = 64
	// maxProvenCRLs bounds the remembered revocation lists of all roots.
	maxProvenCRLs = 64
	// maxExtensions bounds the extensions of a key's certificate: AMD's have 11 to 13.
	maxExtensions = 32
)
