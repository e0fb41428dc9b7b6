package tdx

import (
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
)

// unsupported is the verdict where no level matches.
var unsupported = verdict{status: notSupported}

// evaluation is a TCB evaluation by Intel's algorithm (Intel TDX DCAP Quoting
// Library API, "TCB status"; PCS API v4, "TCB Info: algorithm").
type evaluation struct {
	platform verdict
	module   *verdict // nil where the module has no version of its own
	qe       verdict
}

// evaluate finds the TCB levels of a platform, its TDX module (by
// TEE_TCB_SVN) and its quoting enclave.
func evaluate(info *tcbInfo, id *qeIdentity, p *platform, svn []byte, qeSVN uint16) evaluation {
	e := evaluation{platform: info.platformVerdict(p, svn), qe: svnVerdict(id.levels, qeSVN)}
	if version := svn[1]; version > 0 {
		e.module = &verdict{status: notSupported}
		if identity := info.identity(version); identity != nil {
			*e.module = svnVerdict(identity.levels, uint16(svn[0]))
		}
	}
	return e
}

// effectiveSVN returns the TEE_TCB_SVN to judge by. A TD report 1.5 has two: the
// one of the launch and the one of now, after a TD-preserving update of the
// module. Intel's algorithm judges the launch, and such an update never lowers a
// version; should the second one be lower after all, the lower one counts.
func effectiveSVN(b body) []byte {
	svn := b.teeTCBSVN()
	if !b.is15() || b.teeTCBSVN2()[1] > svn[1] {
		return svn
	}
	second := b.teeTCBSVN2()
	if second[1] < svn[1] {
		return second
	}
	lower := slices.Clone(svn)
	for i := range lower {
		lower[i] = min(lower[i], second[i])
	}
	return lower
}

// platformVerdict returns the verdict of the highest level that the platform
// reaches in every component. Intel lists levels in descending order, so this is
// the first that is reached; should a later one lie above it in every component,
// that one counts.
func (t *tcbInfo) platformVerdict(p *platform, svn []byte) verdict {
	best := -1
	for i := range t.levels {
		if !t.levels[i].reached(p, svn) {
			continue
		}
		if best < 0 || t.levels[i].above(&t.levels[best]) {
			best = i
		}
	}
	if best < 0 {
		return unsupported
	}
	return t.levels[best].verdict
}

// reached compares component by component. A module with a version of its own
// is judged by its identity, so its two components are left out.
func (l *platformLevel) reached(p *platform, svn []byte) bool {
	first := 0
	if svn[1] > 0 {
		first = 2
	}
	for i := range l.sgx {
		if p.components[i] < l.sgx[i] || (i >= first && svn[i] < l.tdx[i]) {
			return false
		}
	}
	return p.pceSVN >= l.pceSVN
}

// above reports whether l demands at least what other does in every component,
// and is not the same.
func (l *platformLevel) above(other *platformLevel) bool {
	for i := range l.sgx {
		if l.sgx[i] < other.sgx[i] || l.tdx[i] < other.tdx[i] {
			return false
		}
	}
	same := l.sgx == other.sgx && l.tdx == other.tdx && l.pceSVN == other.pceSVN
	return l.pceSVN >= other.pceSVN && !same
}

// svnVerdict returns the verdict of the highest level that svn reaches,
// whatever the order in which the levels are listed.
func svnVerdict(levels []svnLevel, svn uint16) verdict {
	best := -1
	for i := range levels {
		if levels[i].svn <= svn && (best < 0 || levels[i].svn > levels[best].svn) {
			best = i
		}
	}
	if best < 0 {
		return unsupported
	}
	return levels[best].verdict
}

// claims converges the parts. The advisories are those of all levels found,
// the date is the earliest of them, and absent if a level is.
func (e evaluation) claims(number uint32) *evidence.TDXTCB {
	parts := []verdict{e.platform, e.qe}
	if e.module != nil {
		parts = append(parts, *e.module)
	}
	out := &evidence.TDXTCB{
		PlatformStatus: e.platform.status.String(), QEStatus: e.qe.status.String(), EvaluationDataNumber: number,
	}
	if e.module != nil {
		out.ModuleStatus = e.module.status.String()
	}
	var all status
	for _, part := range parts {
		all = converge(all, part.status)
		out.Advisories = append(out.Advisories, part.advisories...)
	}
	out.Status = all.String()
	out.TCBDate = earliest(parts)
	slices.Sort(out.Advisories)
	out.Advisories = slices.Compact(out.Advisories)
	return out
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

// masked reports whether value, with only the bits of mask kept, is want.
func masked(value, mask, want []byte) bool {
	for i := range value {
		if value[i]&mask[i] != want[i] {
			return false
		}
	}
	return true
}
