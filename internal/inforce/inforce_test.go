package inforce_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/inforce"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee/teetest"
)

var now = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// document grants an identity to the SEV-SNP machine of package teetest, if its
// microcode is at least this.
func document(microcode int) []policies.File {
	return []policies.File{{Name: "web.yaml", Data: fmt.Appendf(nil, `apiVersion: quotary.dev/v1
kind: Workload
name: web
identity: {spiffe_id: "spiffe://example.org/web"}
any_of:
  - sev_snp: {measurements: ["%s"], minimum_tcb: {bootloader: 0, tee: 0, snp: 0, microcode: %d}}
`, teetest.Measurement(48), microcode)}}
}

func digestOf(t *testing.T, files []policies.File) string {
	t.Helper()
	set, err := policies.Load(files...)
	if err != nil {
		t.Fatal(err)
	}
	return set.Digest()
}

// office is a ledger with the policies in force.
type office struct {
	*inforce.Policies
	t      *testing.T
	ledger *store.Store
	path   string
	config inforce.Config
}

func open(t *testing.T, c inforce.Config) *office {
	t.Helper()
	o := &office{t: t, path: filepath.Join(t.TempDir(), "ledger.db"), config: c}
	o.reopen()
	return o
}

// reopen is a restart of the service.
func (o *office) reopen() (ignored bool) {
	o.t.Helper()
	if o.ledger != nil {
		if err := o.ledger.Close(); err != nil {
			o.t.Fatal(err)
		}
	}
	var err error
	if o.ledger, err = store.Open(o.t.Context(), o.path); err != nil {
		o.t.Fatal(err)
	}
	ledger := o.ledger
	o.t.Cleanup(func() { ledger.Close() })
	c := o.config
	c.Ledger, c.TrustDomain, c.Now = o.ledger, "example.org", func() time.Time { return now }
	if c.Mode == "" {
		c.Mode = inforce.ByService
	}
	if o.Policies, ignored, err = inforce.Open(o.t.Context(), c); err != nil {
		o.t.Fatal(err)
	}
	return ignored
}

func event(by string) store.Event {
	return store.Event{Time: now, Actor: by, Action: "admin.apply", Outcome: store.Done}
}

func (o *office) apply(by string, files []policies.File, base string) (inforce.Outcome, error) {
	return o.Apply(o.t.Context(), event(by), inforce.Change{Documents: files, Base: base, Author: by, Consents: true})
}

// must applies on top of what is in force.
func (o *office) must(files []policies.File) inforce.Outcome {
	o.t.Helper()
	outcome, err := o.apply("certificate:alice", files, o.Set().Digest())
	if err != nil {
		o.t.Fatal(err)
	}
	return outcome
}

func TestSetIsApplied(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	if a := o.Active(); a.Applied != nil || a.Set.Digest() != digestOf(t, document(1)) {
		t.Fatalf("at first: %+v", a)
	}
	outcome := o.must(document(2))
	if !outcome.Applied || outcome.Seq != 1 || outcome.Base != digestOf(t, document(1)) || o.Set().Digest() != digestOf(t, document(2)) {
		t.Errorf("%+v", outcome)
	}
	if len(outcome.Diff.Documents) != 1 || outcome.Report.Candidate != outcome.Digest {
		t.Errorf("plan %+v, diff %+v", outcome.Report, outcome.Diff)
	}
	if ignored := o.reopen(); !ignored || o.Set().Digest() != digestOf(t, document(2)) || o.Active().Applied.Author != "certificate:alice" {
		t.Errorf("after a restart: %s, the folder ignored: %t", o.Set().Digest(), ignored)
	}
	if second := o.must(document(3)); second.Seq != 2 {
		t.Errorf("number %d", second.Seq)
	}
	if _, _, err := o.ledger.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestChangesThatAreRefused(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	base := o.Set().Digest()
	for name, c := range map[string]struct {
		files []policies.File
		base  string
		code  evidence.Code
	}{
		"another base":    {document(2), digestOf(t, document(9)), evidence.CodePolicyConflict},
		"no base":         {document(2), "", evidence.CodePolicyConflict},
		"does not load":   {[]policies.File{{Name: "x.yaml", Data: []byte("kind: Workload\n")}}, base, evidence.CodePolicyMissingKey},
		"lint refuses it": {append(document(2), policies.File{Name: "copy.yaml", Data: []byte(strings.Replace(string(document(2)[0].Data), "name: web", "name: copy", 1))}), base, evidence.Code{}},
	} {
		_, err := o.apply("certificate:alice", c.files, c.base)
		var problems policies.Problems
		if errors.As(err, &problems) {
			if c.code.IsZero() || problems[0].Code == c.code {
				continue
			}
		}
		if err == nil || evidence.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
		if _, rehearsed := o.Rehearse(t.Context(), inforce.Change{Documents: c.files, Base: c.base}); rehearsed == nil {
			t.Errorf("%s: rehearsed", name)
		}
	}
	if o.Set().Digest() != base {
		t.Error("what was refused is in force")
	}
	if history, err := o.ledger.PolicyHistory(t.Context(), 0, 10); err != nil || len(history) > 0 {
		t.Errorf("history %v, %v", history, err)
	}
}

func TestRehearsalChangesNothing(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	before := o.Active()
	outcome, err := o.Rehearse(t.Context(), inforce.Change{Documents: document(2), Base: before.Set.Digest()})
	if err != nil || outcome.Applied || outcome.Seq != 0 || o.Active() != before {
		t.Errorf("%+v, %v", outcome, err)
	}
	if head, err := o.ledger.Head(t.Context()); err != nil || head.Seq != 0 {
		t.Errorf("head %+v, %v", head, err)
	}
}

func TestFilesDecide(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1), Mode: inforce.ByFiles})
	if _, err := o.apply("a", document(2), o.Set().Digest()); evidence.CodeOf(err) != evidence.CodePolicyManagedByFiles {
		t.Errorf("applied: %v", err)
	}
	if _, _, err := o.Approve(t.Context(), event("a"), 1, "", "a", ""); evidence.CodeOf(err) != evidence.CodePolicyManagedByFiles {
		t.Errorf("approved: %v", err)
	}
	loaded, err := o.Load(document(3))
	if err != nil {
		t.Fatal(err)
	}
	failure := errors.New("no record")
	if err := o.Put(loaded, func() error { return failure }); !errors.Is(err, failure) || o.Set().Digest() != digestOf(t, document(1)) {
		t.Errorf("without a record: %v", err)
	}
	if err := o.Put(loaded, func() error { return nil }); err != nil || o.Set().Digest() != digestOf(t, document(3)) {
		t.Errorf("reloaded: %v", err)
	}
}

// A reload does not bring the folder back where a set was applied.
func TestReloadKeepsWhatWasApplied(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	early, err := o.Load(document(5))
	if err != nil {
		t.Fatal(err)
	}
	o.must(document(2))
	late, err := o.Load(document(6))
	if err != nil {
		t.Fatal(err)
	}
	for _, loaded := range []*inforce.Active{early, late} {
		if err := o.Put(loaded, func() error { return nil }); err != nil || o.Set().Digest() != digestOf(t, document(2)) {
			t.Errorf("%s is in force: %v", o.Set().Digest(), err)
		}
	}
}

func TestAttack_Y14_ConcurrentChanges(t *testing.T) {
	o := open(t, inforce.Config{Files: document(0)})
	base := o.Set().Digest()
	var won atomic.Int64
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			_, err := o.apply("certificate:alice", document(n+1), base)
			if err == nil {
				won.Add(1)
			} else if evidence.CodeOf(err) != evidence.CodePolicyConflict {
				t.Error(err)
			}
		})
	}
	all.Wait()
	active, err := o.ledger.ActivePolicy(t.Context())
	if err != nil || won.Load() != 1 || active.Digest != o.Set().Digest() {
		t.Errorf("%d won; the ledger has %+v, %v", won.Load(), active, err)
	}
}

func TestSeveralMustAgree(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1), Approvals: 2})
	base := o.Set().Digest()
	outcome, err := o.apply("certificate:alice", document(2), base)
	if err != nil || outcome.Applied || outcome.Proposal == nil || o.Set().Digest() != base {
		t.Fatalf("%+v, %v", outcome, err)
	}
	p := outcome.Proposal
	approve := func(by, digest string) (int64, error) {
		_, seq, err := o.Approve(t.Context(), event(by), p.ID, digest, by, "")
		return seq, err
	}
	if _, err := approve("certificate:alice", p.Digest); err == nil {
		t.Error("its author approved twice")
	}
	if seq, err := approve("bootstrap", p.Digest); seq != 0 || o.Set().Digest() != base {
		t.Errorf("nobody in particular approved: %d %v", seq, err)
	}
	if _, err := approve("certificate:bob", digestOf(t, document(7))); err == nil {
		t.Error("bob approved of something that he did not see")
	}
	if seq, err := approve("certificate:bob", p.Digest); err != nil || seq != 1 || o.Set().Digest() != digestOf(t, document(2)) {
		t.Errorf("number %d in force: %s, %v", seq, o.Set().Digest(), err)
	}
	if _, err := approve("certificate:carol", p.Digest); err == nil {
		t.Error("approved after it was applied")
	}
	o.reopen()
	if o.Set().Digest() != digestOf(t, document(2)) {
		t.Error("not in force after a restart")
	}
}

// Who may only propose has not agreed.
func TestAuthorWhoIsNoOwner(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1), Approvals: 2})
	outcome, err := o.Apply(t.Context(), event("certificate:olga"), inforce.Change{Documents: document(2), Base: o.Set().Digest(), Author: "certificate:olga"})
	if err != nil || len(outcome.Proposal.Approvals) > 0 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	for n, by := range []string{"certificate:alice", "certificate:bob"} {
		_, seq, err := o.Approve(t.Context(), event(by), outcome.Proposal.ID, outcome.Digest, by, "")
		if err != nil || seq != int64(n) {
			t.Errorf("%s: number %d, %v", by, seq, err)
		}
	}
}

// A proposal whose base moved on is applied no more.
func TestAttack_Y10_ProposalOnAnOldSet(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1), Approvals: 2})
	first, err := o.apply("certificate:alice", document(2), o.Set().Digest())
	if err != nil {
		t.Fatal(err)
	}
	second, err := o.apply("certificate:alice", document(3), o.Set().Digest())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := o.Approve(t.Context(), event("bob"), first.Proposal.ID, first.Digest, "certificate:bob", ""); err != nil {
		t.Fatal(err)
	}
	if _, seq, err := o.Approve(t.Context(), event("bob"), second.Proposal.ID, second.Digest, "certificate:bob", ""); err == nil || seq != 0 || o.Set().Digest() != first.Digest {
		t.Errorf("%s in force, %v", o.Set().Digest(), err)
	}
}

func TestRollback(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	o.must(document(2))
	o.must(document(3))
	change, err := o.Earlier(t.Context(), 1, inforce.Change{Base: o.Set().Digest(), Author: "certificate:alice"})
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := o.Apply(t.Context(), event("certificate:alice"), change)
	if err != nil || outcome.Seq != 3 || o.Set().Digest() != digestOf(t, document(2)) || o.Active().Applied.Comment != "roll back to 1" {
		t.Errorf("%+v, %v", outcome, err)
	}
	if _, err := o.Earlier(t.Context(), 99, inforce.Change{}); err == nil {
		t.Error("there is no set 99")
	}
}

// TestAttack_Y18_ChangeWithoutRecord: what the ledger does not have is not in force.
func TestAttack_Y18_ChangeWithoutRecord(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	base := o.Set().Digest()
	if err := o.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := o.apply("certificate:alice", document(2), base); err == nil || o.Set().Digest() != base {
		t.Errorf("in force: %s, %v", o.Set().Digest(), err)
	}
	if _, err := o.SetShadow(t.Context(), event("a"), document(2), "a"); err == nil {
		t.Error("a shadow without a record")
	}
	if _, cast := o.Shadow(); cast {
		t.Error("a shadow is cast")
	}
}

// accepted records an attestation of the machine of package teetest.
func (o *office) accepted(id string, at time.Time) {
	o.t.Helper()
	claims, err := json.Marshal([]evidence.Claims{teetest.Claims(evidence.KindSEVSNP)})
	if err != nil {
		o.t.Fatal(err)
	}
	err = o.ledger.Record(context.Background(), store.Entry{
		Event: store.Event{Time: at, Actor: "peer:x", Action: "attestation", Outcome: store.Issued, AttestationID: id},
		Issuance: &store.Issuance{
			AttestationID: id, Purpose: "certificate", IssuedAt: at, NotBefore: at, NotAfter: at.Add(time.Hour), Serial: id, SPKISHA256: make([]byte, 32),
			SPIFFEID: "spiffe://example.org/web", Workload: "web", Kinds: []evidence.Kind{evidence.KindSEVSNP}, Claims: claims,
		},
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

func TestPlanReplaysRecords(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	for n := range 30 {
		o.accepted(fmt.Sprintf("%032d", n), now.Add(-time.Duration(n)*time.Hour)) // some live, some recent, some long ago
	}
	o.accepted("revoked", now)
	if _, _, err := o.ledger.Revoke(t.Context(), store.Event{Time: now, Actor: "x", Action: "revoke", Outcome: store.Done}, []string{"revoked"}); err != nil {
		t.Fatal(err)
	}
	plan, err := o.Plan(t.Context(), document(255))
	if err != nil {
		t.Fatal(err)
	}
	if r := plan.Report; r.Records != 26 || r.Live != 1 || r.Denied.Count != 26 || r.Denied.Live != 1 || len(r.Denied.Reasons) == 0 {
		t.Errorf("%d records, %d live: %+v", r.Records, r.Live, r.Denied)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.Plan(ctx, document(255)); err == nil {
		t.Error("a plan that was cut short passes for one")
	}
}

func TestAttack_Y15_ShadowGrantsNothing(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	digest, err := o.SetShadow(t.Context(), event("a"), document(255), "certificate:alice")
	if err != nil || digest != digestOf(t, document(255)) {
		t.Fatalf("%s, %v", digest, err)
	}
	claims := []evidence.Claims{teetest.Claims(evidence.KindSEVSNP)}
	decision := o.Set().Evaluate(policies.Input{Claims: claims, Now: now, TrustDomain: "example.org"})
	if decision.Verdict != policies.Accepted || o.Set().Digest() != digestOf(t, document(1)) {
		t.Errorf("the shadow decides: %s", decision.Verdict)
	}
	o.Observe(claims, &decision)
	status, cast := o.Shadow()
	if !cast || len(status.Counts) != 1 || status.Counts[0].Agrees || status.Counts[0].Candidate != policies.Rejected {
		t.Errorf("%+v", status)
	}
	o.reopen()
	if status, cast := o.Shadow(); !cast || status.Digest != digest || len(status.Counts) > 0 {
		t.Errorf("after a restart: %+v", status)
	}
	if _, err := o.SetShadow(t.Context(), event("a"), nil, "a"); err != nil {
		t.Fatal(err)
	}
	if _, cast := o.Shadow(); cast {
		t.Error("it was ended")
	}
	o.Observe(claims, &decision)
}

func TestExplanation(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	claims := []evidence.Claims{teetest.Claims(evidence.KindSEVSNP)}
	if e, err := o.Explain(claims, nil, o.Now()); err != nil || e.Decision.Verdict != policies.Accepted {
		t.Errorf("%+v, %v", e.Decision, err)
	}
	if e, err := o.Explain(claims, document(255), o.Now()); err != nil || e.Decision.Verdict != policies.Rejected || len(e.Remedies) == 0 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := o.Explain(claims, []policies.File{{Name: "x", Data: []byte("{")}}, o.Now()); err == nil {
		t.Error("explained by what does not load")
	}
}

// Whoever took an owner's certificate may have approved before it was revoked.
func TestAttack_Y11_ApprovalByARevokedCertificate(t *testing.T) {
	revoked := map[string]bool{}
	o := open(t, inforce.Config{Files: document(1), Approvals: 2, Revoked: func(serial string) bool { return revoked[serial] }})
	base := o.Set().Digest()
	outcome, err := o.Apply(t.Context(), event("certificate:alice"), inforce.Change{
		Documents: document(2), Base: base, Author: "certificate:alice", Serial: "0a", Consents: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	p := outcome.Proposal
	revoked["0a"] = true
	if _, seq, err := o.Approve(t.Context(), event("certificate:bob"), p.ID, p.Digest, "certificate:bob", "0b"); err != nil || seq != 0 || o.Set().Digest() != base {
		t.Fatalf("alice's approval counts, by a certificate that is revoked: number %d, %v", seq, err)
	}
	if _, _, err := o.Approve(t.Context(), event("certificate:bob"), p.ID, p.Digest, "certificate:bob", "0b"); evidence.CodeOf(err) != evidence.CodePolicyProposalApproved {
		t.Errorf("bob approved twice: %v", err)
	}
	if _, seq, err := o.Approve(t.Context(), event("certificate:carol"), p.ID, p.Digest, "certificate:carol", "0c"); err != nil || seq != 1 {
		t.Errorf("two whose certificates are good approved: number %d, %v", seq, err)
	}
}

// A service that stops between the last approval and what follows from it leaves a
// proposal that everybody has approved of, and that one of them can still bring about.
func TestAttack_Y18_StoppedBeforeItWasApplied(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1), Approvals: 2})
	outcome, err := o.apply("certificate:alice", document(2), o.Set().Digest())
	if err != nil {
		t.Fatal(err)
	}
	p := outcome.Proposal
	if _, err := o.ledger.Approve(t.Context(), event("certificate:bob"), p.ID, p.Digest, "certificate:bob", ""); err != nil {
		t.Fatal(err)
	}
	o.reopen()
	if _, seq, err := o.Approve(t.Context(), event("certificate:bob"), p.ID, p.Digest+"x", "certificate:bob", ""); err == nil || seq != 0 {
		t.Errorf("of another digest: number %d, %v", seq, err)
	}
	if _, seq, err := o.Approve(t.Context(), event("certificate:bob"), p.ID, p.Digest, "certificate:bob", ""); err != nil || seq != 1 || o.Set().Digest() != p.Digest {
		t.Errorf("number %d, %v", seq, err)
	}
	if _, seq, err := o.Approve(t.Context(), event("certificate:bob"), p.ID, p.Digest, "certificate:bob", ""); evidence.CodeOf(err) != evidence.CodePolicyProposalClosed || seq != 0 {
		t.Errorf("again: number %d, %v", seq, err)
	}
}

// What does not decide keeps no service from starting: a shadow set that loads no
// more, as where keys for reference values were configured since, and files that are
// ignored since a set was applied.
func TestAttack_Y15_WhatDoesNotDecideStopsNothing(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	references := []policies.File{{Name: "release.yaml", Data: []byte("apiVersion: quotary.dev/v1\nkind: ReferenceValues\nname: release\ntechnology: tdx\n" +
		"provenance: {source: an image, created_by: a build, created_at: 2026-11-01T00:00:00Z}\nnot_after: 2027-01-01T00:00:00Z\nvalues: {mrtd: [\"" + strings.Repeat("11", 48) + "\"]}\n")}}
	if _, err := o.SetShadow(t.Context(), event("certificate:alice"), references, "certificate:alice"); err != nil {
		t.Fatal(err)
	}
	o.must(document(2))
	want := o.Set().Digest()
	o.config.Reading.ReferenceKeys = []policies.ReferenceKey{{Name: "release", Public: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public()}}
	o.config.Files = []policies.File{{Name: "web.yaml", Data: []byte("kind: [")}}
	if ignored := o.reopen(); !ignored || o.Set().Digest() != want || o.Shadowed() || evidence.CodeOf(o.Unwatched()) != evidence.CodePolicyReferenceUnsigned {
		t.Errorf("the folder ignored: %t, in force %s, the shadow: %v", ignored, o.Set().Digest(), o.Unwatched())
	}
	if _, err := o.SetShadow(t.Context(), event("certificate:alice"), document(3), "certificate:alice"); err != nil || !o.Shadowed() {
		t.Error(err)
	}
	if o.reopen(); !o.Shadowed() || o.Unwatched() != nil {
		t.Error(o.Unwatched())
	}
}

// A plan takes long where much is recorded. Meanwhile other changes go on, and
// where one of them was of the set in force, the plan was for nothing.
func TestAttack_Y14_PlansHoldUpNoChange(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	planning, end := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	o.Now = func() time.Time {
		if held.CompareAndSwap(true, false) {
			planning <- struct{}{}
			<-end
		}
		return now
	}
	base := o.Set().Digest()
	held.Store(true)
	late := make(chan error)
	go func() { _, err := o.apply("certificate:alice", document(2), base); late <- err }()
	<-planning
	if _, err := o.SetShadow(t.Context(), event("certificate:oscar"), document(4), "certificate:oscar"); err != nil {
		t.Error(err)
	}
	if _, err := o.apply("certificate:bob", document(3), base); err != nil {
		t.Error(err)
	}
	close(end)
	if err := <-late; evidence.CodeOf(err) != evidence.CodePolicyConflict || o.Set().Digest() != digestOf(t, document(3)) {
		t.Errorf("%s in force, %v", o.Set().Digest(), err)
	}
}

// Whoever waits for a change hears of each, and of no other call.
func TestChangeIsTold(t *testing.T) {
	o := open(t, inforce.Config{Files: document(1)})
	changed := func(what string, want bool, act func()) {
		t.Helper()
		before := o.Changed()
		act()
		select {
		case <-before:
			if !want {
				t.Errorf("%s: it is told", what)
			}
		default:
			if want {
				t.Errorf("%s: it is not told", what)
			}
		}
	}
	base := o.Set().Digest()
	changed("a rehearsal", false, func() {
		_, _ = o.Rehearse(t.Context(), inforce.Change{Documents: document(2), Base: base})
	})
	changed("a refusal", false, func() {
		if _, err := o.apply("certificate:alice", document(2), "sha256:00"); err == nil {
			t.Error("it is none")
		}
	})
	changed("a reload", true, func() {
		loaded, err := o.Load(document(3))
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Put(loaded, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
	changed("a reload of the same", false, func() {
		if err := o.Put(o.Active(), func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
	changed("a set", true, func() { o.must(document(2)) })
	none := open(t, inforce.Config{})
	before := none.Changed()
	none.must(nil) // which is meant, and no files are not
	select {
	case <-before:
	default:
		t.Error("a set without workloads in the place of no files: it is not told")
	}
}

// Files that define nothing say nothing of anybody: so does a folder that is not there.
func TestReconsideration(t *testing.T) {
	claims := []evidence.Claims{teetest.Claims(evidence.KindSEVSNP)}
	granted := policies.Granted{Workload: "web", SPIFFEID: "spiffe://example.org/web"}
	for name, c := range map[string]struct {
		files []policies.File
		want  policies.Standing
	}{"accepted": {document(0), policies.Stands}, "refused": {document(255), policies.Refused}, "no files": {nil, policies.Unknown}} {
		o := open(t, inforce.Config{Files: c.files})
		if r := o.Reconsider(claims, now.Add(-time.Hour), granted); r.Standing != c.want || r.Digest != o.Set().Digest() {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
