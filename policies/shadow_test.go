package policies_test

import (
	"reflect"
	"sync"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Y15: a shadow's decision cannot stand where a decision counts. It is no
// Decision and converts into none, and a shadow is no set.
func TestAttack_Y15_ShadowDecisionIsNoDecision(t *testing.T) {
	shadow, decision := reflect.TypeFor[policies.ShadowDecision](), reflect.TypeFor[policies.Decision]()
	if shadow.AssignableTo(decision) || shadow.ConvertibleTo(decision) || reflect.TypeFor[*policies.Shadow]().ConvertibleTo(reflect.TypeFor[*policies.Set]()) {
		t.Error("a shadow's decision can be taken for a decision")
	}
	for i := range shadow.NumField() {
		if shadow.Field(i).IsExported() {
			t.Errorf("%s can be read", shadow.Field(i).Name)
		}
	}
	for i := range shadow.NumMethod() { // what it gives out is no grant either
		for _, out := range []reflect.Type{decision, reflect.TypeFor[policies.Identity]()} {
			if method := shadow.Method(i); method.Type.NumOut() != 1 || method.Type.Out(0) == out {
				t.Errorf("%s gives %s", method.Name, method.Type.Out(0))
			}
		}
	}
	for i := range reflect.TypeFor[*policies.Shadow]().NumMethod() {
		method := reflect.TypeFor[*policies.Shadow]().Method(i)
		if out := method.Type.Out(0); out == decision || out == reflect.TypeFor[*policies.Set]() {
			t.Errorf("%s gives %s", method.Name, out)
		}
	}
}

// Y15: what a shadow tries leaves the active decision as it is.
func TestAttack_Y15_ShadowEnforcesNothing(t *testing.T) {
	active := load(t, snpWith())
	for name, candidate := range map[string]*policies.Set{"nothing": nil, "everything": load(t, snpWith("allow: [debug]", "revocation: off")), "stricter": load(t, snpWith("vmpl: 1"))} {
		shadow := policies.NewShadow(candidate)
		for _, c := range []evidence.Claims{goodSNP(), goodTDX(), goodTPM()} {
			in := policies.Input{Claims: []evidence.Claims{c}, Now: now}
			before := active.Evaluate(in)
			got := shadow.Try(in)
			if after := active.Evaluate(in); !reflect.DeepEqual(before, after) {
				t.Errorf("%s: %+v, was %+v", name, after, before)
			}
			if want := candidate.Evaluate(in); got.Verdict() != want.Verdict || got.Workload() != want.Workload || got.Digest() != want.Digest || shadow.Digest() != want.Digest {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
	}
}

func TestShadowCounter(t *testing.T) {
	active := load(t, snpWith())
	odd, waiting := goodSNP(), goodSNP()
	odd.SEVSNP.VMPL = 1
	waiting.SEVSNP.RevocationChecked = false
	var counter policies.ShadowCounter
	if counts, other := counter.Counts(); counts != nil || other != 0 {
		t.Errorf("a new counter has %v and %d others", counts, other)
	}
	var all sync.WaitGroup
	for _, candidate := range []*policies.Set{active, load(t, snpWith("vmpl: 1")), load(t, other(snpWith())), nil} {
		shadow := policies.NewShadow(candidate)
		for _, c := range []evidence.Claims{goodSNP(), odd, waiting} {
			all.Go(func() {
				for range 10 {
					in := policies.Input{Claims: []evidence.Claims{c}, Now: now}
					d := active.Evaluate(in)
					counter.Count(&d, shadow.Try(in))
				}
			})
		}
	}
	all.Wait()
	counts, others := counter.Counts()
	want := map[policies.ShadowCount]bool{}
	for _, c := range []policies.ShadowCount{
		{"accepted", "accepted", true, "", 10}, {"accepted", "accepted", false, "", 10}, {"accepted", "rejected", false, "policy.sev-snp.vmpl", 10},
		{"accepted", "rejected", false, "policy.no-workload", 10}, {"rejected", "rejected", true, "policy.sev-snp.vmpl", 20},
		{"rejected", "accepted", false, "", 10}, {"rejected", "rejected", true, "policy.no-workload", 10},
		{"undecided", "undecided", true, "policy.sev-snp.revocation", 20}, {"undecided", "rejected", false, "policy.sev-snp.vmpl", 10},
		{"undecided", "rejected", false, "policy.no-workload", 10},
	} {
		want[c] = true
	}
	for i, c := range counts {
		if !want[c] || i > 0 && c.Count > counts[i-1].Count {
			t.Errorf("count %+v", c)
		}
		delete(want, c)
	}
	if len(want) > 0 || others != 0 {
		t.Errorf("without %v, %d others", want, others)
	}
}
