package policies

import "time"

// Bounds on policy documents. Administrators write them, so they are generous;
// they keep a mistake from exhausting the service's memory or time.
const (
	// MaxFileSize is the largest file in bytes: 100,000 SHA-384 values, one a line, take 10 MiB.
	MaxFileSize = 16 << 20
	// MaxFiles bounds one set: a file for each workload and each release of its images.
	MaxFiles = 2000
	// MaxTotalSize bounds the files of one set together, in bytes.
	MaxTotalSize = 64 << 20
	// MaxAppliedSize bounds the files of a set that is put in force, in bytes: reference
	// values of 80,000 images. The service keeps every such set, and writes one in a
	// tenth of a second, which everything else that it records waits for.
	MaxAppliedSize = 8 << 20
	// maxTokens bounds a file's YAML nodes before they are made: a node takes some 200
	// bytes of memory, and 100,000 listed values need 200,000 tokens.
	maxTokens = 600_000
	// maxDepth bounds nesting: the deepest value of a document is 9 levels down.
	maxDepth = 16
	// MaxProblems is the number of problems reported for a file; a reader fixes
	// the first ones first.
	MaxProblems = 50
	// maxName bounds names of workloads, reference values and rules: one DNS label.
	maxName = 63
	// maxText bounds messages and provenance: they go into results and logs.
	maxText = 500
	// maxDNSNames bounds the names in one certificate; each costs its verifiers time.
	maxDNSNames = 32
	// maxIPAddresses likewise: machines have a few.
	maxIPAddresses = 16
	// maxAlternatives bounds any_of: each is tried for each appraisal.
	maxAlternatives = 32
	// MinTTL is the shortest life of an identity: clocks differ by a minute.
	MinTTL = time.Minute
	// DefaultTTL is the life of an identity where the document gives none.
	DefaultTTL = time.Hour
	// MaxTTL is the longest life of an identity: evidence older than a day says
	// little of the machine.
	MaxTTL = 24 * time.Hour
	// MaxStaleRevocation is the longest time after its end for which a revocation
	// list will do. AMD's lists live for six weeks to a year; to be without a new one
	// for a month more is no outage of the vendor's any longer.
	MaxStaleRevocation = 30 * 24 * time.Hour

	// maxDemands bounds what the advisories of a set ask for: all that a product line
	// has is held against every machine of it, at some 10 ns each. AMD's bulletins to date have about 100.
	maxDemands = 2000

	// maxRules bounds the rules that one alternative has to meet, those of its
	// workload included.
	maxRules = 32
	// maxSetRules and maxSetRuleText bound the rules of a set and their text in bytes: two
	// for each of the most files. A rule takes some 0.3 ms and 4 µs a byte to compile, so
	// that the largest set takes about three seconds.
	maxSetRules    = 2 * MaxFiles
	maxSetRuleText = 512 << 10
	// maxRuleSize bounds a rule in characters: rules are sentences, lists of values
	// belong into reference values.
	maxRuleSize = 4 << 10
	// maxRuleDepth bounds a rule's nesting: the parser recurses.
	maxRuleDepth = 40
	// maxRuleCost bounds a rule's cost in CEL units, as estimated at load and as
	// counted at run time. A comparison of two measurements costs about 12; a unit
	// takes some 50 ns, so the worst rule takes half a millisecond.
	maxRuleCost = 10_000
	// maxClaimText is the size that the estimate assumes for a text claim, in
	// characters: the longest hex value, a 64-byte identifier, has 128.
	maxClaimText = 128
	// maxClaimList is the size that the estimate assumes for a list or map claim:
	// collateral seen so far names up to 20 advisories; a TPM has 24 PCRs; a boot
	// has up to 40 images. For what is longer the count at run time holds, and its end denies.
	maxClaimList = 48

	// maxBootText bounds a command line, a command of GRUB's or an event's payload in
	// bytes: Linux takes 4 KiB, and menu entries have some 2 KiB.
	maxBootText = 8 << 10
	// maxBootEvents bounds the events that one alternative asks for: each is held
	// against all events of the log.
	maxBootEvents = 32

	// maxIMAKeys bounds the keys that sign files: a distribution has one or two in force.
	maxIMAKeys = 16
	// maxIMARefusals bounds the files that are refused before signatures are looked at no
	// more: the list is refused by then, and a signature takes up to half a millisecond.
	maxIMARefusals = 32
	// maxIMAExceptions bounds the folders whose files do not count: each is held against
	// every file that is not listed, of some 4000.
	maxIMAExceptions = 32

	// maxExplained bounds the workloads that an explanation tells, the nearest first:
	// each has up to 32 alternatives with some 30 checks.
	maxExplained = 50

	// DefaultPlanDetails and MaxPlanDetails are how many changes of a kind a plan tells
	// one by one: as many as people read, and as many as a machine may want of 100,000.
	DefaultPlanDetails = 100
	MaxPlanDetails     = 10_000
	// maxPlanReasons bounds what a plan tells apart: there are some 150 codes, and
	// what they want differs by workload.
	maxPlanReasons = 1000

	// maxShadowCounts bounds what a shadow's counter tells apart: 9 pairs of verdicts
	// by some 150 codes, of which few come up.
	maxShadowCounts = 500

	// maxLintAlternatives bounds the alternatives that are held against each other, in
	// pairs, for overlaps: a million pairs take about a second.
	maxLintAlternatives = 1500
	// maxLintLookups bounds the values that are looked up for that, at 30 ns each: what is
	// beyond is not told.
	maxLintLookups = 30_000_000

	// maxLintValues bounds the values of a list that rules are held against, each of which
	// is compared with each of the rule's.
	maxLintValues = 256

	// maxReferenceKeys bounds the keys that may sign reference values: a signature that
	// names none is tried with each.
	maxReferenceKeys = 64
	// maxSignatures bounds the signatures of an envelope: each costs up to a millisecond.
	maxSignatures = 16
	// maxKeyID bounds a key ID in bytes: the longest are URIs and hashes.
	maxKeyID = 256
	// minRSABits and maxRSABits bound keys that sign reference values: shorter ones are too weak
	// (NIST SP 800-131A), longer ones take too long.
	minRSABits = 2048
	maxRSABits = 8192
	// maxVCPUs bounds the vCPUs that a shape names: no VMM gives a machine more yet.
	maxVCPUs = 1 << 16

	// maxWantValues is how many values of a list, or findings, a check spells out.
	maxWantValues = 3
)
