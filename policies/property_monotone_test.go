package policies_test

import (
	"encoding/binary"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// standing is how claims fare against each workload, as if there were no other.
func standing(set *policies.Set, claims []evidence.Claims) (policies.Explanation, map[string]int) {
	e := set.Explain(policies.Input{Claims: claims, Now: now})
	ranks := map[string]int{}
	for _, w := range e.Workloads {
		ranks[w.Workload] = rank(w.Verdict)
	}
	return e, ranks
}

// neverBetter fails if a change of claims that is for the worse made any
// workload's verdict better; or the decision's, unless several workloads matched before.
func neverBetter(t *rapid.T, set *policies.Set, claims []evidence.Claims, change func()) {
	before, was := standing(set, claims)
	change()
	after, is := standing(set, claims)
	for name, r := range is {
		if tried, ok := was[name]; ok && r > tried {
			t.Fatalf("%s became better; checks before:\n%safter:\n%s", name, list(before.Decision.Checks), list(after.Decision.Checks))
		}
	}
	_, several := before.Decision.Checks.Get(evidence.CodePolicyAmbiguous)
	if !several && rank(after.Decision.Verdict) > rank(before.Decision.Verdict) {
		t.Fatalf("%s became %s; checks after:\n%s", before.Decision.Verdict, after.Decision.Verdict, list(after.Decision.Checks))
	}
}

// bundled draws a bundle of one or two kinds, perturbed.
func bundled(t *rapid.T) []evidence.Claims {
	claims := []evidence.Claims{rapid.SampledFrom(append(goodClaims(), staleTPM(), goodTurin())).Draw(t, "claims")}
	if rapid.IntRange(0, 3).Draw(t, "bundle") == 0 {
		other := rapid.SampledFrom(goodClaims()).Draw(t, "beside")
		if other.Kind != claims[0].Kind {
			claims = append(claims, other)
		}
	}
	for i := range claims {
		perturb(t, &claims[i])
	}
	return claims
}

// Y01: with several workloads, alternatives and kinds of evidence too, taking
// claims away never turns a denial into an acceptance.
func TestAttack_Y01_ClaimRemovedAmongWorkloads(t *testing.T) {
	sets := append(documents(t), crowds(t)...)
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.SampledFrom(sets).Draw(t, "set")
		claims := bundled(t)
		var fields []reflect.Value
		for i := range claims {
			absentable(reflect.ValueOf(&claims[i]), &fields)
		}
		n := rapid.IntRange(1, 4).Draw(t, "removals")
		neverBetter(t, set, claims, func() {
			for range n {
				fields[rapid.IntRange(0, len(fields)-1).Draw(t, "field")].SetZero()
			}
		})
	})
}

// Y01: nor does taking an entry of a list or a map away, such as one PCR.
func TestAttack_Y01_EntryRemoved(t *testing.T) {
	sets := append(documents(t), crowds(t)...)
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.SampledFrom(sets).Draw(t, "set")
		c := rapid.SampledFrom([]evidence.Claims{goodTPM(), bootedTPM(tpmGRUB)(), bootedTPM(tpmUKI)(), measuredTPM()}).Draw(t, "claims")
		perturb(t, &c)
		m := c.TPM
		indexes := slices.Sorted(maps.Keys(m.PCRs))
		removals := []func(){func() { delete(m.PCRs, rapid.SampledFrom(indexes).Draw(t, "pcr")) }}
		if b := m.Boot; b != nil {
			registers := slices.Sorted(maps.Keys(b.Registers))
			removals = append(removals, func() { delete(b.Registers, rapid.SampledFrom(registers).Draw(t, "register")) })
		}
		remove := rapid.SampledFrom(removals).Draw(t, "removal")
		neverBetter(t, set, []evidence.Claims{c}, remove)
	})
}

// S27, T18, P39, Y01: lowering a security version never does, of any kind of evidence.
func TestAttack_Y01_VersionLoweredAmongWorkloads(t *testing.T) {
	sets := append(append(documents(t), crowds(t)...), load(t, tpmWith(`minimum_firmware: "0007000200000000"`), named("older", tpmWith(`minimum_firmware: "0006000000000000"`))))
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.SampledFrom(sets).Draw(t, "set")
		claims := bundled(t)
		var fields []reflect.Value
		for i := range claims {
			fields = append(fields, numbers(claims[i])...)
		}
		neverBetter(t, set, claims, func() {
			for i := range claims {
				if m := claims[i].TPM; m != nil && len(m.FirmwareVersion) == 8 {
					least := rapid.Uint64Range(0, binary.BigEndian.Uint64(m.FirmwareVersion)).Draw(t, "firmware")
					m.FirmwareVersion = binary.BigEndian.AppendUint64(nil, least)
				}
			}
			if len(fields) > 0 {
				field := rapid.SampledFrom(fields).Draw(t, "field")
				field.SetUint(rapid.Uint64Range(0, field.Uint()).Draw(t, "lower"))
			}
		})
	})
}

// Removing a whole kind of evidence that a workload asks for never helps it.
func TestAttack_Y01_KindRemoved(t *testing.T) {
	sets := append(documents(t), crowds(t)...)
	both := load(t, head+"  - sev_snp:\n      measurements: [\""+m11+"\"]\n      minimum_tcb: any\n    tpm:\n      pcrs: {sha256: {0: [\""+p50+"\"]}}\n")
	for _, set := range append(sets, both) {
		for _, pair := range [][2]evidence.Claims{{goodSNP(), goodTPM()}, {goodTDX(), goodTPM()}} {
			whole := evaluate(set, pair[0], pair[1])
			for _, left := range pair {
				d := evaluate(set, left)
				if whole.Verdict != policies.Accepted || d.Verdict != policies.Accepted {
					continue
				}
				if d.Workload == whole.Workload && d.Alternative == whole.Alternative && set == both {
					t.Errorf("%s is enough for %s", left.Kind, d.Alternative)
				}
			}
		}
	}
}
