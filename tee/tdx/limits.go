package tdx

import "github.com/quotary/quotary/evidence"

// Bounds of this package. Each is far above what Intel's services and quoting
// enclaves produce and far below what would hurt a verifier.
const (
	// maxQuote bounds a quote with its padding; the wire format has the same bound.
	maxQuote = evidence.MaxReport
	// maxEventLog bounds an event log with its padding; the wire format has the same
	// bound. One of this size that is all small events takes 3 ms.
	maxEventLog = evidence.MaxEventLog
	// maxChain bounds the PEM chain in a quote: real ones take 3.7 KiB.
	maxChain = 16 << 10
	// maxDocument bounds a collateral document: the longest known TCB info takes
	// 13.5 KiB.
	maxDocument = 128 << 10
	// maxDepth bounds nesting in a collateral document: real ones nest 6 deep.
	maxDepth = 12
	// maxElements bounds the members of one object and the elements of one list in
	// a collateral document; the longest real list has 20.
	maxElements = 256
	// maxLevels bounds the TCB levels of one list: real ones have up to 20.
	maxLevels = 128
	// maxAdvisories bounds the advisories of one TCB level: real ones have up to 40.
	maxAdvisories = 256
	// maxText bounds one text in a collateral document; the longest real one is a
	// digest of 96 digits.
	maxText = 256
	// maxCandidates bounds how many CRLs, certificates or documents of one name
	// are tried. Operators may keep a year of daily generations side by side.
	maxCandidates = 400
	// maxForgeries bounds what is tried in vain when endorsements are admitted: an
	// honest collection holds nothing that bears the names of an anchor's issue and is
	// not. Each costs a signature check of P-256 for each issuer of its name, and
	// reading a document; behind the last one nothing more of the collection is
	// admitted.
	maxForgeries = 32
	// maxKeys bounds the remembered attestation keys, and chains: about 5 KiB each.
	// A platform has one key for as long as its quoting enclave runs.
	maxKeys = 4096
	// maxDocuments bounds the remembered documents, CRLs and signing
	// certificates, about 10 KiB each: there are some 30 platform types.
	maxDocuments = 1024
)
