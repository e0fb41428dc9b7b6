package evidence

// Codes of what is issued on a result, and of the keys that sign it.
var (
	CodeIssuingResult   = define("issuing.result", "Nothing of this kind is issued on this result: it was not accepted, is for another purpose, or is too old.")
	CodeIssuingKey      = define("issuing.key", "The attested key is one of the service's own keys, which are never certified for a workload.")
	CodeIssuingIdentity = define("issuing.identity", "The identity that policy grants is not one that this authority may certify.")
	CodeIssuingValidity = define("issuing.validity", "What the certificate or token would rest on ends too soon.")
	CodeIssuingLint     = define("issuing.lint", "The certificate does not conform to its profile, so it was not released.")
	CodeIssuingAudience = define("issuing.audience", "A token was asked for without an audience, or with one that is malformed.")

	CodeAuthorityKeyFile     = define("authority.key-file", "A private key's file is missing, malformed or readable by others.")
	CodeAuthorityKeyShared   = define("authority.key-shared", "One key is in use for two roles; each role needs its own.")
	CodeAuthorityCert        = define("authority.certificate", "A certificate of the authority is malformed, or does not fit its key, its issuer or the trust domain.")
	CodeAuthorityExpired     = define("authority.expired", "A certificate of the authority is expired, not yet valid, or ends too soon to issue under it.")
	CodeAuthorityLife        = define("authority.life", "An issuing CA does not live six times as long as the certificates that it is to issue.")
	CodeAuthorityJournal     = define("authority.journal", "The journal of the authorities does not add up.")
	CodeAuthorityState       = define("authority.state", "The change is not one that the authorities' states allow.")
	CodeAuthorityRootAway    = define("authority.root-elsewhere", "An issuing CA is to be made, and the root's key is kept elsewhere.")
	CodeAuthorityTrustDomain = define("authority.trust-domain", "The trust domain is not one that this authority can be constrained to.")

	CodeTokenMissing   = define("token.missing", "The certificate carries no attestation result.")
	CodeTokenMalformed = define("token.malformed", "The token cannot be decoded strictly.")
	CodeTokenTooLarge  = define("token.too-large", "The token is larger than the documented bound.")
	CodeTokenHeader    = define("token.header", "The token's header is not exactly algorithm, key identifier and type as this service writes them.")
	CodeTokenKey       = define("token.key", "The token names a signing key that is not in the key set.")
	CodeTokenSignature = define("token.signature", "The token's signature does not verify.")
	CodeTokenClaims    = define("token.claims", "A required claim is missing, malformed or contradicts another.")
	CodeTokenExpired   = define("token.expired", "The token is expired, not yet valid, or valid for longer than tokens of this kind are.")
	CodeTokenIssuer    = define("token.issuer", "The token comes from another issuer.")
	CodeTokenAudience  = define("token.audience", "The token is for another audience.")
	CodeTokenSimulated = define("token.simulated", "The token rests on simulated evidence, and the relying party did not consent to that.")
	CodeTokenKeySet    = define("token.key-set", "The key set cannot be decoded strictly or holds no usable key.")
)
