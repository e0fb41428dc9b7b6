package tdx

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tcbInfo is Intel's statement on the TCB levels of one platform type (PCS API
// v4, "Get TDX TCB Info", version 3).
type tcbInfo struct {
	edition
	fmspc   []byte
	pceID   []byte
	module  moduleIdentity // for modules of version 0
	modules []moduleIdentity
	levels  []platformLevel // in descending order
}

// edition says when a document was issued and which evaluation it states.
type edition struct {
	issued     time.Time
	nextUpdate time.Time
	number     uint32 // tcbEvaluationDataNumber
}

// platformLevel is a TCB level of the platform: all components must be reached.
type platformLevel struct {
	sgx, tdx           [16]uint8
	sgxParts, tdxParts [16]string // what the components version, for people
	pceSVN             uint16
	verdict
}

// compare orders levels as Intel's verification library does: by SGX components,
// then PCESVN, then TDX components. A level that demands more than another in
// every component is above it.
func (l *platformLevel) compare(other *platformLevel) int {
	return cmp.Or(
		slices.Compare(l.sgx[:], other.sgx[:]),
		cmp.Compare(l.pceSVN, other.pceSVN),
		slices.Compare(l.tdx[:], other.tdx[:]),
	)
}

// verdict is what a TCB level means.
type verdict struct {
	status     status
	date       time.Time
	advisories []string
}

// moduleIdentity is what a TDX module of one version must be.
type moduleIdentity struct {
	version    uint8 // TEE_TCB_SVN[1]
	mrSigner   []byte
	attributes []byte
	mask       []byte
	levels     []svnLevel // in descending order
}

// svnLevel is a TCB level that is reached by one security version.
type svnLevel struct {
	svn uint16
	verdict
}

// qeIdentity is Intel's statement on the TD quoting enclave (PCS API v4, "Get
// TDX QE Identity", version 2).
type qeIdentity struct {
	edition
	miscSelect     []byte
	miscMask       []byte
	attributes     []byte
	attributesMask []byte
	mrSigner       []byte
	prodID         uint16
	levels         []svnLevel // in descending order
}

// decodeTCBInfo reads the signed bytes of a TCB info. Keys that are not known
// are left alone, as Intel adds some within a version.
func decodeTCBInfo(body []byte) (*tcbInfo, error) {
	o, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	f := &fields{}
	f.is(o, "id", "TDX")
	if f.uint(o, "version", 99) != 3 {
		f.fail("it is not of version 3")
	}
	if f.uint(o, "tcbType", 99) != 0 {
		f.fail("its TCB type is not 0, so its components cannot be compared")
	}
	info := &tcbInfo{edition: f.edition(o), fmspc: f.hex(o, "fmspc", 6), pceID: f.hex(o, "pceId", 2)}
	info.module = f.module(f.object(o, "tdxModule"))
	for _, m := range f.objects(o, "tdxModuleIdentities", maxLevels, true) {
		identity := f.module(m)
		identity.version = f.moduleVersion(m)
		identity.levels = f.svnLevels(m, 0xff)
		if info.identity(identity.version) != nil {
			f.fail("two module identities for version %d", identity.version)
		}
		info.modules = append(info.modules, identity)
	}
	levels := f.objects(o, "tcbLevels", maxLevels, false)
	info.levels = make([]platformLevel, 0, len(levels))
	for _, l := range levels {
		tcb := f.object(l, "tcb")
		level := platformLevel{pceSVN: uint16(f.uint(tcb, "pcesvn", 0xffff)), verdict: f.verdict(l)}
		level.sgx, level.sgxParts = f.components(tcb, "sgxtcbcomponents")
		level.tdx, level.tdxParts = f.components(tcb, "tdxtcbcomponents")
		info.levels = append(info.levels, level)
	}
	descend(f, info.levels, func(a, b platformLevel) int { return a.compare(&b) })
	return info, f.err
}

// descend puts levels in descending order. Two for the same versions would have
// two meanings.
func descend[L any](f *fields, levels []L, compare func(a, b L) int) {
	slices.SortStableFunc(levels, func(a, b L) int { return compare(b, a) })
	for i := range len(levels) - 1 {
		if compare(levels[i], levels[i+1]) == 0 {
			f.fail("two TCB levels for the same versions")
		}
	}
}

// identity returns the module identity of a version, or nil.
func (t *tcbInfo) identity(version uint8) *moduleIdentity {
	for i := range t.modules {
		if t.modules[i].version == version {
			return &t.modules[i]
		}
	}
	return nil
}

// decodeQEIdentity reads the signed bytes of a QE identity.
func decodeQEIdentity(body []byte) (*qeIdentity, error) {
	o, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	f := &fields{}
	f.is(o, "id", qeIdentityKey)
	if f.uint(o, "version", 99) != 2 {
		f.fail("it is not of version 2")
	}
	id := &qeIdentity{
		edition:    f.edition(o),
		miscSelect: f.hex(o, "miscselect", 4), miscMask: f.hex(o, "miscselectMask", 4),
		attributes: f.hex(o, "attributes", 16), attributesMask: f.hex(o, "attributesMask", 16),
		mrSigner: f.hex(o, "mrsigner", 32), prodID: uint16(f.uint(o, "isvprodid", 0xffff)),
		levels: f.svnLevels(o, 0xffff),
	}
	return id, f.err
}

func (f *fields) edition(o object) edition {
	e := edition{
		issued: f.time(o, "issueDate"), nextUpdate: f.time(o, "nextUpdate"),
		number: uint32(f.uint(o, "tcbEvaluationDataNumber", 1<<32-1)),
	}
	if !e.nextUpdate.After(e.issued) {
		f.fail("its next update is not after its issue")
	}
	return e
}

func (f *fields) module(o object) moduleIdentity {
	return moduleIdentity{
		mrSigner: f.hex(o, "mrsigner", 48), attributes: f.hex(o, "attributes", 8), mask: f.hex(o, "attributesMask", 8),
	}
}

// moduleVersion reads an id such as "TDX_03": two hex digits.
func (f *fields) moduleVersion(o object) uint8 {
	id := f.text(o, "id")
	digits, ok := strings.CutPrefix(id, "TDX_")
	version, err := strconv.ParseUint(digits, 16, 8)
	if !ok || err != nil || len(digits) != 2 {
		f.fail("%q is no module identity's name", brief(id))
	}
	return uint8(version)
}

func (f *fields) svnLevels(o object, most uint64) []svnLevel {
	levels := f.objects(o, "tcbLevels", maxLevels, false)
	out := make([]svnLevel, 0, len(levels))
	for _, l := range levels {
		out = append(out, svnLevel{
			svn:     uint16(f.uint(f.object(l, "tcb"), "isvsvn", most)),
			verdict: f.verdict(l),
		})
	}
	descend(f, out, func(a, b svnLevel) int { return cmp.Compare(a.svn, b.svn) })
	return out
}

func (f *fields) components(o object, key string) (svns [16]uint8, parts [16]string) {
	list := f.objects(o, key, len(svns), false)
	if len(list) != len(svns) {
		f.fail("%q has %d components instead of %d", key, len(list), len(svns))
		return svns, parts
	}
	for i, c := range list {
		svns[i] = uint8(f.uint(c, "svn", 0xff))
		parts[i] = strings.Trim(f.optional(c, "category")+": "+f.optional(c, "type"), ": ")
	}
	return svns, parts
}

func (f *fields) verdict(o object) verdict {
	s, ok := parseStatus(f.text(o, "tcbStatus"))
	if !ok {
		f.fail("unknown TCB status %q", brief(f.text(o, "tcbStatus")))
	}
	return verdict{status: s, date: f.time(o, "tcbDate"), advisories: f.texts(o, "advisoryIDs", maxAdvisories)}
}
