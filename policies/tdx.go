package policies

import (
	"slices"
	"strconv"

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
	statuses          statusList
	advisories        advisoryList // those that may apply with any of the statuses
	minimumEvaluation *floor
	allow             []string
	fmspcs            *accessList
	ppids             *accessList
	boot              *bootRequirement // nil: no event log is asked for
}

// What a policy may allow that is denied by default, besides allowDebug.
const (
	allowMigratable = "migratable"
	allowNoSEPTVE   = "no-sept-ve-disable"
	allowPerfmon    = "perfmon"
	allowAttributes = "unknown-attributes"
)

var tdxAllow = []string{allowDebug, allowMigratable, allowNoSEPTVE, allowPerfmon, allowAttributes}

// defaultTDX is the requirement that holds where a document says nothing.
func defaultTDX() *tdxRequirement {
	return &tdxRequirement{statuses: newStatusList(tcbStatus{status: statusUpToDate}), advisories: newAdvisoryList(nil)}
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
	q.boot = l.readBoot(s, f.take("boot"), tdxBoot, a)
	judgeTDXFirmware(f, q)
	judgeTDXBoot(f, q)
	f.done()
	return q
}

func rtmrKey(i int) string { return "rtmr" + strconv.Itoa(i) }

// readTDXRegisters reads the measurements, each of which must be pinned or said
// to be any: a kernel that nobody looked at is no accident.
func (l *loader) readTDXRegisters(f *fields, q *tdxRequirement, a *alternative) {
	read := func(key string, zero bool) *values {
		n := f.need(key, "list values (96 hex digits each), or {reference: NAME}, or any if "+key+" does not matter")
		if isBoot(n) {
			if !slices.Contains(tdxLogged, key) {
				f.problem(n, evidence.CodePolicyUnsafe, "%s cannot be left to the event log; list values, or write any", key)
			}
			return nil
		}
		spec := valueSpec{key: key, size: tdxRegisterSize, zero: zero, reference: key, technology: evidence.KindTDX}
		if isAny(n) {
			a.relax("tdx." + key + ".any")
			return l.anyValue(spec)
		}
		return l.readRegister(f.source, n, spec, a, "tdx."+key)
	}
	q.mrtd = read("mrtd", false)
	pinned := q.mrtd.pins()
	for i := range q.rtmrs {
		q.rtmrs[i] = read(rtmrKey(i), true)
		pinned = pinned || isBoot(f.values[rtmrKey(i)]) || q.rtmrs[i].measures(tdxRegisterSize)
	}
	if !pinned && isOpen(f.values["mrtd"]) {
		f.problem(f.at, evidence.CodePolicyUnsafe, "tdx pins no measurement, so it accepts every TD; give mrtd and the RTMRs values")
	}
}

// judgeTDXFirmware refuses a document that takes any firmware (MRTD) from anybody.
// What extends the RTMRs is the firmware and what it starts: one that was made
// for it extends them with whatever the reference values want.
func judgeTDXFirmware(f *fields, q *tdxRequirement) {
	if n := f.values["mrtd"]; isOpen(n) && (q.ppids == nil || q.ppids.allow == nil) {
		f.problem(n, evidence.CodePolicyUnsafe, "mrtd: %s accepts any firmware, which can extend the RTMRs with whatever it likes; list values, or the platforms that you trust not to start such (ppids.allow)", openWord(n))
	}
}

// readTDXOptional reads the registers that need not be mentioned.
func (l *loader) readTDXOptional(f *fields, q *tdxRequirement, a *alternative) {
	spec := func(key string, size int, zero bool, reference string) valueSpec {
		return valueSpec{key: key, size: size, zero: zero, reference: reference, technology: evidence.KindTDX}
	}
	list := func(key string, size int, zero bool, reference string) *values {
		return l.readRegister(f.source, f.take(key), spec(key, size, zero, reference), a, "tdx."+key)
	}
	relaxing := func(key, relaxed string) *values {
		v := l.readValues(f.source, f.take(key), spec(key, tdxRegisterSize, true, ""))
		if v != nil {
			a.relax(relaxed)
		}
		return v
	}
	q.mrseam = list("mrseam", tdxRegisterSize, false, "mrseam")
	q.mrconfigID = list("mrconfigid", tdxRegisterSize, true, "")
	q.mrowner = list("mrowner", tdxRegisterSize, true, "")
	q.mrownerConfig = list("mrownerconfig", tdxRegisterSize, true, "")
	q.xfam = list("xfam", tdxXFAMSize, false, "")
	q.mrsignerSEAM = relaxing("mrsigner_seam", "tdx.mrsigner-seam")
	q.mrserviceTD = relaxing("mrservicetd", "tdx.mrservicetd")
}
