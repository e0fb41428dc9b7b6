package agentapi

// maxSigning bounds the signatures at once: a TPM makes one after the other, and the agent's own
// attestation must not wait for many.
const maxSigning = 2
