package tdx

import (
	"slices"
	"strconv"

	"github.com/quotary/quotary/evidence"
)

// behind lists what keeps the parts that are not up to date from the newest level
// that is, in the order platform, module, quoting enclave. Where Intel calls no
// level up to date there is nothing to reach.
func (t *tcb) behind(e *evaluation) []evidence.TDXShortfall {
	var out []evidence.TDXShortfall
	if e.platform.status != upToDate {
		out = t.platformBehind(out)
	}
	if identity := t.info.identity(t.launch[1]); e.module != nil && identity != nil {
		out = svnBehind(out, "TDX module ISVSVN", *e.module, identity.levels, uint16(t.launch[0]))
	}
	return svnBehind(out, "QE ISVSVN", e.qe, t.identity.levels, t.qeSVN)
}

// platformBehind adds the components in which the platform is behind.
func (t *tcb) platformBehind(out []evidence.TDXShortfall) []evidence.TDXShortfall {
	at := slices.IndexFunc(t.info.levels, func(l platformLevel) bool { return l.status == upToDate })
	if at < 0 {
		return out
	}
	goal := &t.info.levels[at]
	for i, need := range goal.sgx {
		out = addShortfall(out, "SGX component "+strconv.Itoa(i+1), goal.sgxParts[i], uint16(t.platform.components[i]), uint16(need))
	}
	for i := firstTDX(t.launch); i < len(goal.tdx); i++ {
		out = addShortfall(out, "TDX component "+strconv.Itoa(i+1), goal.tdxParts[i], uint16(t.launch[i]), uint16(goal.tdx[i]))
	}
	return addShortfall(out, "PCESVN", "", t.platform.pceSVN, goal.pceSVN)
}

// svnBehind adds one version if it is behind.
func svnBehind(out []evidence.TDXShortfall, name string, found verdict, levels []svnLevel, have uint16) []evidence.TDXShortfall {
	at := slices.IndexFunc(levels, func(l svnLevel) bool { return l.status == upToDate })
	if found.status == upToDate || at < 0 {
		return out
	}
	return addShortfall(out, name, "", have, levels[at].svn)
}

func addShortfall(out []evidence.TDXShortfall, component, part string, have, need uint16) []evidence.TDXShortfall {
	if have >= need {
		return out
	}
	return append(out, evidence.TDXShortfall{Component: component, Part: part, Have: uint32(have), Need: uint32(need)})
}
