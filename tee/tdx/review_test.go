package tdx

import (
	"crypto/x509"
	"reflect"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// endorsements are the scene's collateral.
func (s *scene) endorsements() *tee.Endorsements {
	e := &tee.Endorsements{}
	s.collateral.AddTo(e)
	return e
}

// reviewed demands exactly these failures of a review by the scene's collateral.
func (s *scene) reviewed(tb testing.TB, recorded evidence.Claims, want ...evidence.Code) evidence.Claims {
	tb.Helper()
	claims, checks := s.verifier.Review(recorded, s.endorsements(), tee.Params{Now: s.now})
	failed := checks.Failed()
	if len(failed) != len(want) || len(want) > 0 && failed[0].Code != want[0] {
		tb.Errorf("failed %v, want %v", failed, want)
	}
	return claims
}

// TestAttack_T40_RevokedSince: what was revoked after a quote was accepted.
func TestAttack_T40_RevokedSince(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	s := newScene(t)
	recorded := s.genuine().Claims
	leaf, ca, sign := s.machine.Certificate(), s.vendor.Platform.Certificate, s.vendor.SignCRL
	for name, c := range map[string]struct {
		crl  *x509.RevocationList // beside those in force
		want []evidence.Code
	}{
		"PCK certificate":        {sign(listing(9, -hour/2, day, leaf), s.vendor.Platform), []evidence.Code{evidence.CodeTDXPCKRevocation}},
		"in a list that expired": {sign(listing(9, -hour/2, -hour/4, leaf), s.vendor.Platform), []evidence.Code{evidence.CodeTDXPCKRevocation}},
		"in an older list":       {sign(listing(0, -day, day, leaf), s.vendor.Platform), []evidence.Code{evidence.CodeTDXPCKRevocation}},
		"PCK CA":                 {sign(listing(9, -hour/2, day, ca), s.vendor.Root), []evidence.Code{evidence.CodeTDXCARevocation}},
		"TCB signer":             {sign(listing(9, -hour/2, day, s.vendor.Signing.Certificate), s.vendor.Root), nil},
		"in a list to come":      {sign(listing(9, hour, day, leaf), s.vendor.Platform), nil},
		"by another's key":       {sign(listing(9, -hour, day, leaf), simulated.Issuer{Certificate: ca, Key: s.vendor.Processor.Key}), nil},
		"by the other CA":        {sign(listing(9, -hour, day, leaf), s.vendor.Processor), nil},
		"by the root":            {sign(listing(9, -hour, day, leaf), s.vendor.Root), nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.collateral.CRLs = append(s.collateral.CRLs, c.crl)
			s.reviewed(t, recorded, c.want...)
			s.verifier = newVerifier(t, s.vendor.Anchor()) // one that remembers nothing
			if got := s.reviewed(t, recorded, c.want...); !reflect.DeepEqual(got, recorded) {
				t.Errorf("recorded %+v, by now %+v", recorded, got)
			}
			s.reviewed(t, evidence.Claims{Kind: recorded.Kind, TrustAnchor: recorded.TrustAnchor, TDX: recorded.TDX})
		})
	}
	// Who signed the list cannot be told without the CA's certificate, nor by one of another key.
	s.collateral.CRLs = append(s.collateral.CRLs, sign(listing(9, -hour/2, day, leaf), s.vendor.Platform))
	s.collateral.Certificates = []*x509.Certificate{s.vendor.Issue(s.vendor.CATemplate(cnPlatform, 0), s.vendor.Root, &s.vendor.Processor.Key.PublicKey)}
	s.reviewed(t, recorded)
}

// raised are documents of later evaluations, or earlier ones.
func (s *scene) raised(by int, status string) {
	s.setTCBInfo(func(i *simulated.TCBInfo) {
		i.TCBEvaluationDataNumber += by
		i.TCBLevels[0].TCBStatus = status
	})
	s.setQEIdentity(func(i *simulated.QEIdentity) { i.TCBEvaluationDataNumber += by })
}

// TestReviewEvaluatesAnew: by newer collateral recorded claims say of the TCB what the
// quote would, and nothing of it is a failure.
func TestReviewEvaluatesAnew(t *testing.T) {
	for name, alter := range map[string]func(*simulated.MachineOptions){
		"version 4":            func(*simulated.MachineOptions) {},
		"version 5, report1.5": func(o *simulated.MachineOptions) { o.Version, o.TD15 = 5, true },
	} {
		for _, status := range []string{"OutOfDate", "OutOfDateConfigurationNeeded", "SWHardeningNeeded", "Revoked", "UpToDate"} {
			for _, by := range []int{0, 1} {
				s := newScene(t, alter)
				recorded := s.genuine().Claims
				s.raised(by, status)
				want := s.genuine()
				requireStatus(t, want, status)
				if got := s.reviewed(t, recorded); !reflect.DeepEqual(got, want.Claims) {
					t.Errorf("%s, %s: by now %+v, want %+v", name, status, got.TDX.TCB, want.Claims.TDX.TCB)
				}
			}
		}
	}
}

func requireStatus(tb testing.TB, out tee.Outcome, status string) {
	tb.Helper()
	if !out.Genuine() || out.Claims.TDX.TCB.Status != status {
		tb.Fatalf("genuine %v with %+v", out.Genuine(), out.Claims.TDX.TCB)
	}
}

// TestAttack_T16_ReviewGoesNotBack: a record is judged by collateral that is in force,
// authentic, and of no earlier evaluation; by nothing else.
func TestAttack_T16_ReviewGoesNotBack(t *testing.T) {
	for name, alter := range map[string]func(*scene){
		"both of an earlier evaluation": func(s *scene) { s.raised(-1, "OutOfDate") },
		"an earlier TCB info": func(s *scene) {
			s.setTCBInfo(func(i *simulated.TCBInfo) { i.TCBEvaluationDataNumber--; i.TCBLevels[0].TCBStatus = "OutOfDate" })
		},
		"an earlier identity": func(s *scene) {
			s.setTCBInfo(func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus = "OutOfDate" })
			s.setQEIdentity(func(i *simulated.QEIdentity) { i.TCBEvaluationDataNumber-- })
		},
		"expired": func(s *scene) {
			s.raised(1, "OutOfDate")
			s.setTCBInfo(func(i *simulated.TCBInfo) {
				i.TCBEvaluationDataNumber++
				i.TCBLevels[0].TCBStatus, i.NextUpdate = "OutOfDate", clock.Add(-time.Second)
			})
		},
		"of the future": func(s *scene) {
			s.setTCBInfo(func(i *simulated.TCBInfo) {
				i.TCBEvaluationDataNumber++
				i.TCBLevels[0].TCBStatus, i.IssueDate = "OutOfDate", clock.Add(time.Second)
			})
		},
		"of another platform": func(s *scene) {
			s.setTCBInfo(func(i *simulated.TCBInfo) { i.FMSPC, i.TCBLevels[0].TCBStatus = "000000000000", "OutOfDate" })
		},
		"forged": func(s *scene) {
			s.raised(1, "OutOfDate")
			s.collateral.Documents[0].Raw[len(s.collateral.Documents[0].Raw)-5] ^= 1
		},
		"no signer":         func(s *scene) { s.raised(1, "OutOfDate"); s.collateral.Certificates = s.collateral.Certificates[:3] },
		"no documents":      func(s *scene) { s.collateral.Documents = nil },
		"no list of a root": func(s *scene) { s.raised(1, "OutOfDate"); s.collateral.CRLs = s.collateral.CRLs[1:] },
		"the root's list has expired": func(s *scene) {
			s.raised(1, "OutOfDate")
			s.collateral.CRLs[0] = s.vendor.SignCRL(listing(9, -2*time.Hour, -time.Hour, nil), s.vendor.Root)
		},
		"the signer is revoked": func(s *scene) {
			s.raised(1, "OutOfDate")
			s.collateral.CRLs[0] = s.vendor.SignCRL(listing(9, -time.Hour, time.Hour, s.vendor.Signing.Certificate), s.vendor.Root)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			recorded := s.genuine().Claims
			alter(s)
			if got := s.reviewed(t, recorded); !reflect.DeepEqual(got, recorded) {
				t.Errorf("by now %+v", got.TDX.TCB)
			}
		})
	}
}

// TestReviewTrustAnchor: the root of a record must be one of this verifier's.
func TestReviewTrustAnchor(t *testing.T) {
	s := newScene(t)
	recorded := s.genuine().Claims
	s.verifier = newVerifier(t)
	s.reviewed(t, recorded, evidence.CodeReviewAnchor)
	s.verifier = newVerifier(t, s.vendor.Anchor())
	recorded.Simulated, recorded.TrustAnchor.Origin = false, evidence.OriginPinned
	if got := s.reviewed(t, recorded); !got.Simulated || got.TrustAnchor.Origin != evidence.OriginSimulated {
		t.Errorf("by now it is %+v", got.TrustAnchor)
	}
}

// TestReviewModuleSigner: collateral in force can name another signer of the TDX module.
func TestReviewModuleSigner(t *testing.T) {
	s := newScene(t)
	recorded := s.genuine().Claims
	s.setTCBInfo(func(i *simulated.TCBInfo) {
		for n := range i.TDXModuleIdentities {
			i.TDXModuleIdentities[n].Attributes = "0000000000000001"
		}
	})
	refusedWith(t, s.genuine(), evidence.CodeTDXModuleSigner)
	s.reviewed(t, recorded, evidence.CodeTDXModuleSigner)
}

// TestReviewOfWhatIsNotThere: claims of any form are reviewed as far as they go.
func TestReviewOfWhatIsNotThere(t *testing.T) {
	s := newScene(t)
	recorded := s.genuine().Claims
	short := uint16(0)
	for name, alter := range map[string]func(*evidence.Claims){
		"nothing of TDX":     func(c *evidence.Claims) { c.TDX = nil },
		"no anchor":          func(c *evidence.Claims) { c.TrustAnchor = nil },
		"no evaluation":      func(c *evidence.Claims) { c.TDX.TCB = nil },
		"short versions":     func(c *evidence.Claims) { c.TDX.TEETCBSVN = c.TDX.TEETCBSVN[:2] },
		"short newer":        func(c *evidence.Claims) { c.TDX.TEETCBSVN2 = evidence.Hex{1} },
		"short components":   func(c *evidence.Claims) { c.TDX.PCKTCB.Components = evidence.Hex{1} },
		"long components":    func(c *evidence.Claims) { c.TDX.PCKTCB.Components = make(evidence.Hex, 17) },
		"no attributes":      func(c *evidence.Claims) { c.TDX.SEAMAttributes = nil },
		"no signer":          func(c *evidence.Claims) { c.TDX.MRSignerSEAM = nil },
		"no FMSPC":           func(c *evidence.Claims) { c.TDX.FMSPC = nil },
		"no PCEID":           func(c *evidence.Claims) { c.TDX.PCEID = nil },
		"another version":    func(c *evidence.Claims) { c.TDX.QEISVSVN = &short },
		"no serial numbers":  func(c *evidence.Claims) { c.Certificates[0].Serial = nil },
		"three certificates": func(c *evidence.Claims) { c.Certificates = append(c.Certificates, c.Certificates[0]) },
		"no key":             func(c *evidence.Claims) { c.Certificates[1].SPKISHA256 = nil },
	} {
		t.Run(name, func(*testing.T) {
			c := recorded.Clone()
			alter(&c)
			s.reviewed(t, c)
		})
	}
}
