package evidence

// Codes of Intel TDX quotes: their form.
var (
	CodeTDXQuoteFormat       = define("tdx.quote-format", "The quote is complete: every length lies within it and agrees with the others.")
	CodeTDXQuoteVersion      = define("tdx.quote-version", "The quote's version is 4 or 5; SGX quotes (version 3) are no TDX evidence.")
	CodeTDXTEEType           = define("tdx.tee-type", "The quote's TEE type is TDX (0x81).")
	CodeTDXKeyType           = define("tdx.attestation-key-type", "The attestation key is ECDSA P-256 (type 2).")
	CodeTDXBodyType          = define("tdx.body-type", "The quote's body is a TD report, 1.0 or 1.5, of exactly its size.")
	CodeTDXCertificationData = define("tdx.certification-data", "The certification data is a QE report (type 6) over a PCK certificate chain (type 5).")
	CodeTDXPadding           = define("tdx.padding", "Behind the quote there is nothing, or zero padding only.")
	CodeTDXQEVendor          = define("tdx.qe-vendor", "The quoting enclave's vendor is Intel.")
	CodeTDXReserved          = define("tdx.reserved-fields", "The reserved fields of the QE report are zero.")
)

// Codes of Intel TDX quotes: signatures and certificates.
var (
	CodeTDXChainFormat       = define("tdx.pck-chain-format", "The quote carries exactly three certificates: PCK leaf, its CA, and the root.")
	CodeTDXTrustAnchor       = define("tdx.trust-anchor", "The chain's root is, by its key, the Intel SGX Root CA or a configured test root.")
	CodeTDXChainProfile      = define("tdx.pck-chain-profile", "The chain's certificates have Intel's names, key types and usages.")
	CodeTDXChainSignature    = define("tdx.pck-chain-signature", "The PCK certificate is signed by its CA, and that by the trust anchor.")
	CodeTDXPCKExtensions     = define("tdx.pck-extensions", "The PCK certificate's SGX extension is complete, each value exactly once.")
	CodeTDXCertificateTime   = define("tdx.certificate-validity", "Every certificate used is valid at the time of verification.")
	CodeTDXQESignature       = define("tdx.qe-report-signature", "The QE report is signed by the PCK certificate's key.")
	CodeTDXKeyBinding        = define("tdx.attestation-key-binding", "The QE report's data is the hash of the attestation key and the QE's authentication data.")
	CodeTDXQuoteSignature    = define("tdx.quote-signature", "Header and body are signed by the attestation key.")
	CodeTDXRootCRL           = define("tdx.root-crl", "The root's CRL is there and signed by the trust anchor.")
	CodeTDXPCKCRL            = define("tdx.pck-crl", "The CRL of the PCK certificate's issuer is there and signed by that issuer.")
	CodeTDXCARevocation      = define("tdx.pck-ca-revocation", "The PCK certificate's issuer is not revoked.")
	CodeTDXPCKRevocation     = define("tdx.pck-revocation", "The PCK certificate is not revoked.")
	CodeTDXSigningRevocation = define("tdx.tcb-signing-revocation", "The certificates that signed the collateral are not revoked.")
)

// Codes of Intel TDX quotes: the event log beside them.
var (
	CodeTDXEventLog       = define("tdx.event-log", "The event log beside the quote is a well-formed confidential computing event log.")
	CodeTDXEventLogReplay = define("tdx.event-log-replay", "Each RTMR that the event log has events for holds, in the quote, what these lead to.")
)

// Codes of Intel TDX quotes: collateral and the platform's TCB.
var (
	CodeTDXSigningChain        = define("tdx.tcb-signing-chain", "The TCB signing certificate is there and signed by the trust anchor.")
	CodeTDXTCBInfoFormat       = define("tdx.tcb-info-format", "The TCB info is strictly formed TDX TCB info of version 3.")
	CodeTDXTCBInfoSignature    = define("tdx.tcb-info-signature", "The TCB info's exact bytes are signed by a TCB signing certificate under the trust anchor.")
	CodeTDXTCBInfoPlatform     = define("tdx.tcb-info-platform", "The TCB info is for the platform in the PCK certificate: FMSPC and PCEID.")
	CodeTDXQEIdentityFormat    = define("tdx.qe-identity-format", "The QE identity is a strictly formed identity of the TD quoting enclave, version 2.")
	CodeTDXQEIdentitySignature = define("tdx.qe-identity-signature", "The QE identity's exact bytes are signed by a TCB signing certificate under the trust anchor.")
	CodeTDXCollateralExpired   = define("tdx.collateral-expired", "No CRL or collateral document that was used is past its next update.")
	CodeTDXCollateralNotYet    = define("tdx.collateral-not-yet-valid", "No CRL or collateral document that was used was issued after the time of verification.")
	CodeTDXQuotingEnclave      = define("tdx.quoting-enclave", "The quoting enclave is Intel's TD quoting enclave: signer, product, attributes and MISCSELECT.")
	CodeTDXModuleSigner        = define("tdx.module-signer", "The TDX module has the signer and SEAM attributes that the TCB info gives for its version.")
	CodeTDXTCBEvaluation       = define("tdx.tcb-evaluation", "The TCB status was evaluated; whether it is good enough is the policy's decision.")
	CodeTDXTrustAnchorUnsuited = define("tdx.trust-anchor-unsuitable", "A further trust anchor is no P-256 root with the name of an Intel SGX Root CA, or is not marked simulated.")
)
