package policies_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// minimal are workloads with the keys that they must have and no others.
func minimal(t testing.TB) []*policies.Set {
	return []*policies.Set{load(t, snpWith()), load(t, tdxWith()), load(t, tpmWith())}
}

// clone copies claims deeply, so that a test may alter them.
func clone(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(clone(v.Elem()))
		}
	case reflect.Struct:
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(clone(v.Field(i)))
			}
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			reflect.Copy(out, v)
		}
	case reflect.Map:
		if !v.IsNil() {
			out.Set(reflect.MakeMap(v.Type()))
			for entries := v.MapRange(); entries.Next(); {
				out.SetMapIndex(entries.Key(), clone(entries.Value()))
			}
		}
	default:
		out.Set(v)
	}
	return out
}

func cloneClaims(c evidence.Claims) evidence.Claims {
	return clone(reflect.ValueOf(c)).Interface().(evidence.Claims)
}

// paths lists the fields below claims by their indices, with their names.
func paths(v reflect.Value, path []int, name string, visit func(path []int, name string, v reflect.Value)) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || v.Type().PkgPath() == "time" {
		return
	}
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		at := append(slices.Clone(path), i)
		field := name + "." + v.Type().Field(i).Name
		visit(at, field, v.Field(i))
		paths(v.Field(i), at, field, visit)
	}
}

func fieldAt(v reflect.Value, path []int) (reflect.Value, bool) {
	for _, i := range path {
		for v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, true
}

// mutations are other values of a field.
func mutations(v reflect.Value) []reflect.Value {
	value := func(x any) reflect.Value { return reflect.ValueOf(x).Convert(v.Type()) }
	switch v.Kind() {
	case reflect.Bool:
		return []reflect.Value{value(!v.Bool())}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return []reflect.Value{value(v.Uint() + 1), value(v.Uint() - 1), value(uint64(1) << 31)}
	case reflect.String:
		return []reflect.Value{value(v.String() + "x"), value("Revoked"), value("certificate"), value("OutOfDate")}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[[]string]() {
			return []reflect.Value{value([]string{"INTEL-SA-00001"})}
		}
		if v.Type() != reflect.TypeFor[evidence.Hex]() { // a list of structs is for people and rules to read
			return nil
		}
		var out []reflect.Value
		for bit := range 8 {
			b := slices.Clone(v.Bytes())
			for i := range b {
				b[i] ^= 1 << bit
			}
			out = append(out, value(b))
		}
		return append(out, value(make([]byte, v.Len())), value(append(slices.Clone(v.Bytes()), 0)))
	case reflect.Map:
		out := clone(v)
		other := reflect.ValueOf(any(evidence.Hex(make([]byte, 32))))
		if v.Type().Elem() != other.Type() {
			other = reflect.ValueOf(evidence.BootRegister{Status: evidence.RegisterMismatched})
		}
		for _, key := range v.MapKeys() {
			out.SetMapIndex(key, other)
		}
		return []reflect.Value{out}
	}
	return nil
}

// isAbsentable reports whether a field has a form for its absence.
func isAbsentable(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.String, reflect.Map:
		return true
	case reflect.Slice: // a list that is empty says that there is none
		return v.Type() == reflect.TypeFor[evidence.Hex]()
	}
	return false
}

// Y01: with no more than what a policy must say, no claim that is refused
// becomes good because claims are absent, one or two of them at a time. New
// claims are covered as they are declared.
func TestAttack_Y01_AbsenceNeverAccepts(t *testing.T) {
	for _, set := range minimal(t) {
		for _, good := range goodClaims() {
			if good.TDX != nil && good.TDX.Boot != nil || good.TPM != nil && (good.TPM.Boot != nil || good.TPM.IMA != nil) || evaluate(set, good).Verdict != policies.Accepted {
				continue
			}
			absenceNeverAccepts(t, set, good, "")
		}
	}
}

// The same for the claims of a boot alone. Where a log does not tell what the kernel's
// stub measured, all that was measured must be listed instead: there, what is claimed
// of the stub counts and what is not is looked for (TestAttack_T29_NoRAMDisk).
func TestAttack_Y01_AbsenceInABoot(t *testing.T) {
	lines := []string{"secure_boot: {pk: " + listOf(fingerprint(0x0a)) + ", dbx: {minimum_entries: 3}}", "maximum_boot_attempts: 1", "exited_boot_services: required"}
	absenceNeverAccepts(t, load(t, bootWith(slices.Concat(lines, grubLists[:4], events)...)), booted(grubBoot)(), "tdx.TDX.Boot")
	absenceNeverAccepts(t, load(t, leftWith(slices.Concat(lines, ukiLists)...)), booted(ukiBoot)(), "tdx.TDX.Boot")
	settled := []string{tpmGRUBLists[0], tpmGRUBLists[1], tpmGRUBLists[2], tpmGRUBLists[4], "mok: {list: " + listOf(fingerprint(0x91)) + "}"}
	absenceNeverAccepts(t, load(t, tpmBoot(append(lines, settled...)...)), bootedTPM(tpmGRUB)(), "tpm.TPM.Boot")
	absenceNeverAccepts(t, load(t, tpmLeft(append(lines, tpmUKILists...)...)), bootedTPM(tpmUKI)(), "tpm.TPM.Boot")
	absenceNeverAccepts(t, load(t, imaWith(imaListed)), measuredTPM(), "tpm.TPM.IMA")
}

// known are claims that the service makes and no evidence can leave out: under
// which root of its own a certificate is, and whether runtime data, which REPORT_DATA
// then covers, came along.
var known = []string{"tpm.TPM.AKProvider", "sev-snp.Paravisor", "tdx.Paravisor"}

// absenceNeverAccepts looks at the claims whose names begin with prefix.
func absenceNeverAccepts(t *testing.T, set *policies.Set, good evidence.Claims, prefix string) {
	type field struct {
		path []int
		name string
	}
	var all, absent []field
	paths(reflect.ValueOf(good), nil, string(good.Kind), func(path []int, name string, v reflect.Value) {
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) {
			return
		}
		all = append(all, field{path, name})
		if isAbsentable(v) {
			absent = append(absent, field{path, name})
		}
	})
	denied := 0
	for _, f := range all {
		at, _ := fieldAt(reflect.ValueOf(good), f.path)
		for _, value := range mutations(at) {
			bad := cloneClaims(good)
			target, _ := fieldAt(reflect.ValueOf(&bad).Elem(), f.path)
			target.Set(value)
			if evaluate(set, bad).Verdict == policies.Accepted {
				continue
			}
			denied++
			for i, first := range absent {
				for _, second := range absent[i:] {
					c := cloneClaims(bad)
					for _, gone := range []field{first, second} {
						if target, ok := fieldAt(reflect.ValueOf(&c).Elem(), gone.path); ok {
							target.SetZero()
						}
					}
					if evaluate(set, c).Verdict == policies.Accepted {
						t.Errorf("%s of %s is denied, but accepted without %s and %s", f.name, fmt.Sprint(value), first.name, second.name)
						return
					}
				}
			}
		}
	}
	if denied == 0 {
		t.Errorf("no value of any claim of %s is denied", good.Kind)
	}
}

// A rule that reads nothing, or compares hex with what is no hex, is a mistake
// that would pass for ever.
func TestAttack_Y01_RulesThatSayNothing(t *testing.T) {
	for _, rule := range []string{
		"true", "1 == 1", `[1, 2].all(i, i > 0)`, `[].all(x, x == 1)`, `size("a") == 1`, `timestamp("2026-01-01T00:00:00Z") < timestamp("2027-01-01T00:00:00Z")`,
		`[].all(x, x == tpm.clock)`, `tpm.safe && ![].exists(x, x == tpm.clock)`, `tpm.ak_sha256 != "0xAB"`, `tpm.ak_sha256 != "ABCD"`, `!(tpm.ak_name == "00 11")`, `!(tpm.ak_sha256 in ["aa", "BB"])`, `tpm.pcrs[7] != "FF"`,
		`"Aa" != tpm.qualified_signer`, `!tpm.firmware_version.startsWith("0X")`, `tpm.pcrs.all(i, tpm.pcrs[i] != "Ff")`,
	} {
		if _, err := policies.Load(policies.File{Name: "p", Data: []byte(withRules(tpmWith(), rule))}); err == nil {
			t.Errorf("%s is a rule", rule)
		}
	}
	for _, rule := range []string{
		`tpm.safe`, `now > timestamp("2026-01-01T00:00:00Z")`, `!simulated`, `kinds.all(k, k == "tpm")`, `tpm.bank != "Sha256"`, `tpm.ak_sha256 != "ab"`,
		`tpm.pcrs[7] in ["` + p57 + `"]`, `has(tpm.ak_name)`, `tpm.ak_source != "ABC"`,
	} {
		load(t, withRules(tpmWith(), rule))
	}
}

// Of no PCRs nothing can be said, least of all that each of them is good.
func TestAttack_Y02_AllOfNoPCRs(t *testing.T) {
	c := goodTPM()
	for _, rule := range []string{`tpm.pcrs.all(i, i > 1000)`, `!tpm.pcrs.exists(i, i == 8)`, `size(tpm.pcrs) == 0`} {
		for _, none := range []map[int]evidence.Hex{nil, {}, {7: nil}} {
			c.TPM.PCRs = none
			var failed bool
			for _, check := range evaluate(load(t, withRules(tolerated, rule)), goodSNP(), c).Checks {
				failed = failed || check.Code == evidence.CodePolicyRule && check.Status == evidence.Fail
			}
			if !failed {
				t.Errorf("%s holds of %v", rule, none)
			}
		}
	}
}

const tolerated = head + snpAlternative + "    tpm: any\n"

// A TD whose firmware is anybody's extends its RTMRs with whatever is wanted,
// and a register that nothing was measured into is zero in every TD.
func TestAttack_T29_AnyFirmware(t *testing.T) {
	with := func(rtmr1, rtmr3 string, more ...string) string {
		text := head + "  - tdx:\n      mrtd: any\n      rtmr0: any\n      rtmr1: " + rtmr1 + "\n      rtmr2: any\n      rtmr3: " + rtmr3 + "\n"
		for _, line := range more {
			text += "      " + line + "\n"
		}
		return text
	}
	zero, pinned, known := `["`+hexOf(0, 48)+`"]`, `["`+m31+`"]`, `ppids: {allow: ["`+hexOf(8, 16)+`"]}`
	for _, text := range []string{
		with("any", "any"), with("any", "any", known), with("any", zero), with("any", zero, known), with(pinned, "any"), with(pinned, "any", `ppids: {deny: ["`+hexOf(8, 16)+`"]}`),
		with("any", `["`+hexOf(0, 48)+`", "`+m31+`"]`, known),
	} {
		if problems := loadErr(t, text); !strings.Contains(problems, "policy.unsafe") {
			t.Errorf("%s\n%s", text, problems)
		}
	}
	load(t, with(pinned, "any", known))
	load(t, tdxWith())
}

// Firmware that was too old at launch may have measured anything; an update under
// the running guest makes the measurement no truer.
func TestAttack_S26_UpdatedUnderTheGuest(t *testing.T) {
	for part, lower := range map[string]func(*evidence.SNPTCB){
		"bootloader": func(tcb *evidence.SNPTCB) { tcb.Bootloader-- }, "snp": func(tcb *evidence.SNPTCB) { tcb.SNP-- },
		"microcode": func(tcb *evidence.SNPTCB) { tcb.Microcode-- }, "all": func(tcb *evidence.SNPTCB) { *tcb = evidence.SNPTCB{} },
	} {
		t.Run(part, func(t *testing.T) {
			c := goodSNP()
			lower(&c.SEVSNP.LaunchTCB)
			wantVerdict(t, evaluate(load(t, snpWith()), c), policies.Rejected, evidence.CodePolicySNPLaunchTCB)
			any := evaluate(load(t, snpWith("minimum_launch_tcb: any")), c)
			wantVerdict(t, any, policies.Accepted, evidence.CodePolicySNPTCB)
			if !slices.Equal(any.Relaxed, []string{"sev-snp.minimum-launch-tcb.any"}) {
				t.Errorf("relaxed %v", any.Relaxed)
			}
			zero := evaluate(load(t, snpWith("minimum_launch_tcb: {bootloader: 0, tee: 0, snp: 0, microcode: 0}")), c)
			wantVerdict(t, zero, policies.Accepted, evidence.CodePolicySNPLaunchTCB)
			if !slices.Equal(zero.Relaxed, []string{"sev-snp.minimum-launch-tcb.lower"}) {
				t.Errorf("relaxed %v", zero.Relaxed)
			}
		})
	}
}

func TestAttack_S12_KeysThatSignNothing(t *testing.T) {
	for _, key := range []string{"", "none", "reserved (3)", "VCEK"} {
		c := goodSNP()
		c.SEVSNP.SigningKey = key
		wantVerdict(t, evaluate(load(t, snpWith()), c), policies.Rejected, evidence.CodePolicySNPSigningKey)
	}
}

func TestUnknownOriginIsNoOrigin(t *testing.T) {
	for _, origin := range []evidence.Origin{"", "trusted", "Simulated"} {
		c := goodSNP()
		c.TrustAnchor.Origin = origin
		wantVerdict(t, evaluate(load(t, snpWith()), c), policies.Rejected, evidence.CodePolicyTrustAnchor)
	}
}
