package evidence

// Codes of endorsements as an operator hands them in.
var (
	CodeEndorsementUnrecognised = define("endorsements.unrecognised", "A file is no endorsement that this build knows.")
	CodeEndorsementMalformed    = define("endorsements.malformed", "A file looks like an endorsement but cannot be decoded strictly.")
	CodeEndorsementTooLarge     = define("endorsements.too-large", "A file, an archive or the whole set of endorsements is larger than the documented bound.")
	CodeEndorsementsNone        = define("endorsements.none", "No endorsement was found in the given paths.")
	CodeTrustAnchorUnsuitable   = define("endorsements.trust-anchor", "A certificate that is to be a trust anchor is not a CA certificate.")
)
