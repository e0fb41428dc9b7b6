package ocsp

const (
	// MaxRequest bounds a request, in bytes: one about a certificate takes 80 to 120, with
	// the longest nonce 250, and with a requestor's name or extensions of others some more.
	MaxRequest = 2 << 10
	// maxNonce is the longest nonce that a responder must take (RFC 9654 §2.1).
	maxNonce = 128
	// maxSerial is the longest serial number, in octets (RFC 5280 §4.1.2.2).
	maxSerial = 20
)
