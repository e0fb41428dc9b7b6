package hcl

// Bounds on a report of a paravisor, whose runtime data [evidence.MaxRuntimeData] bounds.
const (
	// maxReport bounds a report with the padding behind it: its NV index has 2,600 bytes,
	// and TPM 2.0 part 2 knows of none with more than 64 KiB.
	maxReport = 64 << 10
	// maxDepth, maxElements and maxText bound runtime data: real ones nest three deep, with up to
	// nine members in an object, and 342 characters for the modulus of a key. RSA-4096 takes 683.
	maxDepth    = 8
	maxElements = 64
	maxText     = 4 << 10
	// minRSA and maxRSA bound a key's modulus in bits: real ones have 2048.
	minRSA, maxRSA = 2048, 4096
)
