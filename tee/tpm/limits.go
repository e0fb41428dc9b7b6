package tpm

// Bounds on what this package reads and remembers, beside those of package
// evidence on what may arrive at all.
const (
	// maxDigest is the size of the largest digest of a TPM 2.0, SHA-512.
	maxDigest = 64
	// maxName is the size of a TPM name: an algorithm and a digest.
	maxName = 2 + maxDigest
	// maxExtraData is the capacity of TPM2B_DATA: the size of TPMT_HA.
	maxExtraData = 2 + maxDigest
	// maxSelections is HASH_COUNT of the TCG's software stack, the most banks
	// that a TPML_PCR_SELECTION is defined to hold.
	maxSelections = 16
	// maxSelect is the size of the largest bitmap of PCRs: 4 bytes, though 3
	// suffice for the PC client's 24 PCRs.
	maxSelect = 4
	// minRSA and maxRSA are the sizes in bits of accepted RSA keys. Below 2048 the
	// key is weak; above 4096 no TPM has one, and checking it costs milliseconds.
	minRSA, maxRSA = 2048, 4096
	// maxECC is the size in bytes of a coordinate on the largest accepted curve, P-521.
	maxECC = 66
	// maxChain is the number of certificates of a chain, with key and root: real
	// ones have three or four.
	maxChain = 5
	// maxEKChain is the same for endorsement keys: those of firmware TPMs hang under
	// certificates for each layer of the firmware, which makes seven.
	maxEKChain = 8
	// maxCandidates bounds the intermediates that are tried for one chain, so
	// that no sender can make us check signatures at will.
	maxCandidates = 16
	// maxUnproven bounds the revocation lists of one issuer whose signatures are
	// checked for one certificate, besides those that are remembered. CAs publish
	// one list at a time; an archive has a few a year.
	maxUnproven = 16
	// maxTrials bounds the given keys that are tried one after the other on a
	// quote that does not name its key. More keys than that need evidence that does.
	maxTrials = 8
	// maxChains is the number of verified chains that are remembered: 4096 take
	// about 40 MB with their certificates.
	maxChains = 4096
	// maxLogs is the number of event logs that are remembered with what they say: 512
	// take about 5 MB. Only quotes by trusted keys make claims of logs, of at most some
	// 250 KB.
	maxLogs = 512
	// maxLists is the number of verified revocation lists that are remembered:
	// one per issuer and period.
	maxLists = 64
	// maxAttribute bounds the manufacturer, model and version that a certificate
	// names, in characters: X.520 allows common names as many, real ones take 20.
	maxAttribute = 64
	// maxDraws bounds how often an ephemeral key is drawn anew: once in 2^32 is
	// already rare, and a source of randomness that only yields zeros must not hang us.
	maxDraws = 8
)
