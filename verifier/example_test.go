package verifier_test

import (
	"fmt"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/samples"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
	"github.com/quotary/quotary/verifier"
)

// Evidence of real machines, judged offline as of its time. Without a policy
// only genuineness is judged; what the strict defaults deny is a warning.
func ExampleVerifier_Examine() {
	snp, err := sevsnp.New()
	if err != nil {
		panic(err)
	}
	intel, err := tdx.New()
	if err != nil {
		panic(err)
	}
	all, err := samples.All()
	if err != nil {
		panic(err)
	}
	for _, sample := range all {
		v, err := verifier.New(verifier.Config{
			Technologies: []tee.Verifier{snp, intel},
			Endorsements: func() *tee.Endorsements { return sample.Endorsements },
			Now:          func() time.Time { return sample.At },
		})
		if err != nil {
			panic(err)
		}
		examination := v.Examine(evidence.Bundle{sample.Item}, nil)
		fmt.Println(examination.Verdict, examination.Items[0].Outcome.Claims.TrustAnchor.Origin)
		for _, check := range examination.Checks {
			if check.Status == evidence.Warn {
				fmt.Println(" ", check.Code)
			}
		}
	}
	// Output:
	// genuine pinned
	//   policy.sev-snp.debug
	//   policy.sev-snp.advisories
	//   policy.sev-snp.product
	//   policy.sev-snp.revocation
	// genuine pinned
	//   policy.tdx.sept-ve-disable
	//   policy.tdx.tcb-status
}
