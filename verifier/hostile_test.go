package verifier_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// TestAttack_D05_BundlesThatAreNone: a bundle that [evidence.NewBundle] would
// refuse is refused here too, after its challenge is spent, and nothing panics.
func TestAttack_D05_BundlesThatAreNone(t *testing.T) {
	snp := teetest.Item(evidence.KindSEVSNP, make([]byte, 64))
	for name, c := range map[string]struct {
		bundle evidence.Bundle
		want   evidence.Code
	}{
		"nothing":        {nil, evidence.CodeEvidenceEmpty},
		"empty":          {evidence.Bundle{}, evidence.CodeEvidenceEmpty},
		"nil":            {evidence.Bundle{nil}, evidence.CodeEvidenceMalformed},
		"nil beside":     {evidence.Bundle{snp, nil}, evidence.CodeEvidenceMalformed},
		"typed nil":      {evidence.Bundle{(*evidence.SNP)(nil)}, evidence.CodeEvidenceMalformed},
		"typed nils":     {evidence.Bundle{(*evidence.TDX)(nil), (*evidence.TPM)(nil)}, evidence.CodeEvidenceMalformed},
		"two of a kind":  {evidence.Bundle{snp, snp}, evidence.CodeEvidenceDuplicate},
		"many":           {slices.Repeat(evidence.Bundle{snp}, 100_000), evidence.CodeEvidenceTooLarge},
		"many of nobody": {make(evidence.Bundle, 100_000), evidence.CodeEvidenceTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			v := s.verifier(t)
			r := s.answer(t, evidence.KindSEVSNP).request(t)
			good := r.Bundle
			r.Bundle = c.bundle
			refusedWith(t, v, r, c.want)
			r.Bundle = good
			refusedWith(t, v, r, evidence.CodeChallengeSpent)
			refusedWith(t, v, verifier.Request{Bundle: c.bundle, Freshness: verifier.BackgroundCheck{}}, c.want)
			examined := v.Examine(c.bundle, nil)
			if failed := examined.Checks.Failed(); examined.Verdict != verifier.Rejected || len(failed) != 1 || failed[0].Code != c.want {
				t.Errorf("examined: %s %v", examined.Verdict, failed)
			}
		})
	}
}

// TestBundleOrder: items count whatever their order.
func TestBundleOrder(t *testing.T) {
	s := newService()
	r := s.answer(t, evidence.KindSEVSNP, evidence.KindTPM).request(t)
	slices.Reverse(r.Bundle)
	result := appraise(t, s.verifier(t), r)
	for i, kind := range []evidence.Kind{evidence.KindSEVSNP, evidence.KindTPM} {
		if got := result.Claims()[i].Kind; got != kind {
			t.Errorf("item %d is %s", i, got)
		}
	}
	if check, _ := result.Checks().Get(evidence.CodeBinding); check.Status != evidence.Pass {
		t.Errorf("%v", check)
	}
}

// TestAttack_B12_ClaimsOfAnotherKind: a verifier that answers for another kind
// than the item's has failed.
func TestAttack_B12_ClaimsOfAnotherKind(t *testing.T) {
	for name, claims := range map[string]evidence.Claims{
		"another kind":        teetest.Claims(evidence.KindTDX),
		"another kind's part": {Kind: evidence.KindSEVSNP, TDX: teetest.Claims(evidence.KindTDX).TDX},
		"two parts":           {Kind: evidence.KindSEVSNP, SEVSNP: teetest.Claims(evidence.KindSEVSNP).SEVSNP, TPM: teetest.Claims(evidence.KindTPM).TPM},
	} {
		s := newService()
		s.technology = []tee.Verifier{&teetest.Technology{Of: evidence.KindSEVSNP, Claims: claims}}
		result := appraise(t, s.verifier(t), s.answer(t, evidence.KindSEVSNP).request(t))
		if check, _ := result.Checks().Get(evidence.CodeVerifierFault); check.Status != evidence.Fail || result.Verdict() != verifier.Rejected {
			t.Errorf("%s: %s %v", name, result.Verdict(), result.Checks())
		}
	}
}

// TestChecksAreNotShared: the kind of a check is put on a copy, so that
// technologies may remember checks.
func TestChecksAreNotShared(t *testing.T) {
	remembered := make(evidence.Checks, 0, 8)
	remembered.Pass(evidence.CodeEvidenceMalformed, "decoded")
	s := newService()
	s.technology = []tee.Verifier{&teetest.Technology{
		Of: evidence.KindSEVSNP, Judge: func(item evidence.Item, _ *tee.Endorsements, _ tee.Params) tee.Outcome {
			return tee.Outcome{Checks: remembered, Claims: teetest.Claims(evidence.KindSEVSNP), ReportData: teetest.ReportData(item)}
		},
	}}
	appraise(t, s.verifier(t), s.answer(t, evidence.KindSEVSNP).request(t))
	if all := remembered[:cap(remembered)]; all[0].Kind != "" || !all[1].Code.IsZero() {
		t.Errorf("altered: %v", all)
	}
}

// view is everything that a result says.
func view(t *testing.T, r verifier.Result) string {
	t.Helper()
	key, ok := r.CertificateKey()
	text, err := json.Marshal([]any{r.ID(), r.Verdict(), r.Nonce(), r.Identity(), r.Relaxed(), r.Checks(), r.Claims(),
		r.ReportData(), r.Missing(), r.Simulated(), key.SPKI(), ok, key.Public(), r.Workload(), r.ValidUntil(), r.Items()})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestResultIsImmutable alters whatever a result hands out; what it says, and what
// is issued on it, stays the same.
func TestResultIsImmutable(t *testing.T) {
	result := verifiertest.Accepted(t, verifiertest.Request{Kinds: evidence.Kinds(), DNSNames: []string{"a.example.org"}})
	before := view(t, result)
	key, _ := result.CertificateKey()
	for _, handedOut := range []any{
		result.Claims(), result.Checks(), result.Identity(), result.Nonce(), result.ReportData(), result.Relaxed(), result.Missing(), key.SPKI(), result.Items(),
	} {
		spoil(reflect.ValueOf(handedOut))
	}
	*key.Public().(*ecdsa.PublicKey) = ecdsa.PublicKey{}
	if after := view(t, result); after != before {
		t.Errorf("altered from\n%s\nto\n%s", before, after)
	}
}

// spoil sets everything that is reachable from v to zero, from the leaves up.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem())
			v.Elem().SetZero()
		}
	case reflect.Interface:
		spoil(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
			v.Index(i).SetZero()
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			spoil(v.MapIndex(key))
			v.SetMapIndex(key, reflect.Value{})
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				spoil(v.Field(i))
			}
		}
	}
}
