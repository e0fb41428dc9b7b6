package evidence

// Codes of decisions about requests to relying parties.
var (
	CodeAuthorizeCertificate = define("authorize.certificate", "The proxy passed on the certificate that the peer showed, and it can be decoded.")
	CodeAuthorizeKnowledge   = define("authorize.knowledge", "The trust bundle and the feed of revocations were confirmed lately.")
	CodeAuthorizeChain       = define("authorize.chain", "The certificate verifies under the trust bundle as one of a workload.")
	CodeAuthorizeResult      = define("authorize.result", "The attestation result that a rule asks for is in the certificate, and can be decoded.")
	CodeAuthorizeRequest     = define("authorize.request", "Method, host and path of the request can be read in one way only.")
	CodeAuthorizeRule        = define("authorize.rule", "There is a rule for the request.")
	CodeAuthorizeSPIFFEID    = define("authorize.spiffe-id", "The rule allows the SPIFFE ID.")
	CodeAuthorizeSimulated   = define("authorize.simulated", "The rule allows simulated evidence, or the certificate rests on none.")
	CodeAuthorizeAge         = define("authorize.age", "The workload was attested as lately as the rule asks for.")
	CodeAuthorizePolicy      = define("authorize.policy", "The rule allows the policy by which the workload was appraised.")
	CodeAuthorizeStatus      = define("authorize.status", "The status of the attestation result is one that the rule allows.")
)
