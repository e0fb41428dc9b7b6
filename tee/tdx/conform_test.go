package tdx

import (
	"testing"

	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

func TestConform(t *testing.T) {
	s := newScene(t)
	e := &tee.Endorsements{}
	s.collateral.AddTo(e)
	teetest.Conform(t, teetest.Conformance{
		New:      func(tb testing.TB) tee.Verifier { return newVerifier(tb, s.vendor.Anchor()) },
		Attester: s.machine, Endorsements: e, Now: clock,
	})
}
