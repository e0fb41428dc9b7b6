package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// reloader records who asked for a reload, or fails.
type reloader struct {
	fails error
	by    store.Event
}

func (r *reloader) ReloadBy(_ context.Context, by store.Event) (server.Reloaded, error) {
	r.by = by
	return server.Reloaded{Policy: server.PolicyState{Mode: "files", Digest: "sha256:" + strings.Repeat("aa", 32)}, Endorsements: 3, Unrecognised: 1}, r.fails
}

func TestReloadByAdministrators(t *testing.T) {
	files := &reloader{}
	a := start(t, servertest.Options{Config: func(c *server.Config) { c.Reloader = files }})
	c := readContract(t, a)
	oscar := a.as("oscar", admin.Operator)
	var got server.Reloaded
	oscar.call(c, "POST reload", map[string]any{}).into(&got)
	if got.Endorsements != 3 || got.Unrecognised != 1 || files.by.Actor != "admin:certificate:oscar" || files.by.Action != "admin.reload" {
		t.Errorf("got %+v by %+v", got, files.by)
	}
	// What is wrong with documents an operator may see; names of the service's files not.
	_, files.fails = policies.Load(policies.File{Name: "web.yaml", Data: []byte("kind: Nothing\n")})
	if p := oscar.call(c, "POST reload", map[string]any{}).refused(http.StatusBadRequest, evidence.CodePolicyInvalid); len(p.Problems) == 0 {
		t.Errorf("got %+v", p)
	}
	for fails, told := range map[error]string{
		errors.New("open /var/lib/quotary/secret.pem: permission denied"):                             "a file; ",
		evidence.Errorf(evidence.CodeConfigMalformed, "", "/var/lib/quotary/secret.pem is no config"): "config.malformed; ",
	} {
		files.fails = fails
		if p := oscar.call(c, "POST reload", map[string]any{}).refused(http.StatusConflict, evidence.CodeReloadFailed); !strings.HasPrefix(p.Detail, told) || strings.Contains(p.Detail, "secret") {
			t.Errorf("got %q", p.Detail)
		}
	}
	without := start(t, servertest.Options{})
	without.as("oscar", admin.Operator).post("/v1/admin/reload", `{}`).refused(http.StatusNotFound, evidence.CodeNotFound)
}
