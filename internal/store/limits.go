package store

import (
	"time"

	"github.com/quotary/quotary/policies"
)

const (
	// maxQueue bounds the entries that wait for the committer. At the bound callers
	// are told to come back later: 2,048 entries are about a quarter of a second of
	// work at 8,000 attestations a second.
	maxQueue = 2048
	// maxBatch bounds one transaction, and with it how long its first entry waits
	// for its last: 256 entries take about 15 ms to write and one fsync.
	maxBatch = 256
	// busyTimeout is how long a statement waits for another process that holds the
	// database (a backup, or a look with sqlite3). It is below the server's write
	// timeout, so that the caller still hears of it.
	busyTimeout = 5 * time.Second
	// maxText bounds every short text of a row: a SPIFFE ID takes at most 2,048
	// bytes (SPIFFE ID §2.3), everything else is far shorter.
	maxText = 2048
	// maxClaims bounds the claims kept for re-appraisal. Claims of all three
	// technologies together take about 8 KiB, those of an event log up to 41 KiB
	// on real machines; a log made to be long could claim 800 KiB.
	maxClaims = 256 << 10
	// MaxRecent bounds the issuances whose claims are looked at after a start: at a
	// tenth of a millisecond each, about a second.
	MaxRecent = 8192
	// maxKeys bounds the attestation keys whose states are in memory, 200 bytes each,
	// 350 with an IMA log's: 350 MB for a million machines. A start reads them, at ten
	// microseconds each. Of more keys those are there that were seen last; another one
	// is refused once, and then is there.
	maxKeys = 1 << 20
	// MaxPolicySize bounds the documents of a set that is applied, proposed or watched,
	// in bytes.
	MaxPolicySize = policies.MaxAppliedSize
	// MaxPolicyDocuments bounds their number.
	MaxPolicyDocuments = policies.MaxFiles
	// MaxProposals bounds the proposals that are open at once: administrators who
	// have that many to look at approve without looking.
	MaxProposals = 32
	// MaxProposalsOfOne bounds those of one administrator, so that nobody alone can keep
	// the others from proposing.
	MaxProposalsOfOne = MaxProposals / 4
	// MaxApprovals bounds the approvals of one proposal.
	MaxApprovals = 32
	// MaxProposalLife is the longest time that a proposal waits for approvals.
	MaxProposalLife = 30 * 24 * time.Hour
	// MaxPage bounds the rows of one answer to a query.
	MaxPage = 500
	// maxLife is how long before an instant something was issued that is live then, at
	// most: it spares a look through all that ended. Policy gives identities half of it.
	maxLife = 2 * policies.MaxTTL
	// maxPageClaims is how many bytes of claims end an answer early: there are two
	// to three hundred issuances in it then.
	maxPageClaims = 4 << 20
	// MaxRevoked bounds the certificates that one event revokes: writing them takes some
	// 20 ms, which everything else that is recorded waits for.
	MaxRevoked = 1000
	// MaxRevocations bounds revocation lists: at some 40 bytes for each certificate a CRL
	// takes 4 MB then, and whoever has more to revoke replaces the authority.
	MaxRevocations = 100_000
	// RevokedFor is how long after its end a certificate stays on revocation lists: longer
	// than it takes to the next list (RFC 5280 §3.3), for relying parties whose clocks are behind.
	RevokedFor = 2 * time.Hour
	// maxDetail bounds an event's detail: some failed checks, never evidence.
	maxDetail = 4 << 10
)
