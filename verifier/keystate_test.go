package verifier_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
)

// keyStates is what was left about one key.
type keyStates struct {
	key   evidence.Digest
	state tee.KeyState
	scope string
}

func (k *keyStates) KeyState(ak evidence.Digest) (tee.KeyState, string, bool) {
	return k.state, k.scope, k.key == ak && k.scope != ""
}

// keep has the service record what a result leaves, as a ledger does.
func (k *keyStates) keep(t *testing.T, r verifier.Result) {
	t.Helper()
	update := r.KeyUpdate()
	if update == nil {
		t.Fatalf("nothing is left: %s %v", r.Verdict(), r.Checks().Failed())
	}
	k.key, k.state, k.scope = update.AK, update.After, update.Scope
}

const twoAlternatives = `apiVersion: quotary.dev/v1
kind: Workload
name: any
identity: {spiffe_id: "spiffe://example.org/any"}
any_of:
  - name: strict
    tpm: {pcrs: {sha256: {0: ["%s"]}}}
  - name: other
    tpm: {pcrs: {sha256: {0: ["%s"]}}}
`

// remembering returns a service whose TPMs tell what they were given and leave a
// state, with a PCR 0 of the caller's choice.
func remembering(states *keyStates, pcr *evidence.Hex, given *tee.Params) *service {
	s := newService()
	s.keyStates = states
	ak := evidence.Digest{9}
	s.technology = []tee.Verifier{&teetest.Technology{Of: evidence.KindTPM, Judge: func(item evidence.Item, _ *tee.Endorsements, p tee.Params) tee.Outcome {
		*given = p
		claims := teetest.Claims(evidence.KindTPM)
		claims.TPM.AKSHA256, claims.TPM.PCRs = ak[:], map[int]evidence.Hex{0: *pcr}
		o := teetest.Genuine(claims, teetest.ReportData(item))
		o.Key, o.KeyState = ak, &tee.KeyState{Quoted: true, Clock: 5, IMA: &tee.IMAState{Bank: "sha256", Entries: 7}}
		if p.Earlier != nil {
			p.Earlier(ak)
		}
		return o
	}}}
	return s
}

func TestKeyStateIsHandedOn(t *testing.T) {
	one, two := teetest.Measurement(32), evidence.Hex(bytes.Repeat([]byte{2}, 32))
	states, pcr, given := &keyStates{}, one, tee.Params{}
	s := remembering(states, &pcr, &given)
	s.policy = fmt.Sprintf(twoAlternatives, one, two)
	v := s.verifier(t)
	ask := func(offset uint64) verifier.Result {
		r := s.answer(t, evidence.KindTPM).request(t)
		quote := r.Bundle[0].(*evidence.TPM)
		quote.IMALog, quote.IMAOffset = []byte("list"), offset
		return appraise(t, v, r)
	}
	first := ask(0)
	if update := first.KeyUpdate(); update == nil || update.Before != nil || given.Earlier(evidence.Digest{9}) != nil {
		t.Fatalf("a key that nothing is known of: %+v", update)
	}
	states.keep(t, first)
	second := ask(7)
	if got := given.Earlier(evidence.Digest{9}); got == nil || got.IMA == nil || got.IMA.Entries != 7 || second.KeyUpdate() == nil || second.KeyUpdate().Before.Clock != 5 {
		t.Fatalf("earlier %+v, update %+v", got, second.KeyUpdate())
	}
	states.keep(t, second)
	// Another alternative has not judged the first entries.
	pcr = two
	if result := ask(7); !fails(result, evidence.CodeTPMIMAOffset) || result.Identity().SPIFFEID != "" || result.KeyUpdate() != nil {
		t.Errorf("another alternative: %s", result.Verdict())
	}
	if result := ask(0); !result.Accepted() {
		t.Errorf("the whole list: %s", result.Verdict())
	}
	// Nor has another policy.
	s.policy = fmt.Sprintf(twoAlternatives, two, one)
	v = s.verifier(t)
	ask(7)
	if got := given.Earlier(evidence.Digest{9}); got == nil || got.IMA != nil || got.Clock != 5 {
		t.Errorf("under another policy: %+v", got)
	}
}

// TestAttack_P34_FilesWhoseListEnded: a renewal sends only what is new, and what
// was judged earlier is not looked at again; but it counts no longer than the
// reference values by which it was judged.
func TestAttack_P34_FilesWhoseListEnded(t *testing.T) {
	pcr := teetest.Measurement(32)
	states, given := &keyStates{}, tee.Params{}
	s := remembering(states, &pcr, &given)
	end := s.at.Add(time.Hour)
	s.policy = fmt.Sprintf(`apiVersion: quotary.dev/v1
kind: ReferenceValues
name: ending
technology: tpm
provenance: {source: "a test", created_by: "a test", created_at: 2026-01-01T00:00:00Z}
not_after: %s
values: {pcrs: {sha256: {0: ["%s"]}}}
---
apiVersion: quotary.dev/v1
kind: Workload
name: any
identity: {spiffe_id: "spiffe://example.org/any"}
any_of:
  - tpm: {pcrs: {sha256: {0: [{reference: ending}, "%s"]}}}
`, end.Format(time.RFC3339), pcr, evidence.Hex(bytes.Repeat([]byte{2}, 32)))
	v := s.verifier(t)
	ask := func(offset uint64, log []byte) verifier.Result {
		r := s.answer(t, evidence.KindTPM).request(t)
		r.Bundle[0].(*evidence.TPM).IMAOffset, r.Bundle[0].(*evidence.TPM).IMALog = offset, log
		return appraise(t, v, r)
	}
	states.keep(t, ask(0, []byte{1}))
	if got := states.state.IMA.Until; !got.Equal(end) {
		t.Fatalf("judged until %s, the values end at %s", got, end)
	}
	pcr = bytes.Repeat([]byte{2}, 32) // what does not end
	states.keep(t, ask(7, []byte{1}))
	if got := states.state.IMA.Until; !got.Equal(end) {
		t.Errorf("a renewal lets the first part count until %s", got)
	}
	s.at = end.Add(-time.Second)
	ask(7, []byte{1})
	if given.Earlier(evidence.Digest{9}).IMA == nil {
		t.Error("forgotten before its end")
	}
	s.at = end
	ask(0, []byte{1})
	if given.Earlier(evidence.Digest{9}).IMA != nil {
		t.Error("still counts at its end")
	}
	states.keep(t, ask(0, []byte{1}))
	if got := states.state.IMA.Until; !got.IsZero() {
		t.Errorf("the whole list, judged anew, counts until %s", got)
	}
}

// A background check is about a moment that the caller chose: it is not held
// against the key's last clock, and leaves none.
func TestKeyStateIsNotForBackgroundChecks(t *testing.T) {
	states, pcr, given := &keyStates{}, teetest.Measurement(32), tee.Params{}
	s := remembering(states, &pcr, &given)
	s.policy = fmt.Sprintf(twoAlternatives, pcr, evidence.Hex(bytes.Repeat([]byte{2}, 32)))
	r := verifier.Request{Bundle: evidence.Bundle{teetest.Item(evidence.KindTPM, make([]byte, 32))}, Freshness: verifier.BackgroundCheck{ReportData: make([]byte, 32)}}
	if result := appraise(t, s.verifier(t), r); !result.Accepted() || result.KeyUpdate() != nil || given.Earlier(evidence.Digest{9}) != nil {
		t.Errorf("%s, update %v", result.Verdict(), result.KeyUpdate())
	}
}
