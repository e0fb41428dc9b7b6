package policies

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// Sizes of a quote's fields in bytes (Intel TDX DCAP quote format, "TD Quote Body").
const (
	tdxRegisterSize = 48
	tdxXFAMSize     = 8
	tdxFMSPCSize    = 6
	tdxPPIDSize     = 16
	tdxRTMRs        = 4
)

// tdxRequirement is what a TDX quote must show. The zero value with the
// default statuses is the strictest that pins no value.
type tdxRequirement struct {
	mrtd              *values // nil: any
	rtmrs             [tdxRTMRs]*values
	mrseam            *values
	mrsignerSEAM      *values // nil: zero, Intel's own module
	mrserviceTD       *values // nil: zero, no service TD
	mrconfigID        *values
	mrowner           *values
	mrownerConfig     *values
	xfam              *values
	statuses          *choice
	advisories        []string // the closed list of those that may apply
	advisoriesWant    string
	minimumEvaluation *floor
	allow             []string
	fmspcs            *accessList
	ppids             *accessList
}

// What a policy may allow that is denied by default, besides allowDebug.
const (
	allowMigratable = "migratable"
	allowNoSEPTVE   = "no-sept-ve-disable"
	allowPerfmon    = "perfmon"
	allowAttributes = "unknown-attributes"
)

var tdxAllow = []string{allowDebug, allowMigratable, allowNoSEPTVE, allowPerfmon, allowAttributes}

// statusUpToDate is the one TCB status that is good enough by default.
const statusUpToDate = "UpToDate"

// tdxStatuses are the TCB statuses that a policy may allow, and tdxNever those
// that none may: a revoked platform's keys are known to others, and of an
// unsupported one nothing is known.
var (
	tdxStatuses = []string{
		statusUpToDate, "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded",
		"OutOfDate", "OutOfDateConfigurationNeeded", "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded",
	}
	tdxNever = []string{"Revoked", "NotSupported"}
)

// defaultTDX is the requirement that holds where a document says nothing.
func defaultTDX() *tdxRequirement {
	return &tdxRequirement{statuses: newChoice(statusUpToDate), advisoriesWant: "none"}
}

// readTDX reads tdx; a nil node gives nil.
func (l *loader) readTDX(s source, n *yaml.Node, a *alternative) *tdxRequirement {
	f := s.mapping(n, "tdx")
	if f == nil {
		return nil
	}
	q := defaultTDX()
	q.allow = a.readAllow(s, f.take("allow"), evidence.KindTDX, tdxAllow)
	l.readTDXRegisters(f, q, a)
	l.readTDXOptional(f, q, a)
	s.readTDXStatuses(f, q, a)
	if n := f.take("minimum_evaluation_data_number"); n != nil {
		q.minimumEvaluation = newFloor(s.number(n, 1<<32-1))
	}
	q.fmspcs = l.readAccess(s, f.take("fmspcs"), valueSpec{key: "fmspcs", size: tdxFMSPCSize, zero: true})
	q.ppids = l.readAccess(s, f.take("ppids"), valueSpec{key: "ppids", size: tdxPPIDSize})
	judgeTDXFirmware(f, q)
	f.done()
	return q
}

func rtmrKey(i int) string { return "rtmr" + strconv.Itoa(i) }

// readTDXRegisters reads the measurements, each of which must be pinned or said
// to be any: a kernel that nobody looked at is no accident.
func (l *loader) readTDXRegisters(f *fields, q *tdxRequirement, a *alternative) {
	read := func(key string, zero bool) *values {
		n := f.need(key, "list values (96 hex digits each), or {reference: NAME}, or any if "+key+" does not matter")
		spec := valueSpec{key: key, size: tdxRegisterSize, zero: zero, reference: key, technology: evidence.KindTDX}
		if isAny(n) {
			a.relax("tdx." + key + ".any")
			return l.anyValue(spec)
		}
		return l.readValues(f.source, n, spec)
	}
	q.mrtd = read("mrtd", false)
	pinned := q.mrtd != nil && !q.mrtd.any
	for i := range q.rtmrs {
		q.rtmrs[i] = read(rtmrKey(i), true)
		pinned = pinned || q.rtmrs[i].measures(tdxRegisterSize)
	}
	if !pinned && isAny(f.values["mrtd"]) {
		f.problem(f.at, evidence.CodePolicyUnsafe, "tdx pins no measurement, so it accepts every TD; give mrtd and the RTMRs values")
	}
}

// judgeTDXFirmware refuses a document that takes any firmware (MRTD) from anybody.
// What extends the RTMRs is the firmware and what it starts: one that was made
// for it extends them with whatever the reference values want.
func judgeTDXFirmware(f *fields, q *tdxRequirement) {
	if n := f.values["mrtd"]; isAny(n) && (q.ppids == nil || q.ppids.allow == nil) {
		f.problem(n, evidence.CodePolicyUnsafe, "mrtd: any accepts any firmware, which can extend the RTMRs with whatever it likes; list values, or the platforms that you trust not to start such (ppids.allow)")
	}
}

// readTDXOptional reads the registers that need not be mentioned.
func (l *loader) readTDXOptional(f *fields, q *tdxRequirement, a *alternative) {
	list := func(key string, size int, zero bool, reference string) *values {
		return l.readValues(f.source, f.take(key), valueSpec{
			key: key, size: size, zero: zero, reference: reference, technology: evidence.KindTDX,
		})
	}
	q.mrseam = list("mrseam", tdxRegisterSize, false, "mrseam")
	q.mrconfigID = list("mrconfigid", tdxRegisterSize, true, "")
	q.mrowner = list("mrowner", tdxRegisterSize, true, "")
	q.mrownerConfig = list("mrownerconfig", tdxRegisterSize, true, "")
	q.xfam = list("xfam", tdxXFAMSize, false, "")
	if q.mrsignerSEAM = list("mrsigner_seam", tdxRegisterSize, true, ""); q.mrsignerSEAM != nil {
		a.relax("tdx.mrsigner-seam")
	}
	if q.mrserviceTD = list("mrservicetd", tdxRegisterSize, true, ""); q.mrserviceTD != nil {
		a.relax("tdx.mrservicetd")
	}
}

// readTDXStatuses reads the TCB statuses and the advisories that may come with them.
func (s source) readTDXStatuses(f *fields, q *tdxRequirement, a *alternative) {
	n := f.take("tcb_statuses")
	var statuses []string
	for _, entry := range s.sequence(n, "tcb_statuses") {
		if entry.Kind == yaml.ScalarNode && slices.Contains(tdxNever, entry.Value) {
			s.problem(entry, evidence.CodePolicyUnsafe, "no policy may accept a platform whose TCB status is %s", entry.Value)
			continue
		}
		if status := s.word(entry, "tcb_statuses", tdxStatuses); status != "" && !slices.Contains(statuses, status) {
			statuses = append(statuses, status)
		}
	}
	weaker := false
	for _, status := range statuses {
		if status != statusUpToDate {
			weaker = true
			a.relax("tdx.tcb-status." + status)
		}
	}
	if len(statuses) > 0 {
		q.statuses = newChoice(statuses...)
	}
	s.readAdvisories(f, q, a, weaker)
}

// readAdvisories reads the closed list of advisories: a status alone would let
// the next advisory through unseen.
func (s source) readAdvisories(f *fields, q *tdxRequirement, a *alternative, weaker bool) {
	n := f.take("advisories")
	switch {
	case n == nil && weaker:
		s.problem(f.at, evidence.CodePolicyMissingKey, "tdx needs advisories: tcb_statuses allows more than UpToDate, so list the advisories that you accept, or write none")
		return
	case n == nil, n.Kind == yaml.ScalarNode && n.Value == "none":
		return
	}
	for _, entry := range s.sequence(n, "advisories") {
		id := s.text(entry)
		switch {
		case id == "":
		case !strings.HasPrefix(id, "INTEL-"):
			s.problem(entry, evidence.CodePolicyValue, "%q is no advisory of Intel's, such as INTEL-SA-00837", clip(id))
		case slices.Contains(q.advisories, id):
			s.problem(entry, evidence.CodePolicyValue, "advisories has %q twice", id)
		default:
			q.advisories = append(q.advisories, id)
			a.relax("tdx.advisory." + id)
		}
	}
	if len(q.advisories) > 0 {
		q.advisoriesWant = "none but " + join(q.advisories)
	}
}
