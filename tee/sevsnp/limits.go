package sevsnp

// Bounds on work and memory. Each stands far above what real machines need.
const (
	// maxSentKeys bounds the VCEK or VLEK certificates that came with a report and
	// are tried for it. An honest sender has one, two while a provider renews a
	// VLEK. Each costs a signature check of P-384 and, until its chain is proven,
	// at most two of RSA-4096 for each issuer that is tried: together up to ten times what
	// an honest report costs.
	maxSentKeys = 2
	// maxKeys bounds those of the endorsements in the same way.
	maxKeys = 4
	// maxLookalikes bounds the endorsements of the report's TCB that are decoded to
	// find those. It matters where the host masks the chip, so that every key of a
	// fleet may be the one.
	maxLookalikes = 1024
	// maxIssuers bounds the ASK or ASVK certificates among the endorsements that are
	// tried for one key, besides those that were proven before. AMD has issued two
	// per product line so far.
	maxIssuers = 4
	// maxSentIssuers bounds those that came with the report: an honest sender has one.
	maxSentIssuers = 2
	// maxCRLs bounds the revocation lists of one root whose signatures are checked
	// for one report. AMD publishes one for VCEKs and one for VLEKs, and renews each
	// yearly. Lists that were proven before cost nothing and do not count.
	maxCRLs = 16
	// maxForgeries bounds what is tried in vain when endorsements are admitted: an
	// honest collection holds nothing that bears the names of an anchor's issue and is
	// not. Each costs up to two signature checks of RSA-4096 for each of maxIssuers,
	// all of them together less than a tenth of a second; behind the last one nothing
	// more of the collection is admitted. What proves authentic costs one each and is not counted: nobody makes
	// it but the vendor, and fleets are imported by the thousand.
	maxForgeries = 32
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
