package evidence

// Codes of signed reference values.
var (
	CodePolicyReferenceUnsigned  = define("policy.reference-unsigned", "Keys for reference values are configured, and a document of reference values is not signed.")
	CodePolicyReferenceSignature = define("policy.reference-signature", "Signed reference values are not exactly what a configured key signed, or there is no configured key to say so.")
	CodePolicyReferenceKey       = define("policy.reference-key", "A key for reference values is of a kind that is not accepted, has no name, or is there twice.")
)
