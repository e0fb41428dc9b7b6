package evidence

// Codes of the revocation of certificates.
var (
	CodeRevocationNone    = define("revocation.none", "Something that is to be revoked is a live certificate that is not revoked yet.")
	CodeRevocationFull    = define("revocation.full", "Revocation lists hold what is revoked; where they do not, the authority itself is to be replaced.")
	CodeRevocationWhere   = define("revocation.where", "The condition of a revocation is a CEL expression over claims that gives true or false.")
	CodeRevocationRevoked = define("revocation.revoked", "The certificate at the other end of a connection is not revoked.")
	CodeRevocationUnknown = define("revocation.unknown", "A revocation list that holds, signed by the certificate's issuer, says whether it is revoked.")
)
