package main

import (
	"context"
	"errors"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
)

// hints say what to look at, by the error's code.
var hints = map[evidence.Code]string{
	evidence.CodeAttesterAbsent: "in an SEV-SNP or TDX guest load its driver (sev-guest, tdx-guest) and mount configfs at /sys/kernel/config; " +
		"for a TPM see whether /dev/tpmrm0 is there; which of them is meant, machine.tee and machine.tpm say",
	evidence.CodeAttesterDenied: "reports and quotes are for root (TPMs for the group tss, too): see how the agent is started",
	evidence.CodeAttesterBusy:   "nothing is wrong with the machine; it is tried again",
	evidence.CodeAttesterLocked: "nothing is wrong with the machine; the TPM takes commands again after a while",
	evidence.CodeServiceUnreached: "is the service running at service.url, and is service.bundle or service.root_sha256 its root? " +
		"The service prints its root's digest when it starts",
	evidence.CodeTPMEnrolmentOff: "the service enrols no TPMs: its operator sets tpm.enrolment",
	evidence.CodeTPMEnrolled:     "this TPM's attestation key belongs to another endorsement key already: an administrator can release it",
	evidence.CodeTPMAKRevoked:    "an administrator revoked this TPM's attestation key, or another one took its place",
	evidence.CodeConfigMalformed: "docs/agent.md has all keys",
}

// hintFor says what can be done about an error; empty if that is not known.
func hintFor(err error) string {
	if hint, ok := hints[evidence.CodeOf(err)]; ok {
		return hint
	}
	var problem *client.Problem
	switch {
	case !errors.As(err, &problem):
		return ""
	case problem.Temporary():
		return "the service cannot say now; try again in " + max(problem.RetryAfter, time.Second).String()
	case agent.Refused(err):
		failed := problem.Checks.Failed()
		if len(failed) > 1 && failed[0].Code == evidence.CodePolicyWorkload { // because of the others
			failed = failed[1:]
		}
		if len(failed) > 0 {
			return failed[0].Code.String() + ": " + failed[0].Code.Description() + " The service's log has all of it under request " + printable(problem.RequestID)
		}
	}
	return "the service's log has the cause under request " + printable(problem.RequestID)
}

// unanswered reports whether an attempt ended without an answer of the service.
func unanswered(err error) bool {
	var problem *client.Problem
	code := evidence.CodeOf(err)
	return errors.As(err, &problem) || errors.Is(err, context.DeadlineExceeded) ||
		code == evidence.CodeServiceUnreached || code == evidence.CodeResponseMalformed || code == evidence.CodeResponseIdentity
}
