package tdx

import (
	"bytes"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
)

// unsupported is the verdict where no level matches.
var unsupported = verdict{status: notSupported}

// tcb is what the levels of collateral are compared with.
type tcb struct {
	info     *tcbInfo
	identity *qeIdentity
	platform *platform
	launch   []byte // TEE_TCB_SVN
	now      []byte // TEE_TCB_SVN2; nil in a TD report 1.0
	qeSVN    uint16
}

// evaluation is a TCB evaluation with one TDX module by Intel's algorithm (Intel
// TDX DCAP Quoting Library API, "TCB status"; PCS API v4, "TCB Info: algorithm").
type evaluation struct {
	platform verdict
	module   *verdict // nil where the module has no version of its own
	qe       verdict
}

// evaluate finds the TCB levels of the platform, of its TDX module (by a
// TEE_TCB_SVN) and of its quoting enclave.
func (t *tcb) evaluate(svn []byte) evaluation {
	e := evaluation{platform: t.info.platformVerdict(t.platform, svn), qe: svnVerdict(t.identity.levels, t.qeSVN)}
	if version := svn[1]; version > 0 {
		e.module = &verdict{status: notSupported}
		if identity := t.info.identity(version); identity != nil {
			*e.module = svnVerdict(identity.levels, uint16(svn[0]))
		}
	}
	return e
}

// platformVerdict returns the verdict of the highest level that the platform
// reaches in every component: the levels are in descending order.
func (t *tcbInfo) platformVerdict(p *platform, svn []byte) verdict {
	for i := range t.levels {
		if t.levels[i].reached(p, svn) {
			return t.levels[i].verdict
		}
	}
	return unsupported
}

// reached compares component by component. A module with a version of its own
// is judged by its identity, so its two components are left out.
func (l *platformLevel) reached(p *platform, svn []byte) bool {
	for i := range l.sgx {
		if p.components[i] < l.sgx[i] || (i >= firstTDX(svn) && svn[i] < l.tdx[i]) {
			return false
		}
	}
	return p.pceSVN >= l.pceSVN
}

// firstTDX is the first TDX component that a level is compared in.
func firstTDX(svn []byte) int {
	if svn[1] > 0 {
		return 2
	}
	return 0
}

// svnVerdict returns the verdict of the highest level that svn reaches: the
// levels are in descending order.
func svnVerdict(levels []svnLevel, svn uint16) verdict {
	for i := range levels {
		if levels[i].svn <= svn {
			return levels[i].verdict
		}
	}
	return unsupported
}

// status converges the parts.
func (e *evaluation) status() status {
	all := converge(e.platform.status, e.qe.status)
	if e.module != nil {
		all = converge(all, e.module.status)
	}
	return all
}

// verdicts lists the parts.
func (e *evaluation) verdicts() []verdict {
	if e.module == nil {
		return []verdict{e.platform, e.qe}
	}
	return []verdict{e.platform, e.qe, *e.module}
}

// claims evaluates with the module of the launch and, in a TD report 1.5, with
// the one of now. The advisories are those of all levels found, the date is the
// earliest of them, and absent if a level is.
func (t *tcb) claims() *evidence.TDXTCB {
	launch := t.evaluate(t.launch)
	status, parts := launch.status(), launch.verdicts()
	out := &evidence.TDXTCB{
		PlatformStatus: launch.platform.status.String(), QEStatus: launch.qe.status.String(),
		TCBInfoEvaluationDataNumber:    t.info.number,
		QEIdentityEvaluationDataNumber: t.identity.number,
		EvaluationDataNumber:           min(t.info.number, t.identity.number),
		Behind:                         t.behind(&launch),
	}
	if launch.module != nil {
		out.ModuleStatus = launch.module.status.String()
	}
	if t.now != nil {
		now := t.evaluate(t.now)
		out.LaunchStatus, out.CurrentStatus = status.String(), now.status().String()
		status, parts = afterUpdate(status, now.status(), t.updated(&launch)), append(parts, now.verdicts()...)
	}
	out.Status, out.TCBDate = status.String(), earliest(parts)
	for _, part := range parts {
		out.Advisories = append(out.Advisories, part.advisories...)
	}
	slices.Sort(out.Advisories)
	out.Advisories = slices.Compact(out.Advisories)
	return out
}

// svnSize is the size of a TEE_TCB_SVN.
const svnSize = 16

// anySVN is a TEE_TCB_SVN that reaches every level: what is left is the platform.
var anySVN = bytes.Repeat([]byte{0xff}, svnSize)

// updated reports whether what was out of date at the launch was the TDX module
// alone, by its identity, and what runs now reaches the newest levels of module and
// SEAM loader (Intel TDX DCAP quote verification library, "check for relaunch").
func (t *tcb) updated(launch *evaluation) bool {
	if launch.module == nil || launch.module.status&lost != outOfDate || t.info.platformVerdict(t.platform, anySVN).status&lost != 0 {
		return false
	}
	newest := &t.info.levels[0] // there is one: the platform reaches a level
	least := uint16(newest.tdx[0])
	if version := t.now[1]; version > 0 {
		identity := t.info.identity(version)
		if identity == nil || len(identity.levels) == 0 {
			return false
		}
		least = identity.levels[0].svn
	}
	return uint16(t.now[0]) >= least && t.now[2] >= newest.tdx[2]
}

// earliest returns the earliest date, or the zero time if one is absent.
func earliest(parts []verdict) time.Time {
	first := slices.MinFunc(parts, func(a, b verdict) int { return a.date.Compare(b.date) })
	return first.date
}

// signerOf returns what the TDX module must be: the identity of its version, or
// the general one where it has no version or an unknown one.
func (t *tcbInfo) signerOf(svn []byte) *moduleIdentity {
	if svn[1] > 0 {
		if identity := t.identity(svn[1]); identity != nil {
			return identity
		}
	}
	return &t.module
}

// module is a TDX module as a TD report has it.
type module struct{ signer, attributes []byte }

// judge holds the module to the identities of its versions: that of the launch, and
// that of now (nil in a TD report 1.0).
func (m module) judge(checks *evidence.Checks, info *tcbInfo, launch, now []byte) bool {
	want := info.signerOf(launch)
	ok := want.matches(m)
	if ok && now != nil {
		want = info.signerOf(now)
		ok = want.matches(m)
	}
	return checks.Judge(ok, evidence.CodeTDXModuleSigner,
		"MRSIGNERSEAM "+hexText(want.mrSigner)+", attributes "+hexText(want.attributes),
		"MRSIGNERSEAM "+hexText(m.signer)+", attributes "+hexText(m.attributes))
}

// matches reports whether a module has this signer and these attributes.
func (i *moduleIdentity) matches(m module) bool {
	return bytes.Equal(m.signer, i.mrSigner) && masked(m.attributes, i.mask, i.attributes)
}

// masked reports whether value, with only the bits of mask kept, is want.
func masked(value, mask, want []byte) bool {
	for i := range value {
		if value[i]&mask[i] != want[i] {
			return false
		}
	}
	return true
}
