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

// Codes of what comes with a TPM's quote.
var (
	CodeTPMAKVouched           = define("tpm.ak-vouched", "Another item of the bundle vouches for the attestation key, and the quote is by that key.")
	CodeTPMAKRevoked           = define("tpm.ak-revoked", "The attestation key was not superseded by a later enrolment of its TPM, nor revoked.")
	CodeTPMEventLog            = define("tpm.event-log", "The event log is well-formed and has digests of the bank that the quote covers, which is not SHA-1.")
	CodeTPMEventLogReplay      = define("tpm.event-log-replay", "The event log leads to the quoted values of PCRs 0 to 7. Later PCRs that it does not lead to yield no claims.")
	CodeTPMIMALog              = define("tpm.ima-log", "The IMA log is well-formed and the quote covers PCR 10 of a bank that is not SHA-1.")
	CodeTPMIMAReplay           = define("tpm.ima-replay", "The entries of the IMA log lead to the quoted value of PCR 10; entries behind those that do are dropped.")
	CodeTPMIMAOffset           = define("tpm.ima-offset", "The IMA log begins where an earlier accepted appraisal of the same boot, under the same policy, stopped, or with its first entry.")
	CodeTPMClock               = define("tpm.clock", "The TPM's clock and counters have not run backwards since the last accepted quote by the same key.")
	CodeTPMReboot              = define("tpm.reboot", "After a restart the evidence is complete again: with an event log where there was one before, and with an IMA log from its first entry.")
	CodeTPMCertificationFormat = define("tpm.certification-format", "The certification of the workload's key is well-formed: TPMS_ATTEST, TPMT_SIGNATURE and TPMT_PUBLIC with nothing behind them.")
	CodeTPMCertification       = define("tpm.certification", "The attestation key certifies the workload's key by its name, and for this binding.")
	CodeTPMCertifiedKey        = define("tpm.certified-key", "The workload's key cannot leave its TPM, was made in it, signs what it is given and does not decrypt.")
)

// Codes of a TPM's enrolment.
var (
	CodeTPMEKFormat     = define("tpm.ek-certificate-format", "The endorsement key's certificate is DER, as a file or an NV index with its prefix and padding has it.")
	CodeTPMEKUsage      = define("tpm.ek-certificate-usage", "The certificate is for an endorsement key (EKU 2.23.133.8.1) and not for a CA.")
	CodeTPMEKExtensions = define("tpm.ek-certificate-extensions", "The endorsement key's certificate has no critical extension that this build does not understand.")
	CodeTPMEKChain      = define("tpm.ek-certificate-chain", "The endorsement key's certificate ends at a configured manufacturer's root.")
	CodeTPMEKValidity   = define("tpm.ek-certificate-validity", "Every certificate of the endorsement key's chain is valid now.")
	CodeTPMEKRevocation = define("tpm.ek-certificate-revocation", "No certificate of the endorsement key's chain is revoked.")
	CodeTPMEKListed     = define("tpm.ek-listed", "The operator listed the endorsement key.")
	CodeTPMEKUntrusted  = define("tpm.ek-untrusted", "Nothing vouches for the endorsement key: neither a certificate under a configured root, nor the operator's list.")
	CodeTPMEKKey        = define("tpm.ek-key", "The endorsement key is RSA-2048 or RSA-3072 with exponent 65537 and without a known weakness, or ECC on P-256 or P-384.")
	CodeTPMAKScheme     = define("tpm.ak-scheme", "The attestation key's public area fixes a scheme of signatures that its type of key makes, with SHA-256, SHA-384 or SHA-512.")
	CodeTPMEKPublic     = define("tpm.ek-public", "The endorsement key's public area follows from its certificate and a template of the TCG; one that was sent is the same.")
	CodeTPMEnrolment    = define("tpm.enrolment", "The enrolment is one that this service began, not expired, not used before, and answered with the secret that was in its credential.")
	CodeTPMEnrolmentOff = define("tpm.enrolment-off", "The service enrols TPMs: its operator configured which endorsement keys it trusts.")
	CodeTPMEnrolled     = define("tpm.enrolled", "The attestation key was not enrolled with another TPM, and the TPM's endorsement key not with more attestation keys than the policy of the service allows.")
)

// Codes of bundles in which a report or quote of a TEE stands beside a TPM's quote.
var (
	CodeCompositeLink      = define("composite.link", "The report or quote of the TEE vouches for the attestation key of the TPM beside it: REPORT_DATA covers the key.")
	CodeCompositeHCL       = define("composite.hcl-report", "The paravisor's report (NV index 0x01400001) is complete, of a known version, of a confidential VM, and covers its runtime data with SHA-256.")
	CodeCompositeRuntime   = define("composite.runtime-data", "The runtime data is well-formed JSON that names exactly one attestation key, and REPORT_DATA is its SHA-256 and zeros.")
	CodeCompositeTPMNeeded = define("composite.tpm-needed", "Runtime data stands beside the quote of the TPM whose key it names: a report that a paravisor made is not fresh by itself.")
	CodeCompositeKeyInTPM  = define("composite.key-in-tpm", "The key that the TPM certifies is the key that is to be certified.")
)
