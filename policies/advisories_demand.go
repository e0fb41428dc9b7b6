package policies

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// demand is one thing that an advisory asks of a machine.
type demand struct {
	component  string // the claim that must show it
	need       string
	verifiedBy string
	met        func(*machine) bool
	have       func(*evidence.SNPClaims) string // what the claims show instead
}

// tcbPart is a component of a TCB.
type tcbPart struct {
	name string
	of   func(*evidence.SNPTCB) *uint8 // nil where the TCB has no such component
}

// tcbParts are the components that firmware updates raise, but for microcode,
// whose levels are of one stepping each.
var tcbParts = []tcbPart{
	{"fmc", func(t *evidence.SNPTCB) *uint8 { return t.FMC }},
	{"bootloader", func(t *evidence.SNPTCB) *uint8 { return &t.Bootloader }},
	{"tee", func(t *evidence.SNPTCB) *uint8 { return &t.TEE }},
	{"snp", func(t *evidence.SNPTCB) *uint8 { return &t.SNP }},
}

var microcodePart = tcbPart{"microcode", func(t *evidence.SNPTCB) *uint8 { return &t.Microcode }}

// tcbOf is one of a report's TCBs.
type tcbOf struct {
	name string
	of   func(*evidence.SNPClaims) *evidence.SNPTCB
}

// An update counts if the host reports it and cannot take it back: reported and
// committed TCB. Some bulletins ask for it since the guest's launch.
var (
	updatedTCBs = []tcbOf{
		{"reported_tcb", func(c *evidence.SNPClaims) *evidence.SNPTCB { return &c.ReportedTCB }},
		{"committed_tcb", func(c *evidence.SNPClaims) *evidence.SNPTCB { return &c.CommittedTCB }},
	}
	launchTCBs = []tcbOf{{"launch_tcb", func(c *evidence.SNPClaims) *evidence.SNPTCB { return &c.LaunchTCB }}}
)

// tcbDemands ask that the component of each TCB is at least least.
func tcbDemands(tcbs []tcbOf, part tcbPart, least uint8) []demand {
	var demands []demand
	for _, tcb := range tcbs {
		demands = append(demands, demand{
			component: tcb.name + "." + part.name, need: strconv.Itoa(int(least)),
			met: func(c *machine) bool {
				have := part.of(tcb.of(c.SNPClaims))
				return have != nil && *have >= least
			},
			have: func(c *evidence.SNPClaims) string {
				if have := part.of(tcb.of(c)); have != nil {
					return strconv.Itoa(int(*have))
				}
				return absent
			},
		})
	}
	return demands
}

// processor is a stepping of a processor (CPUID function 1), and the microcode
// that it must have.
type processor struct {
	family, model, stepping uint32
	microcode               uint8
}

func (p processor) is(c *evidence.SNPClaims) bool {
	return c.CPUFamily != nil && c.CPUModel != nil && c.CPUStepping != nil &&
		*c.CPUFamily == p.family && *c.CPUModel == p.model && *c.CPUStepping == p.stepping
}

// demands ask that the microcode of such a processor reaches its level.
func (p processor) demands() []demand {
	demands := tcbDemands(updatedTCBs, microcodePart, p.microcode)
	for i := range demands {
		reached := demands[i].met
		demands[i].met = func(c *machine) bool { return !p.is(c.SNPClaims) || reached(c) }
	}
	return demands
}

// steppingDemand asks that the processor is one of those whose levels are known.
// Of another one nothing is known, which is not enough.
func steppingDemand(processors []processor, verifiedBy string) demand {
	return demand{
		component: "cpu_stepping", need: "a stepping whose microcode levels are known", verifiedBy: verifiedBy,
		met: func(c *machine) bool {
			return slices.ContainsFunc(processors, func(p processor) bool { return p.is(c.SNPClaims) })
		},
		have: steppingText,
	}
}

func steppingText(c *evidence.SNPClaims) string {
	if c.CPUFamily == nil || c.CPUModel == nil || c.CPUStepping == nil {
		return absent
	}
	return fmt.Sprintf("family %d, model %d, stepping %d", *c.CPUFamily, *c.CPUModel, *c.CPUStepping)
}

// firmwareVersion is a firmware's version: major, minor, build.
type firmwareVersion [3]uint8

// parseFirmware reads "major.minor.build" in decimal.
func parseFirmware(text string) (v firmwareVersion, ok bool) {
	for i := range v {
		part, rest, more := strings.Cut(text, ".")
		n, err := strconv.ParseUint(part, 10, 8)
		plain := part == "0" || !strings.HasPrefix(part, "0")
		if err != nil || !plain || more != (i < len(v)-1) {
			return v, false
		}
		v[i], text = uint8(n), rest
	}
	return v, true
}

func (v firmwareVersion) number() uint32 { return uint32(v[0])<<16 | uint32(v[1])<<8 | uint32(v[2]) }

// machine is claims with the firmware's versions read, which many demands ask for.
type machine struct {
	*evidence.SNPClaims
	current, committed firmware
}

// firmware is a version, if the claims have one.
type firmware struct {
	firmwareVersion
	ok bool
}

func newMachine(c *evidence.SNPClaims) *machine {
	m := &machine{SNPClaims: c}
	m.current.firmwareVersion, m.current.ok = parseFirmware(c.CurrentVersion)
	if m.committed = m.current; c.CommittedVersion != c.CurrentVersion {
		m.committed.firmwareVersion, m.committed.ok = parseFirmware(c.CommittedVersion)
	}
	return m
}

// firmwareDemands ask that running and committed firmware are at least least.
func firmwareDemands(text string, least firmwareVersion) []demand {
	reaches := func(have firmware) bool { return have.ok && have.number() >= least.number() }
	return []demand{
		{
			component: "current_version", need: text,
			met:  func(c *machine) bool { return reaches(c.current) },
			have: func(c *evidence.SNPClaims) string { return shownText(c.CurrentVersion) },
		},
		{
			component: "committed_version", need: text,
			met:  func(c *machine) bool { return reaches(c.committed) },
			have: func(c *evidence.SNPClaims) string { return shownText(c.CommittedVersion) },
		},
	}
}

// bitDemands ask for bits of the guest policy or the platform.
func bitDemands(rule *bitRule, of func(*evidence.SNPClaims) evidence.Hex) []demand {
	var demands []demand
	for _, b := range rule.register.bits {
		set := rule.required&b.mask != 0
		if !set && rule.forbidden&b.mask == 0 {
			continue
		}
		demands = append(demands, demand{
			component: rule.register.claim + "." + b.name, need: yesNo(set, "set", "clear"),
			met: func(c *machine) bool {
				value, ok := registerValue(of(c.SNPClaims))
				return ok && (value&b.mask != 0) == set
			},
			have: func(c *evidence.SNPClaims) string {
				value, ok := registerValue(of(c))
				return policyBit(ok, value&b.mask != 0, "set", "clear")
			},
		})
	}
	return demands
}

// mitigationDemands ask for bits of the mitigation vectors; nil asks nothing.
func mitigationDemands(launch, current evidence.Hex) []demand {
	var demands []demand
	one := func(component string, least evidence.Hex, of func(*evidence.SNPClaims) evidence.Hex) {
		if least == nil {
			return
		}
		demands = append(demands, demand{
			component: component, need: fmt.Sprintf("every bit of %#x", binary.BigEndian.Uint64(least)),
			met:  func(c *machine) bool { return coversBits(of(c.SNPClaims), least) },
			have: func(c *evidence.SNPClaims) string { return shown(of(c)) },
		})
	}
	one("launch_mit_vector", launch, func(c *evidence.SNPClaims) evidence.Hex { return c.LaunchMitVector })
	one("current_mit_vector", current, func(c *evidence.SNPClaims) evidence.Hex { return c.CurrentMitVector })
	return demands
}
