package verifiertest

import (
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
)

func TestResults(t *testing.T) {
	for name, r := range map[string]Request{
		"default":    {},
		"all kinds":  {Kinds: evidence.Kinds()},
		"token":      {Purpose: evidence.PurposeToken},
		"background": {Background: make([]byte, 64)},
		"simulated":  {Simulated: true, Kinds: evidence.Kinds()},
		"identity":   {SPIFFEID: "spiffe://example.org/a/b", DNSNames: []string{"a.example.org"}, TTL: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			result := Accepted(t, r)
			if result.Simulated() != r.Simulated {
				t.Errorf("simulated: %v", result.Simulated())
			}
			if Rejected(t, r).Verdict() != verifier.Rejected {
				t.Error("not rejected")
			}
		})
	}
}
