package policies

import (
	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// snpMitVectorSize is the size of a mitigation vector in bytes (SEV-SNP ABI, table 23).
const snpMitVectorSize = 8

// readFirmware reads how old the firmware may be. The product lines are those
// that the document lists.
func (q *snpRequirement) readFirmware(f *fields, listed []string, a *alternative) {
	n := f.need("minimum_tcb", "write {bootloader: N, tee: N, snp: N, microcode: N}, for one product line or for each as {Milan: {…}, Genoa: {…}}; or any to accept firmware of any age")
	if isAny(n) {
		a.relax("sev-snp.minimum-tcb.any")
	} else {
		q.minimumTCB = f.readTCBs(n, "minimum_tcb", listed)
	}
	q.readLaunchTCB(f, f.take("minimum_launch_tcb"), listed, a)
	if vectors := f.mapping(f.take("minimum_mitigation"), "minimum_mitigation"); vectors != nil {
		q.launchMitigation, q.mitigation = vectors.readMitigation()
	}
}

// readLaunchTCB reads the minimum at launch, which is minimum_tcb if nothing is
// said: firmware that was too old then may have measured anything, and an update
// under the running guest makes the measurement no truer.
func (q *snpRequirement) readLaunchTCB(f *fields, n *yaml.Node, listed []string, a *alternative) {
	q.minimumLaunchTCB = q.minimumTCB
	switch {
	case isAny(n):
		q.minimumLaunchTCB = nil
		a.relax("sev-snp.minimum-launch-tcb.any")
	case n != nil:
		q.minimumLaunchTCB = f.readTCBs(n, "minimum_launch_tcb", listed)
		if t := q.minimumLaunchTCB; t != nil && q.minimumTCB != nil && t.lowers(q.minimumTCB) {
			a.relax("sev-snp.minimum-launch-tcb.lower")
		}
	}
}

// readMitigation reads bits of the mitigation vectors.
func (f *fields) readMitigation() (launch, current evidence.Hex) {
	read := func(key string) evidence.Hex {
		if n := f.take(key); n != nil {
			return f.hexValue(n, valueSpec{key: f.what + "." + key, size: snpMitVectorSize})
		}
		return nil
	}
	launch, current = read("launch"), read("current")
	if len(f.values) == 0 {
		f.problem(f.at, evidence.CodePolicyMissingKey, "%s needs launch, current, or both", f.what)
	}
	f.done()
	return launch, current
}

// judgeFirmware judges the firmware. Reported and committed TCB must both reach
// the minimum: the host can lower the one, and roll back to the other.
func (q *snpRequirement) judgeFirmware(r *report, c *evidence.SNPClaims) {
	if q.minimumTCB != nil {
		t := q.minimumTCB.of(c.Product)
		r.judge(t.reachedBy(&c.ReportedTCB) && t.reachedBy(&c.CommittedTCB), snp, evidence.CodePolicySNPTCB, t.wanted(), func() string {
			if sameTCB(&c.ReportedTCB, &c.CommittedTCB) {
				return tcbText(c.ReportedTCB) + t.remark(&c.ReportedTCB)
			}
			return "reported " + tcbText(c.ReportedTCB) + "; committed " + tcbText(c.CommittedTCB) + t.remark(&c.CommittedTCB)
		})
	}
	if q.minimumLaunchTCB != nil {
		t := q.minimumLaunchTCB.of(c.Product)
		r.judge(t.reachedBy(&c.LaunchTCB), snp, evidence.CodePolicySNPLaunchTCB, t.wanted(), func() string {
			return tcbText(c.LaunchTCB) + t.remark(&c.LaunchTCB)
		})
	}
	committed := sameTCB(&c.CurrentTCB, &c.CommittedTCB) && c.CurrentVersion != "" && c.CurrentVersion == c.CommittedVersion
	r.judge(committed || q.allows(allowProvisional), snp, evidence.CodePolicySNPProvisional, "firmware that is committed", func() string {
		if committed {
			return "committed " + c.CommittedVersion
		}
		return "running " + c.CurrentVersion + " (" + tcbText(c.CurrentTCB) + "), committed " + c.CommittedVersion + " (" + tcbText(c.CommittedTCB) + ")"
	})
	mitigation := func(least, vector evidence.Hex, want string) {
		if least != nil {
			r.judge(coversBits(vector, least), snp, evidence.CodePolicySNPMitigation, want, func() string { return shown(vector) })
		}
	}
	mitigation(q.launchMitigation, c.LaunchMitVector, "every bit of the required launch vector")
	mitigation(q.mitigation, c.CurrentMitVector, "every bit of the required current vector")
}

// coversBits reports whether vector has every bit of least.
func coversBits(vector, least evidence.Hex) bool {
	if len(vector) != len(least) {
		return false
	}
	for i := range least {
		if vector[i]&least[i] != least[i] {
			return false
		}
	}
	return true
}
