package inforce_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/inforce"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee/teetest"
)

// refusal is one of a machine that differs from others by its host data.
func refusal(n int) inforce.Refusal {
	claims := teetest.Claims(evidence.KindSEVSNP)
	claims.SEVSNP.HostData = fmt.Appendf(nil, "machine %024d", n)
	return inforce.Refusal{ID: fmt.Sprint("id ", n), At: now, Verdict: policies.Rejected, Claims: []evidence.Claims{claims}}
}

// A plan shows who was refused and would be admitted, and each can be explained.
func TestRefusals(t *testing.T) {
	o := open(t, inforce.Config{Files: document(255)})
	o.Refused(refusal(1))
	again := refusal(1)
	again.Claims[0].SEVSNP.ReportData = make([]byte, 64)
	o.Refused(again)
	o.Refused(inforce.Refusal{ID: "of long ago", At: now.Add(-48 * time.Hour), Verdict: policies.Rejected, Claims: []evidence.Claims{teetest.Claims(evidence.KindTDX)}})
	plan, err := o.Plan(t.Context(), document(1))
	if err != nil || plan.Report.Records != 1 || plan.Report.Admitted.Count != 1 || plan.Report.Live != 0 {
		t.Errorf("%+v, %v", plan.Report, err)
	}
	if plan, err = o.Plan(t.Context(), document(254)); err != nil || plan.Report.Same != 1 {
		t.Errorf("%+v, %v", plan.Report, err)
	}
	if r, ok := o.Refusal("id 1"); !ok || len(r.Claims) != 1 || r.Claims[0].Kind != evidence.KindSEVSNP {
		t.Errorf("%+v, %v", r, ok)
	}
	if _, ok := o.Refusal("id 2"); ok {
		t.Error("a refusal that never was is known")
	}
	again.Claims[0].SEVSNP.ReportData = []byte{1}
	o.Admitted(func() []evidence.Claims { return again.Claims })
	if _, ok := o.Refusal("id 1"); ok {
		t.Error("who was admitted is still refused")
	}
}

// Refusals are bounded: the oldest go first, and what is too large is not kept.
func TestRefusalsAreBounded(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	large := refusal(-1)
	large.Claims[0].SEVSNP.CSPID = strings.Repeat("x", 128<<10)
	o.Refused(large)
	if _, ok := o.Refusal(large.ID); ok {
		t.Error("what is too large is kept")
	}
	for n := range 1100 {
		o.Refused(refusal(n))
	}
	if _, ok := o.Refusal("id 0"); ok {
		t.Error("the oldest of 1100 is kept")
	}
	if _, ok := o.Refusal("id 1099"); !ok {
		t.Error("the newest is not kept")
	}
}
