package admin_test

import (
	"context"
	"crypto/x509"
	"errors"
	"iter"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/internal/server/servertest"
)

// service starts a real service and speaks to it as its first administrator.
func service(t *testing.T) *admin.Client {
	t.Helper()
	d, err := daemon.Open(t.Context(), daemon.Options{
		Data: filepath.Join(t.TempDir(), "data"), Version: "test", Logger: slog.New(slog.DiscardHandler),
		Config: daemon.Config{TrustDomain: servertest.TrustDomain, Vendors: daemon.Vendors{Offline: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serving, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(serving, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, d.Close()); err != nil {
			t.Error(err)
		}
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(d.RootPEM())
	c, err := admin.New(admin.Config{
		URL: "https://" + listener.Addr().String(), TrustDomain: d.Config.TrustDomain, Roots: roots, Credential: token(d.AdminCredential),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func count[T any](t *testing.T, rows iter.Seq2[T, error]) (n int) {
	t.Helper()
	for _, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestPolicyOfAService takes a policy through its life at a real service.
func TestPolicyOfAService(t *testing.T) {
	c := service(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	before, err := c.Policy(ctx)
	check(err)
	if before.Mode != "service" || before.Seq != 0 || before.Digest == "" {
		t.Errorf("got %+v", before)
	}
	candidate := []admin.Document{{Name: "web.yaml", Content: servertest.Policy}}
	plan, err := c.Plan(ctx, candidate)
	check(err)
	if plan.Base != before.Digest || len(plan.Plan) == 0 || len(plan.Diff) == 0 {
		t.Errorf("got %+v", plan)
	}
	dry, err := c.Apply(ctx, admin.Application{Documents: candidate, Base: plan.Base, DryRun: true})
	check(err)
	if dry.Applied || dry.Digest != plan.Digest {
		t.Errorf("got %+v", dry)
	}
	digest, err := c.SetShadow(ctx, candidate)
	check(err)
	shadow, err := c.Shadow(ctx)
	check(err)
	if shadow.Digest != digest || digest != plan.Digest || len(shadow.Documents) != 1 {
		t.Errorf("got %+v", shadow)
	}
	if digest, err = c.SetShadow(ctx, nil); err != nil || digest != "" {
		t.Errorf("got %q, %v", digest, err)
	}
	applied, err := c.Apply(ctx, admin.Application{Documents: candidate, Base: plan.Base, Comment: "the first"})
	check(err)
	if !applied.Applied || applied.Seq != 1 {
		t.Errorf("got %+v", applied)
	}
	if _, err := c.Apply(ctx, admin.Application{Documents: candidate, Base: plan.Base}); evidence.CodeOf(err) != evidence.CodePolicyConflict {
		t.Errorf("got %v", err)
	}
	at, err := c.PolicyAt(ctx, 1)
	check(err)
	if at.Digest != plan.Digest || at.Comment != "the first" || at.Documents[0] != candidate[0] {
		t.Errorf("got %+v", at)
	}
	if _, err := c.Rollback(ctx, admin.Rollback{Seq: 7, Base: at.Digest, DryRun: true}); evidence.CodeOf(err) != evidence.CodePolicySetUnknown {
		t.Errorf("got %v", err)
	}
	if n := count(t, c.PolicyHistory(ctx, 10)); n != 1 {
		t.Errorf("%d sets", n)
	}
	if n := count(t, c.Proposals(ctx, 10)); n != 0 {
		t.Errorf("%d proposals", n)
	}
	for name, err := range map[string]error{
		"approve":  second(c.Approve(ctx, 3, plan.Digest)),
		"withdraw": second(c.Withdraw(ctx, 3)),
	} {
		if evidence.CodeOf(err) != evidence.CodePolicyProposalUnknown {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := c.Proposal(ctx, 3); evidence.CodeOf(err) != evidence.CodePolicyProposalUnknown {
		t.Errorf("got %v", err)
	}
	if _, err := c.Explain(ctx, admin.Question{AttestationID: "absent", Candidate: candidate}); evidence.CodeOf(err) != evidence.CodeAttestationUnknown {
		t.Errorf("got %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
