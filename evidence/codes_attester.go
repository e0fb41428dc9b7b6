package evidence

// Codes of the attester's side: a machine that is asked for evidence of itself.
var (
	CodeAttesterAbsent = define("attester.absent", "The machine has no interface for this evidence: it is no such guest, or its kernel does not offer it.")
	CodeAttesterDenied = define("attester.denied", "The process may not use the machine's interface for evidence.")
	CodeAttesterVMPL   = define("attester.vmpl", "The guest may not ask for evidence of this privilege level.")
	CodeAttesterBusy   = define("attester.busy", "The machine's interface for evidence stayed busy for every attempt.")
	CodeAttesterFailed = define("attester.failed", "The machine's interface for evidence failed.")
	CodeAttesterReport = define("attester.report", "The machine's report is not the one that was asked for.")
)

// Codes of the attester's side where the evidence is of a TPM.
var (
	CodeAttesterLocked         = define("attester.locked", "The TPM refuses authorizations for a while, after too many wrong ones.")
	CodeAttesterEndorsementKey = define("attester.endorsement-key", "The TPM has an endorsement key of a template of the TCG, and its certificate is for that key.")
	CodeAttesterCredential     = define("attester.credential", "The credential of an enrolment is for this TPM: its endorsement key decrypts it for its attestation key.")
	CodeAttesterPCRs           = define("attester.pcrs", "The TPM has the bank of PCRs that is to be quoted, and their values hold still for as long as a quote takes.")
)
