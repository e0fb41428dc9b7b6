package evidence

// Codes of a TPM 2.0 quote: its structures and its signature.
var (
	CodeTPMAttestFormat    = define("tpm.attest-format", "The attested structure is a well-formed TPMS_ATTEST with nothing behind it.")
	CodeTPMMagic           = define("tpm.magic", "The attested structure begins with TPM_GENERATED_VALUE, which a TPM never signs with a restricted key for data from outside.")
	CodeTPMType            = define("tpm.type", "The attested structure is a quote; certifications, time, audit and creation attestations are refused.")
	CodeTPMSignatureFormat = define("tpm.signature-format", "The signature is a well-formed TPMT_SIGNATURE with nothing behind it.")
	CodeTPMSignatureHash   = define("tpm.signature-hash", "The signature uses SHA-256, SHA-384 or SHA-512; SHA-1 is refused.")
	CodeTPMSignatureScheme = define("tpm.signature-scheme", "The signature's scheme is the one that the attestation key's type and public area fix.")
	CodeTPMSignature       = define("tpm.signature", "The attestation key's signature over the attested structure verifies.")
	CodeTPMPCRSelection    = define("tpm.pcr-selection", "The quote selects at least one PCR, of exactly one known bank.")
	CodeTPMPCRValues       = define("tpm.pcr-values", "Each selected PCR has a value, of exactly the size of its bank's digest.")
	CodeTPMPCRCovered      = define("tpm.pcr-covered", "Only values that the signed digest covers are used; others that came along are dropped.")
	CodeTPMPCRDigest       = define("tpm.pcr-digest", "The signed digest is the digest of the selected PCR values in the order of their indices.")
	CodeTPMKind            = define("tpm.kind", "The item is a TPM quote.")
)

// Codes of a TPM's attestation key.
var (
	CodeTPMAKUntrusted     = define("tpm.ak-untrusted", "Nothing vouches for the attestation key: the operator gave no such key, and no certificate under a configured root came with it.")
	CodeTPMAKGiven         = define("tpm.ak-given", "The attestation key is one that the operator gave.")
	CodeTPMAKPublicFormat  = define("tpm.ak-public-format", "The attestation key's public area is a well-formed TPMT_PUBLIC with nothing behind it.")
	CodeTPMAKPublicMatch   = define("tpm.ak-public-match", "The public area's key is the key of the certificate or of the given key, and the public area is the given one where one was given.")
	CodeTPMAKKey           = define("tpm.ak-key", "The attestation key is RSA of 2048 to 4096 bits with exponent 65537 and without a known weakness, or ECDSA on P-256, P-384 or P-521.")
	CodeTPMAKAttributes    = define("tpm.ak-attributes", "The attestation key is restricted, signs, does not decrypt, cannot leave its TPM and was made in it.")
	CodeTPMQualifiedSigner = define("tpm.qualified-signer", "The signer that the quote names is the attestation key, as far as the key's parents are known.")
	CodeTPMAKFormat        = define("tpm.ak-certificate-format", "The attestation key's certificate is well-formed DER, followed by nothing but NV index padding (00 or FF).")
	CodeTPMAKUsage         = define("tpm.ak-certificate-usage", "The certificate is for an attestation key (EKU 2.23.133.8.3, digital signatures) and not for a CA.")
	CodeTPMAKExtensions    = define("tpm.ak-certificate-extensions", "The certificate has no critical extension that this build does not understand.")
	CodeTPMAKChain         = define("tpm.ak-certificate-chain", "The certificate's chain of signatures ends at a configured root.")
	CodeTPMAKValidity      = define("tpm.ak-certificate-validity", "Every certificate of the chain is valid at the time of verification.")
	CodeTPMAKRevocation    = define("tpm.ak-certificate-revocation", "No certificate of the chain is listed in its issuer's revocation list.")
)

// Codes of what tpm2-tools write.
var (
	CodeTPMFileMalformed = define("tpm-file.malformed", "The file is none that tpm2-tools write for this purpose, or it is damaged.")
	CodeTPMFileBank      = define("tpm-file.bank", "The file does not say which bank its PCR values are of, or says another one than was asked for.")
)
