package daemon_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	snpsample "github.com/google/go-sev-guest/verify/testdata"
	tdxsample "github.com/google/go-tdx-guest/testing/testdata"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
)

// recorded hands out evidence of another day, whatever it is asked for.
type recorded evidence.Bundle

func (r recorded) Kinds() (kinds []evidence.Kind) {
	for _, item := range r {
		kinds = append(kinds, item.Kind())
	}
	return kinds
}

func (r recorded) Attest(context.Context, evidence.Binding) (evidence.Bundle, error) {
	return evidence.Bundle(r), nil
}

// Evidence of real machines lies about in public. A service that trusts its vendors
// refuses it because it answers no challenge, whatever else may be wrong with it.
func TestAttack_U06_RecordedEvidence(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "data"), daemon.Config{})
	// The TDX sample has text behind it, as it is published: 39 bytes.
	for name, raw := range map[string][]byte{"SEV-SNP": snpsample.AttestationBytes, "TDX": tdxsample.RawQuote[:len(tdxsample.RawQuote)-39]} {
		bundle, err := evidence.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if snp, ok := bundle[0].(*evidence.SNP); ok {
			snp.Certificates = [][]byte{snpsample.VcekBytes}
		}
		identity, err := r.attest(t, recorded(bundle))
		var problem *client.Problem
		if identity != nil || !errors.As(err, &problem) || problem.Verdict != "rejected" {
			t.Fatalf("%s: %v", name, err)
		}
		if check, ok := problem.Checks.Get(evidence.CodeBinding); !ok || check.Status != evidence.Fail {
			t.Errorf("%s: the binding is %v", name, check)
		}
		signed := slices.IndexFunc(problem.Checks, func(c evidence.Check) bool { return c.Status == evidence.Pass })
		if signed < 0 {
			t.Errorf("%s: no check passes, so the evidence is not the real one: %v", name, problem.Checks)
		}
	}
}
