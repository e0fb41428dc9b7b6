package authorize

import "time"

const (
	// maxCertificate bounds a certificate as proxies pass it on, in bytes: one with an
	// attestation result has up to 5 KB in DER, and half as much again in escaped PEM.
	maxCertificate = 32 << 10
	// maxPeers bounds the certificates that are remembered as proved, some 10 KB each: a proxy
	// whose clients are more than that verifies some of them again.
	maxPeers = 4096
	// maxPath and maxHost bound what rules are compared with; longer requests are refused.
	// Proxies take 8 KiB for a whole request line; names have 253 characters.
	maxPath = 8 << 10
	maxHost = 255
	// maxMethod bounds a method: the longest that is registered has 17 letters.
	maxMethod = 32
	// maxRules bounds the rules: the first that matches is looked for in order.
	maxRules = 1024
	// clockSkew is how far in the future an attestation, or what was learnt last, may seem to be.
	clockSkew = time.Minute
	// maxDepth and maxMembers bound an attestation result, as they do where it is made.
	maxDepth   = 8
	maxMembers = 64
)
