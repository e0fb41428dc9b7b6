package teetest

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Reviewed holds a technology to the contract of [tee.Reviewer] with claims of an item that
// it just found genuine by these endorsements and parameters: they stand as they are,
// and do so without endorsements, when everything has expired, and if they were
// recorded before there were reviews.
func Reviewed(tb testing.TB, v tee.Verifier, claims evidence.Claims, e *tee.Endorsements, p tee.Params) {
	tb.Helper()
	r, ok := v.(tee.Reviewer)
	if !ok {
		tb.Fatalf("the verifier of %s reviews nothing", v.Kind())
	}
	bare := claims.Clone()
	bare.Certificates = nil
	if bare.TDX != nil {
		bare.TDX.PCKTCB, bare.TDX.QEISVSVN = nil, nil
	}
	later := p
	later.Now = p.Now.Add(40 * 365 * 24 * time.Hour)
	for name, c := range map[string]struct {
		claims evidence.Claims
		e      *tee.Endorsements
		p      tee.Params
	}{
		"at once": {claims, e, p}, "without endorsements": {claims, nil, p}, "decades later": {claims, e, later}, "recorded by an earlier build": {bare, e, p},
	} {
		stands(tb, name, r, c.claims, c.e, c.p)
	}
}

// stands demands that nothing fails and that the claims remain, as a ledger has them.
func stands(tb testing.TB, name string, r tee.Reviewer, claims evidence.Claims, e *tee.Endorsements, p tee.Params) {
	tb.Helper()
	text := encoded(tb, claims)
	var recorded evidence.Claims
	if err := json.Unmarshal([]byte(text), &recorded); err != nil {
		tb.Fatal(err)
	}
	got, checks := r.Review(recorded, e, p)
	if failed := checks.Failed(); len(failed) > 0 || len(checks) == 0 {
		tb.Errorf("%s: %v of %v", name, failed, checks)
	}
	for _, check := range checks {
		if check.Code.Description() == "" || check.Status != evidence.Pass && check.Got == "" {
			tb.Errorf("%s: %v without a reason", name, check)
		}
	}
	if now := encoded(tb, got); now != text {
		tb.Errorf("%s: recorded was\n%s\nand by now it is\n%s", name, text, now)
	}
	spoil(reflect.ValueOf(&got).Elem())
	if encoded(tb, recorded) != text {
		tb.Errorf("%s: the result and what was recorded are one", name)
	}
}

func encoded(tb testing.TB, claims evidence.Claims) string {
	tb.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}
