package evidence

// Codes of signed reference values.
var (
	CodePolicyReferenceUnsigned  = define("policy.reference-unsigned", "Keys for reference values are configured, and a document of reference values is not signed.")
	CodePolicyReferenceSignature = define("policy.reference-signature", "Signed reference values are not exactly what a configured key signed, or there is no configured key to say so.")
	CodePolicyReferenceKey       = define("policy.reference-key", "A key for reference values is of a kind that is not accepted, has no name, or is there twice.")
)

// Codes of CoRIMs (draft-ietf-rats-corim).
var (
	CodeCoRIMMalformed   = define("corim.malformed", "The data is no CoRIM in strict CBOR.")
	CodeCoRIMUnsupported = define("corim.unsupported", "A CoRIM says what reference values cannot hold; the place and the reason are named.")
	CodeCoRIMSignature   = define("corim.signature", "A CoRIM is not signed by a configured key, or is signed and there is no key to say so.")
	CodeCoRIMValidity    = define("corim.validity", "A CoRIM is not valid yet or any more, or does not say until when it is.")
	CodeCoRIMExport      = define("corim.export", "Reference values say what a CoRIM of these profiles cannot hold.")
)
