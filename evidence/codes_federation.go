package evidence

// Codes of the bundles of other trust domains.
var (
	CodeFederationUnreached = define("federation.unreached", "The bundle endpoint of another trust domain does not answer, or did not show who it is.")
	CodeFederationBundle    = define("federation.bundle", "The bundle of another trust domain cannot be decoded, or is older than the one at hand.")
)
