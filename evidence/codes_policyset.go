package evidence

// Codes of changes of the active policy set, and of looks into the ledger.
var (
	CodePolicyInvalid          = define("policy.invalid", "Policy documents that an administrator sent do not load, or may not be put in force.")
	CodePolicyManagedByFiles   = define("policy.managed-by-files", "The service's configuration leaves the policy to administrators, instead of naming files that decide.")
	CodePolicyConflict         = define("policy.conflict", "The active policy set is not the one that the change starts from; look at it and decide anew.")
	CodePolicySetUnknown       = define("policy.set-unknown", "The history has no policy set of this number.")
	CodePolicyProposalUnknown  = define("policy.proposal-unknown", "There is no proposal of this number and digest.")
	CodePolicyProposalClosed   = define("policy.proposal-closed", "The proposal was applied or withdrawn, or has expired.")
	CodePolicyProposalApproved = define("policy.proposal-approved", "The administrator approved the proposal before; each counts once.")
	CodePolicyProposals        = define("policy.proposals", "As many proposals or approvals are open as the ledger keeps; withdraw some.")
	CodeAttestationUnknown     = define("ledger.attestation-unknown", "The ledger has no issuance of this attestation.")
	CodeAttestationKeyUnknown  = define("ledger.key-unknown", "The ledger knows no attestation key of this SHA-256.")
	CodeAttestationKeyChanged  = define("ledger.key-changed", "The attestation key is what the change of it starts from; otherwise look at it and decide anew.")
	CodeLedgerQuery            = define("ledger.query", "A look into the ledger asks for what no answer holds: a bad limit or a range that ends before it begins.")
)
