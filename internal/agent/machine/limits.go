package machine

const (
	// maxAttempts bounds how often a machine attests for one wish: once as it is, once with
	// whole logs, once with a new certificate of its attestation key.
	maxAttempts = 3
	// maxVMPL is the least privileged level (SEV-SNP ABI 56860, "VMPL").
	maxVMPL = 3
)
