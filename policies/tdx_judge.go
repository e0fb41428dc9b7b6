package policies

import (
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/quotary/quotary/evidence"
)

const tdx = evidence.KindTDX

var rtmrCodes = [tdxRTMRs]evidence.Code{
	evidence.CodePolicyTDXRTMR0, evidence.CodePolicyTDXRTMR1, evidence.CodePolicyTDXRTMR2, evidence.CodePolicyTDXRTMR3,
}

// judge holds claims against the requirement.
func (q *tdxRequirement) judge(r *report, c *evidence.TDXClaims) {
	q.judgeAttributes(r, c)
	r.values(tdx, evidence.CodePolicyTDXMRTD, q.mrtd, c.MRTD)
	for i, value := range [tdxRTMRs]evidence.Hex{c.RTMR0, c.RTMR1, c.RTMR2, c.RTMR3} {
		r.values(tdx, rtmrCodes[i], q.rtmrs[i], value)
	}
	r.values(tdx, evidence.CodePolicyTDXMRConfigID, q.mrconfigID, c.MRConfigID)
	r.values(tdx, evidence.CodePolicyTDXMROwner, q.mrowner, c.MROwner)
	r.values(tdx, evidence.CodePolicyTDXMROwnerConfig, q.mrownerConfig, c.MROwnerConfig)
	r.values(tdx, evidence.CodePolicyTDXXFAM, q.xfam, c.XFAM)
	q.judgeModule(r, c)
	q.judgeTCB(r, c)
	r.access(tdx, evidence.CodePolicyTDXFMSPC, q.fmspcs, c.FMSPC)
	r.access(tdx, evidence.CodePolicyTDXPPID, q.ppids, c.PPID)
	q.boot.judge(r, c.Boot)
}

// judgeAttributes judges the TD's attributes.
func (q *tdxRequirement) judgeAttributes(r *report, c *evidence.TDXClaims) {
	at := &c.Attributes
	known := len(at.Raw) == 8
	bit := func(ok bool, code evidence.Code, relaxed, want string, set bool, yes, no string) {
		r.judge(known && (ok || slices.Contains(q.allow, relaxed)), tdx, code, want, func() string { return policyBit(known, set, yes, no) })
	}
	debugged := at.Debug || at.TUD
	bit(!debugged, evidence.CodePolicyTDXDebug, allowDebug, "a TD that cannot be debugged", debugged, "debug set", "debug not set")
	bit(!at.Migratable, evidence.CodePolicyTDXMigratable, allowMigratable, "a TD that cannot be migrated", at.Migratable, "migratable set", "migratable not set")
	bit(at.SEPTVEDisable, evidence.CodePolicyTDXSEPTVE, allowNoSEPTVE, "SEPT_VE_DISABLE set", at.SEPTVEDisable, "set", "not set")
	bit(!at.Perfmon, evidence.CodePolicyTDXPerfmon, allowPerfmon, "no performance monitoring", at.Perfmon, "perfmon set", "perfmon not set")
	// Bits 0, 28 to 31 and 63 are the ones that claims name.
	const named = 1<<0 | 1<<28 | 1<<29 | 1<<30 | 1<<31 | 1<<63
	clear := known && binary.LittleEndian.Uint64(at.Raw)&^uint64(named) == 0
	r.judge(known && (clear || slices.Contains(q.allow, allowAttributes)), tdx, evidence.CodePolicyTDXAttributes,
		"no attribute besides debug, sept_ve_disable, migratable, pks, kl and perfmon", func() string { return shown(at.Raw) })
}

// judgeModule judges the TDX module and a service TD bound to the TD.
func (q *tdxRequirement) judgeModule(r *report, c *evidence.TDXClaims) {
	r.values(tdx, evidence.CodePolicyTDXMRSEAM, q.mrseam, c.MRSEAM)
	judgeZero(r, evidence.CodePolicyTDXSEAMSigner, q.mrsignerSEAM, c.MRSignerSEAM, "zero: Intel's own module")
	judgeZero(r, evidence.CodePolicyTDXSEAMAttributes, nil, c.SEAMAttributes, "zero: a production module")
	if c.BodyVersion == "1.0" && q.mrserviceTD == nil {
		r.note(tdx, evidence.CodePolicyTDXServiceTD, evidence.NotApplicable, "", func() string { return "TDX 1.0 has no service TDs" })
		return
	}
	judgeZero(r, evidence.CodePolicyTDXServiceTD, q.mrserviceTD, c.MRServiceTD, "zero: no service TD")
}

// judgeZero judges a register that must be zero where no values are listed.
func judgeZero(r *report, code evidence.Code, wanted *values, value evidence.Hex, want string) {
	if wanted != nil {
		r.values(tdx, code, wanted, value)
		return
	}
	zero := isFilled(value, 0)
	r.judge(zero, tdx, code, want, func() string {
		if zero {
			return "zero"
		}
		return shown(value)
	})
}

// evaluationOK reports whether the collateral is of a required evaluation. Where
// none is required both documents must be of one: old collateral of one kind, still
// in force, must not be combined with new collateral of the other.
func (q *tdxRequirement) evaluationOK(t *evidence.TDXTCB) bool {
	if q.minimumEvaluation != nil {
		return uint64(t.EvaluationDataNumber) >= q.minimumEvaluation.least
	}
	return t.TCBInfoEvaluationDataNumber == t.QEIdentityEvaluationDataNumber
}

func (q *tdxRequirement) evaluationWant() string {
	if q.minimumEvaluation != nil {
		return q.minimumEvaluation.want
	}
	return "TCB info and QE identity of one evaluation"
}

func evaluationText(t *evidence.TDXTCB) string {
	if t.TCBInfoEvaluationDataNumber == t.QEIdentityEvaluationDataNumber {
		return number(t.EvaluationDataNumber)
	}
	return "TCB info " + number(t.TCBInfoEvaluationDataNumber) + ", QE identity " + number(t.QEIdentityEvaluationDataNumber)
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
