package evidence

// Codes of what arrives: evidence, requests, challenges, keys.
var (
	CodeHexMalformed       = define("hex.malformed", "A value that should be hex is not.")
	CodeKindUnknown        = define("evidence.kind-unknown", "The kind of evidence is none that this build knows.")
	CodeKindUnsupported    = define("evidence.kind-unsupported", "The evidence was recognised, but this service has no verifier for its kind.")
	CodeEvidenceEmpty      = define("evidence.empty", "The request carries no evidence.")
	CodeEvidenceMalformed  = define("evidence.malformed", "The evidence cannot be decoded.")
	CodeEvidenceTooLarge   = define("evidence.too-large", "The evidence, or a part of it, is larger than the documented bound.")
	CodeEvidenceDuplicate  = define("evidence.duplicate", "The bundle holds two items of one kind, or two equal labels.")
	CodeMediaTypeUnknown   = define("evidence.media-type-unknown", "The media type of an item is none that this build knows.")
	CodeRequestMalformed   = define("request.malformed", "The request cannot be decoded.")
	CodeRequestTooLarge    = define("request.too-large", "The request's body is larger than the documented bound.")
	CodeRequestMediaType   = define("request.media-type", "The request's content type is not the one that the endpoint takes.")
	CodeChallengeMalformed = define("challenge.malformed", "The challenge is not one that this service sealed.")
	CodeChallengeExpired   = define("challenge.expired", "The challenge is older than its life.")
	CodeChallengeSpent     = define("challenge.spent", "The challenge was used before; each is good for one attestation.")
	CodeChallengeAudience  = define("challenge.audience", "The challenge was sealed for another audience.")
	CodeChallengePurpose   = define("challenge.purpose", "The challenge was sealed for another purpose.")
	CodeKeyMalformed       = define("key.malformed", "The public key or certificate request cannot be decoded, or its self-signature does not verify.")
	CodeKeyUnsupported     = define("key.unsupported", "The public key is of a type or size that is not accepted.")
	CodeKeyMismatch        = define("key.mismatch", "The certificate request's key is not the attested key.")
	CodeRequestedNames     = define("key.requested-names", "The certificate request asks for names or extensions; identity comes from policy alone.")
	CodeOverloaded         = define("service.overloaded", "The service has no capacity for the request now; try again later.")
	CodeNotFound           = define("service.not-found", "There is nothing at this path.")
	CodeMethodNotAllowed   = define("service.method-not-allowed", "The path does not take this method.")
	CodeInternal           = define("service.internal", "The service failed; the cause is in its log.")
)

// Codes of the core: freshness, binding, verdict.
var (
	CodeBinding             = define("binding.report-data", "The signed evidence carries exactly the binding of challenge, key, audience and kinds.")
	CodeSimulatedAllowed    = define("trust.simulated", "Evidence under a simulated or test root is accepted only where both the service and the policy say so.")
	CodeEndorsementsMissing = define("undecided.endorsements-unavailable", "An endorsement that the verdict needs is missing; neither accepted nor refused.")
	CodeNotAccepted         = define("appraisal.rejected", "The evidence was appraised and refused; the failed checks say why.")
	CodePolicyEvaluated     = define("appraisal.policy-evaluated", "The active policy was asked about the evidence.")
	CodeVerifierFault       = define("appraisal.verifier-fault", "A verifier failed on this evidence; it is refused.")
)
