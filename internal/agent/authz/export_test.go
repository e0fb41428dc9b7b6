package authz

// IdentityHeaders and HeaderCode are the headers of answers.
var (
	IdentityHeaders = identityHeaders
	HeaderCode      = headerCode
)
