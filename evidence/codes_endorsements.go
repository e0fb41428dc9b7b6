package evidence

// Codes of endorsements as an operator hands them in.
var (
	CodeEndorsementUnrecognised = define("endorsements.unrecognised", "A file is no endorsement that this build knows.")
	CodeEndorsementMalformed    = define("endorsements.malformed", "A file looks like an endorsement but cannot be decoded strictly.")
	CodeEndorsementTooLarge     = define("endorsements.too-large", "A file, an archive, an answer or the whole set of endorsements is larger than the documented bound.")
	CodeEndorsementsNone        = define("endorsements.none", "No endorsement was found in the given paths.")
	CodeTrustAnchorUnsuitable   = define("endorsements.trust-anchor", "A certificate that is to be a trust anchor is not a CA certificate.")
)

// Codes of endorsements as the store fetches, admits and keeps them.
var (
	CodeEndorsementVendor       = define("endorsements.vendor", "A vendor's service is configured in a way that cannot work.")
	CodeEndorsementUnobtainable = define("endorsements.unobtainable", "No configured vendor's service hands out this endorsement; send it with the evidence or import it.")
	CodeEndorsementOffline      = define("endorsements.offline", "The store fetches nothing, and the endorsement was not imported.")
	CodeEndorsementUnreachable  = define("endorsements.vendor-unreachable", "The vendor's service did not answer, or not as it should; the store tries again by itself.")
	CodeEndorsementThrottled    = define("endorsements.throttled", "The vendor's service wants fewer requests, or the store's own limit on requests to it is reached.")
	CodeEndorsementNotFound     = define("endorsements.not-found", "The vendor's service knows no such endorsement.")
	CodeEndorsementNotAuthentic = define("endorsements.not-authentic", "An answer holds no authentic endorsement of the name that was asked for; what the store had before stays.")
	CodeEndorsementRolledBack   = define("endorsements.rolled-back", "An authentic endorsement is older than one that the store has seen; the newer one stays.")
	CodeEndorsementStale        = define("endorsements.stale", "The newest endorsement that the vendor hands out has expired.")
	CodeEndorsementPending      = define("endorsements.pending", "The endorsement is still being fetched; a later request finds it.")
	CodeEndorsementBusy         = define("endorsements.busy", "Too many endorsements are being fetched already.")
	CodeEndorsementStoreFull    = define("endorsements.store-full", "The store is at its bound and holds nothing that it could fetch again.")
	CodeEndorsementStore        = define("endorsements.store", "The store's directory cannot be read or written; what is in memory goes on working.")
)
