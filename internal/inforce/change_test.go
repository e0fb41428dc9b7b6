package inforce_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/inforce"
	"github.com/quotary/quotary/internal/store"
)

// The very documents that are in force are not applied again; with other comments or
// file names they are, so that they are found as they were given.
func TestWhatIsInForceIsNotAppliedAgain(t *testing.T) {
	for _, approvals := range []int{1, 2} {
		o := open(t, inforce.Config{Files: document(1), Approvals: approvals})
		adopted, err := o.apply("certificate:alice", document(1), o.Set().Digest()) // from the files to the ledger
		if err != nil || adopted.InForce {
			t.Fatalf("got %+v, %v", adopted, err)
		}
		if p := adopted.Proposal; p != nil {
			if _, _, err := o.Approve(t.Context(), event("certificate:bob"), p.ID, p.Digest, "certificate:bob", ""); err != nil {
				t.Fatal(err)
			}
		}
		head, err := o.ledger.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		base := o.Set().Digest()
		again, err := o.apply("certificate:bob", document(1), base)
		if err != nil || !again.InForce || again.Applied || again.Seq != 1 || again.Proposal != nil {
			t.Errorf("got %+v, %v", again, err)
		}
		tried, err := o.Rehearse(t.Context(), inforce.Change{Documents: document(1), Base: base})
		if err != nil || !tried.InForce {
			t.Errorf("got %+v, %v", tried, err)
		}
		if _, err := o.apply("certificate:bob", document(1), digestOf(t, document(2))); evidence.CodeOf(err) != evidence.CodePolicyConflict {
			t.Errorf("by a stale base: %v", err)
		}
		if after, err := o.ledger.Head(t.Context()); err != nil || after.Seq != head.Seq {
			t.Errorf("recorded: %v, %v", after, err)
		}
		commented := document(1)
		commented[0].Data = append([]byte("# why\n"), commented[0].Data...)
		if got, err := o.apply("certificate:bob", commented, base); err != nil || got.InForce || !got.Applied && got.Proposal == nil {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

// A plan says what it did not replay: what is older than the newest, and what cannot be read.
func TestPlanSaysWhatItLeftOut(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	for n := range 7 {
		o.record(n, `[{"kind":"sev-snp"}]`)
	}
	for most, want := range map[int]int{7: 0, 8: 0, 3: 4, 1: 6} {
		o.Replay(most)
		plan, err := o.Plan(t.Context(), document(2))
		if err != nil || plan.Report.LeftOut != want || plan.Report.Records != 7-want {
			t.Errorf("of the newest %d: %+v, %v", most, plan.Report, err)
		}
	}
	o.record(8, `[{"kind":7}]`)
	o.Replay(4)
	plan, err := o.Plan(t.Context(), document(2))
	if err != nil || plan.Report.LeftOut != 5 || plan.Report.Records != 3 {
		t.Errorf("with one that cannot be read: %+v, %v", plan.Report, err)
	}
}

// record records an attestation.
func (o *office) record(n int, claims string) {
	o.t.Helper()
	id, at := fmt.Sprintf("%032x", n), now.Add(-time.Hour+time.Duration(n)*time.Minute)
	err := o.ledger.Record(o.t.Context(), store.Entry{
		Event: store.Event{Time: at, Actor: "peer:x", Action: "attestation", Outcome: store.Issued, AttestationID: id},
		Issuance: &store.Issuance{
			AttestationID: id, Purpose: "token", IssuedAt: at, NotBefore: at, NotAfter: at.Add(time.Hour), TokenID: id, Workload: "web",
			SPIFFEID: "spiffe://example.org/web", Kinds: []evidence.Kind{evidence.KindSEVSNP}, Claims: json.RawMessage(claims),
		},
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// A set for another service is refused; one for several is told of.
func TestSetOfAnotherTrustDomain(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	foreign := document(2)
	foreign[0].Data = bytes.ReplaceAll(bytes.ReplaceAll(foreign[0].Data, []byte("spiffe://example.org/"), []byte("spiffe://elsewhere.org/")), []byte("name: web"), []byte("name: other"))
	foreign[0].Name = "other.yaml"
	if _, err := o.apply("certificate:alice", foreign, o.Set().Digest()); evidence.CodeOf(err) != evidence.CodePolicyTrustDomain {
		t.Errorf("got %v", err)
	}
	both, err := o.Plan(t.Context(), append(document(3), foreign...))
	if err != nil || len(both.Warnings) != 1 || both.Warnings[0].Code != evidence.CodePolicyTrustDomain {
		t.Errorf("got %+v, %v", both.Warnings, err)
	}
}
