package ca

import "time"

const (
	// defaultTTL is the life of an X509-SVID whose policy names none. Renewal is a
	// new attestation, so the life is also how long a machine that turned bad stays trusted.
	defaultTTL = time.Hour
	// maxTTL bounds what a policy or the configuration may ask for: a day is the
	// longest that a mistake may last.
	maxTTL = 24 * time.Hour
	// minTTL is the least that a certificate is worth issuing for: below it, the
	// holder could not renew in time.
	minTTL = time.Minute
	// serviceTTL is the life of the service's own TLS certificate, whose key is in
	// memory only and which is renewed at half of it.
	serviceTTL = 24 * time.Hour
	// defaultAttestationTTL is the life of an attestation key's certificate. Enrolling
	// anew costs a TPM under a second, so a machine that is no longer enrolled stays
	// trusted for a day at most.
	defaultAttestationTTL = 24 * time.Hour
	// maxAttestationTTL bounds what the configuration may ask for: the ledger knows
	// which keys were superseded, but a CRL of the TPM's manufacturer counts only at
	// the next enrolment.
	maxAttestationTTL = 7 * 24 * time.Hour
	// attestationCATTL is the life of a CA of attestation keys. Only this service
	// trusts it, and its end stops every enrolled machine.
	attestationCATTL = 10 * 365 * 24 * time.Hour
	// minRSABits and maxRSABits bound an attestation key's modulus: TPMs make 2048 to 4096.
	minRSABits, maxRSABits = 2048, 4096
	// maxTPMAttribute bounds a TPM's manufacturer, model and version: real ones take
	// at most 20 bytes.
	maxTPMAttribute = 64
	// backdate is how far NotBefore lies in the past, for peers whose clocks are
	// behind (5 to 30 seconds are common).
	backdate = time.Minute
	// maxResultAge is how old an appraisal may be when a certificate is issued on
	// it: both happen in one request, and policy may change after it.
	maxResultAge = time.Minute

	// rootTTL is the life of the root. Replacing a root means telling every
	// relying party, so it is long; what it can sign is one level of CAs.
	rootTTL = 10 * 365 * 24 * time.Hour
	// issuingTTL is the life of an issuing CA unless configured: the next one takes
	// over after twenty months.
	issuingTTL = 2 * 365 * 24 * time.Hour
	// minIssuerTTL is the rest of life below which a CA is refused at start: while
	// it runs down, leaves would be cut short. A week leaves time to act.
	minIssuerTTL = 7 * 24 * time.Hour
	// maxLife bounds the configured life of an issuing CA: its root must outlive it.
	maxLife = 5 * 365 * 24 * time.Hour
	// rotationParts are the parts that an authority's life is counted in: the next one
	// is prepared after prepareParts of them, which leaves a third of the life for it
	// to become known, and takes over after activateParts. What is then left is the
	// longest that a leaf may last.
	rotationParts, prepareParts, activateParts = 6, 3, 5
	// publishFor is how long a new root stands in the bundle before leaves are issued
	// under it: five times the refresh hint (SPIFFE Federation §4.1: three to five).
	publishFor = 5 * refreshHint
	// retireAfter is how long an authority that issues no more stays in the bundle:
	// until the last of its leaves has ended, and the hour that a service may take to
	// notice that it issues no more.
	retireAfter = maxTTL + time.Hour
	// maxChanges bounds the journal: a change a day for a century.
	maxChanges = 1 << 15

	// crlLife is how long a revocation list holds: as long as the longest leaf, so that a
	// relying party that cannot fetch one for a while is not cut off before its peers are.
	crlLife = maxTTL
	// ocspLife is how long an answer about one certificate holds: what its holder staples to a
	// handshake may be as old. It is signed anew for each request, so it need not last.
	ocspLife = time.Hour
	// responderTTL is the life of the certificate of who signs these answers, which cannot be
	// revoked: an hour until the next is made, one for the last answer, and one to try again.
	responderTTL = 3 * time.Hour
	// maxListURL bounds where lists are: every handshake sends it.
	maxListURL = 256
	// maxAttestationResult bounds what a certificate carries of its appraisal: with
	// three kinds of evidence under 4 KiB, and every handshake sends it.
	maxAttestationResult = 8 << 10
	// maxDNSNames bounds the DNS names of a certificate: services have a handful,
	// and each lengthens every handshake.
	maxDNSNames = 32

	// maxAddresses bounds the addresses of a workload's certificate, likewise.
	maxAddresses = 16
	// maxHostName is the longest DNS name in text (RFC 1035 §2.3.4: 255 octets on the wire).
	maxHostName = 253
	// maxLabel is the longest label of a DNS name (RFC 1035 §2.3.4).
	maxLabel = 63
	// maxSPIFFEID is the longest SPIFFE ID that an issuer may emit (SPIFFE-ID §2.3).
	maxSPIFFEID = 2048
	// serialBits is the length of serial numbers: as long as 20 octets allow for a
	// positive number (RFC 5280 §4.1.2.2). A CA's are all random, a leaf's for randomPart.
	serialBits = 159
	// maxHosts bounds the names and addresses of the service's own certificate.
	maxHosts = 32
)
