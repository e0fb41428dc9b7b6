package server

import "time"

const (
	// maxBody bounds a request's body. The largest is 768 KiB of evidence
	// (evidence.MaxEncoded) as base64url, 1 MiB, with endorsements, a challenge and a key.
	maxBody = 1152 << 10
	// maxMembers bounds the members of a request: the one with the most has eleven.
	maxMembers = 16
	// maxMember bounds every other member of a body but the evidence, as JSON: a
	// certificate request of evidence.MaxCSR takes 5.6 KiB as PEM.
	maxMember = 8 << 10
	// maxEKCertificates bounds an endorsement key's certificate and its chain, as JSON: eight
	// certificates (evidence.MaxCertificates) of 3 KiB, with what pads an NV index.
	maxEKCertificates = 48 << 10
	// maxEndorsements bounds the endorsements that come with evidence, as JSON. A TDX
	// platform's set takes 40 KiB, of which the PCK CRL is half; SNP's takes 5 KiB.
	maxEndorsements = 128 << 10
	// maxStapled bounds their number: a set has eight documents at most.
	maxStapled = 16
	// maxCall bounds the body of an administrator's call without documents or
	// evidence: every member has a few dozen bytes.
	maxCall = 64 << 10
	// maxUpload bounds one with policy documents: twice store.MaxPolicySize, as JSON
	// takes two bytes for a quotation mark or the end of a line.
	maxUpload = 16 << 20
	// maxUploads bounds how many of these are read at once: each takes three times its
	// size in memory until its documents are decoded.
	maxUploads = 4
	// maxPlans bounds the computations for administrators at once: each keeps a CPU
	// busy for seconds, and what is left is for attestations.
	maxPlans = 2
	// maxAnswers bounds the questions about single certificates that are answered at once: each
	// takes a look into the ledger and a signature, a tenth of a millisecond, and what is left is
	// for attestations.
	maxAnswers = 2
	// maxDocumentName bounds a policy document's name: file systems take 255 bytes.
	maxDocumentName = 128
	// maxHeads bounds the earlier ends of the audit chain that are compared at once.
	maxHeads = 64
	// maxReason bounds why an administrator does something, in bytes: with the rest of an
	// event's detail it fits into what the ledger keeps of that, even all of it escaped.
	maxReason = 500
	// maxRevocationNames bounds the certificates that a revocation names one by one.
	maxRevocationNames = 100
	// maxCause bounds a revocation's condition and reason, as JSON: with the rest of an
	// event's detail they fit into what the ledger keeps of that.
	maxCause = 3100
	// defaultPage is how many rows a list has unless another number is asked for.
	defaultPage = 100
	// maxHeader bounds a request's headers; ours take under 1 KiB.
	maxHeader = 16 << 10
	// maxInFlight bounds the requests that are handled at once in one room, and with maxBody
	// the memory that bodies take: 256 × 1152 KiB = 288 MiB at the very worst.
	maxInFlight = 256
	// maxConnections bounds the open connections: an idle one takes 43 KB, so all
	// together 180 MB. Machines attest a few times a day and need none in between.
	maxConnections = 4096
	// stallTime is how long a request may wait for its client before another may
	// take its place, where all are taken. What a client sends in one go is there in
	// less; and to keep everybody out takes 512 new requests in this time, again
	// and again.
	stallTime = 100 * time.Millisecond
	// maxStreams bounds what one HTTP/2 connection may ask at once; it is the
	// value that RFC 9113 §6.5.2 recommends as the least.
	maxStreams = 100
	// queuePerSlot is how many requests may wait for one appraisal slot. An
	// appraisal takes about a millisecond, so the last in line waits some 30 ms.
	queuePerSlot = 32
	// patience is how long a request waits for a slot before it is told to come
	// back: longer than any queue takes to drain, shorter than a client waits.
	patience = 2 * time.Second
	// recordTimeout is how long a request waits for the ledger, even if its client
	// has left: the fsync of a slow disk takes some 100 ms.
	recordTimeout = 10 * time.Second
	// readyFor is how long an answer about readiness holds. Each new one costs an
	// fsync, and anybody may ask.
	readyFor = time.Second

	// headerTimeout, readTimeout, writeTimeout and idleTimeout close the
	// connections of clients that stall. A full body takes 1.1 s at 1 MiB/s; a
	// response may wait for slot and ledger before it is written.
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 60 * time.Second

	// adminReadTimeout and adminTimeout are for administrators, once they are known: a
	// full upload takes 16 s at 1 MiB/s; a plan replays up to 50,000 attestations, some
	// ten seconds, and a walk along a large ledger takes as long.
	adminReadTimeout = 60 * time.Second
	adminTimeout     = 60 * time.Second

	// feedPatience is how long a request waits for news of revocations: shorter than
	// writeTimeout, and than proxies wait for an answer.
	feedPatience = 20 * time.Second
	// keepAlive lies between two signs of life on a stream of revocations: proxies end
	// connections that are quiet for a minute, some after half of that.
	keepAlive = 15 * time.Second
	// eventTimeout is how long a client may take for one event. The largest has 14 MiB.
	eventTimeout = 10 * time.Second

	// retrySoon is for a lack of capacity, retryLater for what an operator has to
	// put right (a missing endorsement, a full disk).
	retrySoon  = 1 * time.Second
	retryLater = 60 * time.Second

	// retryLatest bounds what a client is told to wait for a vendor: whatever the
	// vendor says, an operator may have put an endorsement there meanwhile.
	retryLatest = 15 * time.Minute
	// fetchPatience is how long a request waits for vendors altogether. They answer
	// in a second or not at all; what comes later is there for the next attempt.
	fetchPatience = 8 * time.Second
	// fetchRounds bounds how often a request's wants are fetched: its key's
	// certificate, then what that leads to, then a revocation list.
	fetchRounds = 3

	// refusalsPerSecond and refusalBurst bound the audit events of refused
	// requests, which cost a sender nothing: at most 1.3 GB a day under attack.
	// What is left out is counted in the next event. Issuances are never left out.
	refusalsPerSecond = 50
	refusalBurst      = 1000
	// maxFailedCodes bounds the failed checks that an audit event names.
	maxFailedCodes = 32
	// maxPath bounds the path in a log line.
	maxPath = 128
	// maxName bounds a member's name in a message.
	maxName = 32
	// maxReportData is the size of REPORT_DATA; a TPM's qualifying data is shorter.
	maxReportData = 64
)
