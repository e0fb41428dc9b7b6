package guest

import (
	"errors"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/internal/tsm"
)

// refusals are what TPMs refuse commands with (TPM 2.0 part 2, 6.6.3), in words
// that say what to do.
var refusals = []struct {
	rc     tpm2.TPMRC
	code   evidence.Code
	advice string
}{
	{tpm2.TPMRCRetry, evidence.CodeAttesterBusy, "the TPM stayed busy; try again in a minute"},
	{tpm2.TPMRCYielded, evidence.CodeAttesterBusy, "the TPM stayed busy; try again in a minute"},
	{tpm2.TPMRCTesting, evidence.CodeAttesterBusy, "the TPM is still testing itself; try again in a minute"},
	{tpm2.TPMRCNVRate, evidence.CodeAttesterBusy, "the TPM writes to its memory too often; try again in a minute"},
	{tpm2.TPMRCLockout, evidence.CodeAttesterLocked, "the TPM is in lockout after too many wrong authorization values: wait until it ends, or end it (tpm2_dictionarylockout --clear-lockout)"},
	{tpm2.TPMRCAuthFail, evidence.CodeAttesterDenied, "an authorization value is wrong: the hierarchy has one; give it, or use the owner hierarchy"},
	{tpm2.TPMRCBadAuth, evidence.CodeAttesterDenied, "an authorization value is wrong: the hierarchy has one; give it, or use the owner hierarchy"},
	{tpm2.TPMRCHierarchy, evidence.CodeAttesterFailed, "the hierarchy is disabled in the firmware's setup; enable it, or use another"},
	{tpm2.TPMRCInitialize, evidence.CodeAttesterFailed, "the TPM was not started: tpm2_startup --clear"},
	{tpm2.TPMRCFailure, evidence.CodeAttesterFailed, "the TPM is in failure mode; a power cycle may help"},
	{tpm2.TPMRCObjectMemory, evidence.CodeAttesterFailed, "the TPM has no room for another key: something left keys loaded (tpm2_flushcontext -t); /dev/tpmrm0 manages its room"},
	{tpm2.TPMRCSessionMemory, evidence.CodeAttesterFailed, "the TPM has no room for another session: something left sessions open (tpm2_flushcontext -l); /dev/tpmrm0 manages its room"},
	{tpm2.TPMRCCommandCode, evidence.CodeAttesterFailed, "the TPM does not know a command of TPM 2.0"},
	{tpm2.TPMRCCurve, evidence.CodeAttesterFailed, "the TPM has no such elliptic curve; choose a key of another type"},
}

// explain says in the project's terms why the TPM of this name gave nothing.
func explain(name string, err error) *evidence.Error {
	var own *evidence.Error
	if errors.As(err, &own) {
		return own
	}
	for _, known := range refusals {
		if errors.Is(err, known.rc) {
			return evidence.Errorf(known.code, name, "%s: %w", known.advice, err)
		}
	}
	return tsm.Classify(name, err)
}
