package tpm

import (
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// earlier is what earlier appraisals left about the attestation key.
type earlier struct {
	lookup func(evidence.Digest) *tee.KeyState // nil where nothing is compared
	state  *tee.KeyState                       // nil where nothing was left, or the quote is refused anyway
	// restarted says that the TPM was started again since the quote that state is of.
	restarted bool
}

// quoted returns the state of an earlier quote, or nil.
func (e *earlier) quoted() *tee.KeyState {
	if e.state == nil || !e.state.Quoted {
		return nil
	}
	return e.state
}

// recall asks what earlier appraisals left, and judges whether the key was revoked.
// This service knows every key that it enrolled, until it forgets one.
func (x *examination) recall() {
	const want = "not superseded and not revoked"
	switch {
	case x.earlier.lookup == nil:
		x.checks().NotApplicable(evidence.CodeTPMAKRevoked, "nothing is compared with earlier appraisals")
		return
	case !x.sound():
		x.checks().NotPerformed(evidence.CodeTPMAKRevoked, want, unsound)
		return
	}
	x.earlier.state = x.earlier.lookup(x.keyID())
	switch state := x.earlier.state; {
	case state == nil && x.claims.AKSource == evidence.AKSourceEnrolled:
		x.checks().Fail(evidence.CodeTPMAKRevoked, want, "an enrolment that is not known any more")
	case state == nil:
		x.checks().Pass(evidence.CodeTPMAKRevoked, "the key is new")
	default:
		got := want
		if state.Revoked {
			got = "superseded or revoked"
		}
		x.checks().Judge(!state.Revoked, evidence.CodeTPMAKRevoked, want, got)
	}
}

// keyID is what the attestation key is remembered by.
func (x *examination) keyID() evidence.Digest {
	return keyID(x.key.fingerprint, x.out.Claims.Simulated)
}

// keyID is what the key with this fingerprint is remembered by.
func keyID(fingerprint digest, simulated bool) evidence.Digest {
	if simulated {
		return tee.SimulatedID(evidence.Digest(fingerprint))
	}
	return evidence.Digest(fingerprint)
}

// judgeClock compares clock and counters with those of the last accepted quote by
// the same key (TPM 2.0 part 1, 36).
//
// Under the owner's and the null hierarchy the TPM adds a number to each counter that is
// always the same for one key, modulo 2^32. So differences modulo 2^32 count and
// nothing else; one in the upper half is a step backwards.
//
//   - A reset (TPM2_Startup(CLEAR) after no or another shutdown than
//     TPM2_Shutdown(STATE)) sets restartCount to zero, and after a power failure the
//     clock may have lost its last minutes. Neither is compared then.
//   - A restart or resume, which only an orderly shutdown leads to, keeps the clock
//     going. Which of the two it was, with PCRs set back or kept, no counter says.
//   - TPM2_Clear sets all three to zero. It counts as backwards: a key that survives
//     it must be enrolled anew.
func (x *examination) judgeClock() {
	const want = "forwards"
	last := x.earlier.quoted()
	switch {
	case x.earlier.lookup == nil:
		x.checks().NotApplicable(evidence.CodeTPMClock, "nothing is compared with earlier appraisals")
		return
	case !x.sound():
		x.checks().NotPerformed(evidence.CodeTPMClock, want, unsound)
		return
	case last == nil:
		x.checks().NotApplicable(evidence.CodeTPMClock, "there is no earlier quote to compare with")
		return
	}
	resets, restarts := int32(x.attest.resetCount-last.Resets), int32(x.attest.restartCount-last.Restarts)
	x.earlier.restarted = resets != 0 || restarts != 0
	switch {
	case resets < 0:
		x.checks().Fail(evidence.CodeTPMClock, want, fmt.Sprintf("%d resets", resets))
	case resets > 0:
		x.checks().Pass(evidence.CodeTPMClock, fmt.Sprintf("reset %d times since the last quote", resets))
	case restarts < 0:
		x.checks().Fail(evidence.CodeTPMClock, want, fmt.Sprintf("%d restarts without a reset", restarts))
	case x.attest.clock <= last.Clock:
		x.checks().Fail(evidence.CodeTPMClock, fmt.Sprintf("a clock behind %d ms, without a reset", last.Clock), fmt.Sprintf("%d ms", x.attest.clock))
	case restarts > 0:
		x.checks().Pass(evidence.CodeTPMClock, fmt.Sprintf("restarted or resumed %d times since the last quote", restarts))
	default:
		x.checks().Pass(evidence.CodeTPMClock, fmt.Sprintf("%d ms since the last quote", x.attest.clock-last.Clock))
	}
}

// judgeReboot judges whether the evidence is complete again after a start of the TPM:
// what the machine ran before explains no PCR any more. A resume keeps them, but
// cannot be told from a restart that does not.
func (x *examination) judgeReboot() {
	const want = "an event log where there was one, and an IMA log from its first entry"
	last := x.earlier.quoted()
	switch {
	case x.earlier.lookup == nil:
		x.checks().NotApplicable(evidence.CodeTPMReboot, "nothing is compared with earlier appraisals")
	case !x.sound():
		x.checks().NotPerformed(evidence.CodeTPMReboot, want, unsound)
	case last == nil:
		x.checks().NotApplicable(evidence.CodeTPMReboot, "there is no earlier quote to compare with")
	case !x.earlier.restarted:
		x.checks().NotApplicable(evidence.CodeTPMReboot, "the TPM was not started again since the last quote")
	case last.Logged && len(x.item.EventLog) == 0:
		x.checks().Fail(evidence.CodeTPMReboot, want, "no event log")
	case x.item.IMAOffset > 0:
		x.checks().Fail(evidence.CodeTPMReboot, want, fmt.Sprintf("an IMA log from entry %d on", x.item.IMAOffset))
	case last.IMA != nil && len(x.item.IMALog) == 0:
		x.checks().Fail(evidence.CodeTPMReboot, want, "no IMA log")
	default:
		x.checks().Pass(evidence.CodeTPMReboot, "complete")
	}
}

// remember sets what is to be left to later appraisals.
func (x *examination) remember() {
	if !x.sound() {
		return
	}
	state := &tee.KeyState{
		Quoted: true, Clock: x.attest.clock, Resets: x.attest.resetCount, Restarts: x.attest.restartCount,
		Logged: len(x.item.EventLog) > 0, IMA: x.ima,
	}
	if last := x.earlier.quoted(); last != nil {
		// A quote without logs does not make up for those that there were.
		state.Logged = state.Logged || last.Logged
		if state.IMA == nil && !x.earlier.restarted && last.IMA != nil {
			kept := *last.IMA
			state.IMA = &kept
		}
	}
	x.out.Key, x.out.KeyState = x.keyID(), state
}
