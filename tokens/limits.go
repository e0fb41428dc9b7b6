package tokens

import "time"

const (
	// Life is how long a token lasts, unless what it rests on ends before: a token
	// cannot be called back, and a new one costs one attestation.
	Life = 5 * time.Minute
	// minLife is the least that a token is worth issuing for: it has to reach the
	// relying party.
	minLife = 10 * time.Second
	// maxResultAge is how old an appraisal may be when a token is issued on it:
	// both happen in one request.
	maxResultAge = time.Minute
	// clockSkew is how far the clocks of service and relying party may differ when a
	// token's beginning is judged. Its end is judged exactly.
	clockSkew = time.Minute

	// certificateBackdate is how long before its issuance a certificate begins, as
	// package ca has it: by then the token that it carries is judged.
	certificateBackdate = time.Minute

	// MaxToken bounds an encoded token. One with three submodules, 24 PCRs of 48
	// bytes and an RSA-4096 key takes under 8 KiB.
	MaxToken = 16 << 10
	// maxKeySet bounds an encoded key set: about 250 bytes a key.
	maxKeySet = 16 << 10
	// maxKeys bounds the keys of a key set: the current one and those that tokens
	// not yet expired were signed with.
	maxKeys = 16
	// maxDepth bounds nesting in a token's claims: ours nest five deep.
	maxDepth = 8
	// maxMembers bounds the members of one object or array: the longest of ours is
	// a map of 24 PCRs.
	maxMembers = 64
	// maxAudience bounds an audience: a URI or SPIFFE ID (at most 2048 bytes) is
	// far shorter in practice.
	maxAudience = 255

	// maxSVIDAudiences bounds the audiences of a JWT-SVID, each of which can use it with
	// the others: one is best (SPIFFE JWT-SVID §3.2).
	maxSVIDAudiences = 8

	// minNonce and maxNonce bound an EAT nonce (RFC 9711 §4.1).
	minNonce = 8
	maxNonce = 64
)
