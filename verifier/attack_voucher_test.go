package verifier_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/paravisor"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
)

// inspecting is a technology of TPMs that notes what it is asked to decode unverified.
type inspecting struct {
	*teetest.Technology
	inspected *evidence.TPM
}

func (i *inspecting) UnverifiedClaims(item evidence.Item) (evidence.Claims, error) {
	i.inspected = item.(*evidence.TPM)
	claims := teetest.Claims(evidence.KindTPM)
	claims.TPM.AKSHA256 = bytes.Repeat([]byte{7}, 32)
	return claims, nil
}

// TestAttack_D06_ForgedReportVouches: whoever has no TEE makes a report up that names
// a key of his own. Nothing rests on it: not the key's trust, and so no log is read.
func TestAttack_D06_ForgedReportVouches(t *testing.T) {
	area := []byte("an area")
	sum := sha256.Sum256(area)
	for name, outcome := range map[string]func(*tee.Outcome){
		"genuine": func(*tee.Outcome) {},
		"forged":  func(o *tee.Outcome) { o.Checks.Fail(evidence.CodeSNPSignature, "", "") },
	} {
		s := newComposite()
		given := tee.Params{}
		s.withKey(evidence.Digest(bytes.Repeat([]byte{7}, 32)), &given)
		tpms := &inspecting{Technology: s.technology[1].(*teetest.Technology)}
		s.technology[0] = &teetest.Technology{Of: evidence.KindSEVSNP, Judge: func(item evidence.Item, _ *tee.Endorsements, _ tee.Params) tee.Outcome {
			o := teetest.Genuine(teetest.Claims(evidence.KindSEVSNP), teetest.ReportData(item))
			outcome(&o)
			return o
		}}
		s.technology[1] = tpms
		r := s.answer(t, both...).request(t)
		r.Bundle[0] = &evidence.SNP{Report: append(sum[:], make([]byte, 32)...)}
		quote := r.Bundle[1].(*evidence.TPM)
		quote.AKPublic, quote.EventLog, quote.IMALog = area, []byte("a long log"), []byte("another")
		result := appraise(t, s.verifier(t), r)
		if result.Accepted() != (name == "genuine") || given.Vouched == nil || (given.Vouched.Anchor != nil) != (name == "genuine") {
			t.Errorf("%s: %s, vouched by %+v", name, result.Verdict(), given.Vouched)
		}
		if tpms.inspected == nil || len(tpms.inspected.EventLog)+len(tpms.inspected.IMALog) > 0 {
			t.Errorf("%s: logs are read before anything is verified: %+v", name, tpms.inspected)
		}
		if len(quote.EventLog) == 0 {
			t.Errorf("%s: the caller's item was changed", name)
		}
	}
}

// TestCompositeWantsEndorsements: a report that lacks its certificate vouches for a key once
// that is there. Until then nothing is decided, and what is fetched decides.
func TestCompositeWantsEndorsements(t *testing.T) {
	for _, kind := range []evidence.Kind{evidence.KindSEVSNP, evidence.KindTDX} {
		for _, form := range []paravisor.Form{paravisor.RuntimeData, paravisor.PublicArea} {
			t.Run(fmt.Sprint(kind, " ", form), func(t *testing.T) {
				w := newWorld(t)
				w.without = true
				r := w.attempt(w.paravised(kind, "a", form))
				if report, ok := r.Bundle[0].(*evidence.SNP); ok {
					report.Certificates = nil
				}
				first := appraise(t, w.service, r)
				if first.Verdict() != verifier.Undecided || len(first.Wanted()) == 0 {
					t.Fatalf("without endorsements: %s, wants %v, failed %v", first.Verdict(), first.Wanted(), first.Checks().Failed())
				}
				seen := map[tee.EndorsementName]bool{}
				for _, name := range first.Wanted() {
					if seen[name] {
						t.Errorf("%s is wanted twice", name)
					}
					seen[name] = true
				}
				w.without = false
				second, err := w.service.Reappraise(first)
				if err != nil || !second.Accepted() || second.KeyUpdate() == nil {
					t.Errorf("with them: %v, %s %v", err, second.Verdict(), second.Checks().Failed())
				}
			})
		}
	}
}

// TestAttack_P38_RevokedKeyInBackgroundCheck: a key that was superseded or revoked counts
// for nothing any more, whoever chose the report data.
func TestAttack_P38_RevokedKeyInBackgroundCheck(t *testing.T) {
	states := &keyStates{key: evidence.Digest{9}, scope: "policy alternative", state: tee.KeyState{
		Revoked: true, Quoted: true, Clock: 99, Logged: true, IMA: &tee.IMAState{Entries: 3},
	}}
	s := newService()
	s.keyStates = states
	var got *tee.KeyState
	s.technology = []tee.Verifier{&teetest.Technology{Of: evidence.KindTPM, Judge: func(item evidence.Item, _ *tee.Endorsements, p tee.Params) tee.Outcome {
		o := teetest.Genuine(teetest.Claims(evidence.KindTPM), teetest.ReportData(item))
		if p.Earlier == nil {
			t.Error("revocation cannot be asked for")
			return o
		}
		if other := p.Earlier(evidence.Digest{8}); other != nil {
			t.Errorf("of another key: %+v", other)
		}
		got = p.Earlier(evidence.Digest{9})
		o.Key, o.KeyState = evidence.Digest{9}, &tee.KeyState{Quoted: true}
		return o
	}}}
	result := appraise(t, s.verifier(t), verifier.Request{
		Bundle: evidence.Bundle{teetest.Item(evidence.KindTPM, make([]byte, 32))}, Freshness: verifier.BackgroundCheck{ReportData: make([]byte, 32)},
	})
	if got == nil || *got != (tee.KeyState{Revoked: true}) {
		t.Errorf("the TPM's verifier is told %+v", got)
	}
	if result.KeyUpdate() != nil {
		t.Error("a background check leaves a state")
	}
}

// TestAttack_P20_ScopeOfAQuoteWithoutList: an alternative that never saw the kernel's list does not
// come to stand for what another one judged of it.
func TestAttack_P20_ScopeOfAQuoteWithoutList(t *testing.T) {
	one, two := teetest.Measurement(32), evidence.Hex(bytes.Repeat([]byte{2}, 32))
	states, pcr, given := &keyStates{}, one, tee.Params{}
	s := remembering(states, &pcr, &given)
	s.policy = fmt.Sprintf(twoAlternatives, one, two)
	v := s.verifier(t)
	ask := func(list []byte, offset uint64) verifier.Result {
		r := s.answer(t, evidence.KindTPM).request(t)
		quote := r.Bundle[0].(*evidence.TPM)
		quote.IMALog, quote.IMAOffset = list, offset
		return appraise(t, v, r)
	}
	states.keep(t, ask([]byte("list"), 0))
	states.keep(t, ask(nil, 0))
	if states.state.IMA == nil {
		t.Error("a quote without the list loses what its own alternative judged")
	}
	pcr = two // under another alternative
	without := ask(nil, 0)
	if update := without.KeyUpdate(); update == nil || update.After.IMA != nil {
		t.Fatalf("what another alternative judged stands: %+v", update)
	}
	states.keep(t, without)
}
