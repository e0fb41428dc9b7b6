package policies

import (
	"fmt"

	"github.com/quotary/quotary/evidence"
)

// Sizes of the report's fields in bytes (SEV-SNP ABI, 56860, table 23).
const snpReportIDSize = 32

var vmplWants = [...]string{"VMPL 0", "VMPL 1", "VMPL 2", "VMPL 3"}

// CXL memory lies outside of the package, so a guest that may use it is refused
// unless the document says otherwise.
const guestPolicyCXL = 1 << 21

// guestPolicyBits are the settings of the guest policy that a document may ask
// for (SEV-SNP ABI, table 8): the guest's owner chose them at launch, and the firmware
// holds the host to them. Debugging and migration are asked for elsewhere.
var guestPolicyBits = &bitRegister{
	key: "guest_policy", claim: "policy",
	bits: []bit{
		{"smt", 1 << 16},
		{"single_socket", 1 << 20},
		{"cxl", guestPolicyCXL},
		{"aes_256_xts", 1 << 22},
		{"rapl_disabled", 1 << 23},
		{"ciphertext_hiding", 1 << 24},
		{"page_swap_disabled", 1 << 25},
	},
	refused: guestPolicyCXL,
}

// readSNPLaunch reads how the guest is launched and who asks for the report.
func (l *loader) readSNPLaunch(f *fields, q *snpRequirement, a *alternative) {
	q.vmpl = uint32(f.number(f.take("vmpl"), uint64(len(vmplWants)-1)))
	q.vmplWant = vmplWants[min(int(q.vmpl), len(vmplWants)-1)]
	q.guestPolicy = f.readBits(f.take(guestPolicyBits.key), guestPolicyBits, a)
	q.migrationAgents = l.readValues(f.source, f.take("migration_agents"), valueSpec{key: "migration_agents", size: snpReportIDSize})
	if q.migrationAgents != nil {
		a.relax("sev-snp.migration-agent")
	}
}

// judgeLaunch judges how the guest was launched and who asked for the report.
func (q *snpRequirement) judgeLaunch(r *report, c *evidence.SNPClaims) {
	policy, known := registerValue(c.Policy.Raw)
	r.judge(known && (!c.Policy.Debug || q.allows(allowDebug)), snp, evidence.CodePolicySNPDebug, "a guest that cannot be debugged",
		func() string { return policyBit(known, c.Policy.Debug, "debugging allowed", "debugging forbidden") })
	q.judgeMigration(r, c, known)
	cxl := policy&guestPolicyCXL != 0
	r.judge(known && (!cxl || q.guestPolicy.forbidden&guestPolicyCXL == 0), snp, evidence.CodePolicySNPCXL, "a guest without CXL memory",
		func() string { return policyBit(known, cxl, "CXL allowed", "CXL forbidden") })
	r.judge(q.guestPolicy.holds(c.Policy.Raw) && knownPolicy(policy), snp, evidence.CodePolicySNPGuestPolicy, q.guestPolicy.want,
		func() string { return q.guestPolicy.violations(c.Policy.Raw) })
	r.judge(c.VMPL == q.vmpl, snp, evidence.CodePolicySNPVMPL, q.vmplWant, func() string {
		if c.VMPL >= uint32(len(vmplWants)) {
			return fmt.Sprintf("VMPL %#x: the host asked for the report", c.VMPL)
		}
		return vmplWants[c.VMPL]
	})
}

// judgeMigration judges who may move the guest to another machine: a migration
// agent reads all of it, so nobody unless his own report ID is pinned.
func (q *snpRequirement) judgeMigration(r *report, c *evidence.SNPClaims, known bool) {
	agent := len(c.ReportIDMA) == snpReportIDSize && !isFilled(c.ReportIDMA, 0xff)
	if q.migrationAgents != nil && agent && known {
		r.values(snp, evidence.CodePolicySNPMigration, q.migrationAgents, c.ReportIDMA)
		return
	}
	known = known && len(c.ReportIDMA) == snpReportIDSize
	r.judge(known && !agent && !c.Policy.MigrateMA, snp, evidence.CodePolicySNPMigration, "no migration agent", func() string {
		if agent {
			return "migration agent " + c.ReportIDMA.String()
		}
		return policyBit(known, c.Policy.MigrateMA, "a migration agent may be associated", "none, and none allowed")
	})
}

func policyBit(known, set bool, yes, no string) string {
	if !known {
		return absent
	}
	return yesNo(set, yes, no)
}

// knownPolicy reports whether a guest policy has no bit that this build does not
// know (63:26), and the one that must be set (17).
func knownPolicy(policy uint64) bool {
	const reservedOne, known = 1 << 17, 1<<26 - 1
	return policy&^known == 0 && policy&reservedOne != 0
}
