package server_test

import (
	"context"
	"strings"
	"testing"

	"github.com/quotary/quotary/client"
	sdk "github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server/servertest"
)

// The SDK and the service understand each other, call by call.
func TestClientOfAdministrators(t *testing.T) {
	a := start(t, servertest.Options{})
	issued := a.attest()
	c, err := sdk.New(sdk.Config{
		URL: a.URL, TrustDomain: servertest.TrustDomain, Roots: a.Roots(), Credential: sdk.Certificate(a.Certificate(t, "alice", admin.Owner)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	who, err := c.Whoami(ctx)
	must(err)
	set, err := c.Policy(ctx)
	must(err)
	if who.Name != "alice" || who.Method != "certificate" || who.ExpiresAt.IsZero() || set.Documents[0].Content != servertest.Policy {
		t.Errorf("got %+v and %+v", who, set)
	}
	candidate := []sdk.Document{{Name: "web.yaml", Content: document("15m")[0].Content}}
	_, err = c.Plan(ctx, candidate)
	must(err)
	change, err := c.Apply(ctx, sdk.Application{Documents: candidate, Base: set.Digest, Comment: "shorter"})
	must(err)
	_, err = c.SetShadow(ctx, set.Documents)
	must(err)
	shadow, err := c.Shadow(ctx)
	must(err)
	if !change.Applied || change.Seq != 1 || shadow.Digest != set.Digest {
		t.Errorf("got %+v and %+v", change, shadow)
	}
	_, err = c.SetShadow(ctx, nil)
	must(err)
	for applied, err := range c.PolicyHistory(ctx, 10) {
		must(err)
		if applied.Comment != "shorter" {
			t.Errorf("got %+v", applied)
		}
	}
	_, err = c.PolicyAt(ctx, 1)
	must(err)
	for _, err := range c.Proposals(ctx, 10) {
		must(err)
	}
	count := 0
	for one, err := range c.Certificates(ctx, sdk.Filter{Live: true, Serial: issued.SVID.Serial, Kind: evidence.KindSEVSNP}, 10) {
		must(err)
		count++
		whole, err := c.Attestation(ctx, one.AttestationID)
		must(err)
		if len(whole.Claims) == 0 {
			t.Error("no claims")
		}
	}
	if count != 1 {
		t.Errorf("%d certificates", count)
	}
	_, err = c.Explain(ctx, sdk.Question{AttestationID: issued.AttestationID})
	must(err)
	_, err = c.Explain(ctx, sdk.Question{Evidence: attested(t), Candidate: candidate})
	must(err)
	events, err := c.Events(ctx, sdk.EventFilter{AfterSeq: new(int64)})
	must(err)
	last := events.Events[len(events.Events)-1]
	walked, err := c.VerifyAudit(ctx, sdk.Head{Events: last.Seq, Hash: last.Hash})
	must(err)
	status, err := c.Status(ctx)
	must(err)
	if walked.Issuances != 1 || status.Policy.Seq != 1 || status.Approvals != 1 || status.Shadow != nil {
		t.Errorf("got %+v and %+v", walked, status)
	}
	_, err = c.Plan(ctx, []sdk.Document{{Name: "web.yaml", Content: "kind: Nothing\n"}})
	problem, ok := err.(*client.Problem) //nolint:errorlint // it is not wrapped
	if !ok || len(problem.Documents) == 0 || problem.Documents[0].File != "web.yaml" {
		t.Errorf("got %v", err)
	}
	_, err = c.Approve(ctx, 1, "sha256:"+strings.Repeat("0", 64))
	if evidence.CodeOf(err) != evidence.CodePolicyProposalUnknown {
		t.Errorf("got %v", err)
	}
}

// attested is evidence without a challenge.
func attested(t *testing.T) evidence.Bundle {
	t.Helper()
	bundle, err := newMachine(t).kinds.Attest(context.Background(), evidence.Binding{})
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}
