package main

import (
	"context"
	"fmt"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/samples"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
	"github.com/quotary/quotary/verifier"
)

// verifyRealEvidence judges evidence of real machines under the vendors' own roots.
func (t *tale) verifyRealEvidence(context.Context) error {
	t.begin("Real evidence, offline", "Nothing is simulated here: public samples of real machines, verified up to the roots of AMD and Intel, as of their time and without a network. No policy is given, so only genuineness is judged; what the strict defaults would not accept is a warning.")
	all, err := samples.All()
	if err != nil {
		return err
	}
	for _, sample := range all {
		if err := t.examine(sample); err != nil {
			return err
		}
	}
	return nil
}

func (t *tale) examine(sample samples.Sample) error {
	snp, err := sevsnp.New()
	if err != nil {
		return err
	}
	intel, err := tdx.New()
	if err != nil {
		return err
	}
	v, err := verifier.New(verifier.Config{
		Technologies: []tee.Verifier{snp, intel},
		Endorsements: func() *tee.Endorsements { return sample.Endorsements },
		Now:          func() time.Time { return sample.At },
	})
	if err != nil {
		return err
	}
	examination := v.Examine(evidence.Bundle{sample.Item}, nil)
	t.line("%s, as of %s: %s", sample.Name, sample.At.Format(time.DateOnly), examination.Verdict)
	if examination.Verdict != verifier.Genuine {
		return fmt.Errorf("%s is %s: %v", sample.Name, examination.Verdict, examination.Checks.Failed())
	}
	t.fact("  rests on", "%s", examination.Items[0].Outcome.Claims.TrustAnchor.Name)
	for _, check := range examination.Checks {
		if check.Status == evidence.Warn {
			t.check(check)
		}
	}
	return nil
}
