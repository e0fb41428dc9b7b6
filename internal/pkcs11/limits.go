package pkcs11

const (
	// maxLabel is the size of a token's label in bytes (PKCS #11 2.40, CK_TOKEN_INFO).
	maxLabel = 32
	// maxPIN bounds a PIN in bytes: tokens take 4 to 255.
	maxPIN = 255
	// maxReference bounds a reference in bytes: label, name and identifier take about 200.
	maxReference = 1 << 10
	// idSize is the size of a key's CKA_ID in bytes: random, so that no two keys have the same.
	idSize = 16
)
