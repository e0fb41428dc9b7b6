package main

import (
	"encoding"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/client/admin/admintest"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

const hostileText = "a\x1b]0;owned\x07\u009b31m\u202e\nFORGED"

// hostile fills every text of a value with controls, and every list with two of
// its elements.
func hostile[T any]() T {
	var v T
	fillHostile(reflect.ValueOf(&v).Elem(), 0)
	return v
}

func fillHostile(v reflect.Value, depth int) {
	if depth > 12 || !v.CanSet() {
		return
	}
	switch v.Addr().Interface().(type) {
	case *time.Time:
		v.Set(reflect.ValueOf(adminNow))
		return
	case *evidence.Code:
		v.Set(reflect.ValueOf(evidence.CodeInternal))
		return
	case *json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage(must(json.Marshal(map[string]string{hostileText: hostileText})))))
		return
	}
	if _, own := v.Addr().Interface().(encoding.TextUnmarshaler); own && v.Kind() != reflect.Slice {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostileText)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillHostile(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fillHostile(v.Index(i), depth+1)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fillHostile(key, depth+1)
		fillHostile(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			fillHostile(v.Field(i), depth+1)
		}
	}
}

// A service that answers with controls in every text reaches neither the terminal of
// an administrator nor the start of a line of what is told.
func TestAttack_Y19_HostileService(t *testing.T) {
	of := func(answer any) admintest.Route {
		return func(admin.Principal, []byte) (any, *admintest.Problem) { return answer, nil }
	}
	plan := hostile[admin.Plan]()
	plan.Plan, plan.Diff = must(json.Marshal(hostile[policies.PlanReport]())), must(json.Marshal(hostile[policies.Changes]()))
	change := hostile[admin.Change]()
	change.Plan = plan
	policy := hostile[admin.Policy]()
	policy.Documents = []admin.Document{{Name: hostileText, Content: aWorkload}}
	shown := hostile[admin.Attestation]()
	shown.Claims = must(json.Marshal([]any{map[string]any{"kind": hostileText}}))
	why := hostile[explanation]()
	why.Verdict = policies.Verdict(hostileText)
	policyService(t, map[string]admintest.Route{
		"GET status":                 of(hostile[admin.Status]()),
		"GET policy":                 of(policy),
		"POST policy/at":             of(policy),
		"POST policy/history":        of(map[string]any{"sets": []admin.AppliedSet{hostile[admin.AppliedSet]()}}),
		"POST policy/plan":           of(plan),
		"POST policy/apply":          of(change),
		"POST policy/rollback":       of(change),
		"POST policy/proposals":      of(map[string]any{"proposals": []admin.Proposal{hostile[admin.Proposal]()}}),
		"POST policy/proposals/show": of(map[string]any{"proposal": hostile[admin.Proposal](), "documents": policy.Documents}),
		"POST policy/approve":        of(hostile[admin.Approved]()),
		"POST policy/withdraw":       of(map[string]any{"proposal": hostile[admin.Proposal]()}),
		"GET policy/shadow":          of(hostile[admin.Shadow]()),
		"POST policy/shadow":         of(map[string]string{"digest": hostileText}),
		"POST policy/explain":        of(why),
		"POST attestations":          of(map[string]any{"attestations": []admin.Attestation{hostile[admin.Attestation]()}}),
		"POST certificates":          of(map[string]any{"attestations": []admin.Attestation{hostile[admin.Attestation]()}}),
		"POST attestations/show":     of(shown),
		"POST keys":                  of(map[string]any{"keys": []admin.Key{hostile[admin.Key]()}}),
		"POST keys/show":             of(hostile[admin.Key]()),
		"POST keys/revoke":           of(hostile[admin.ChangedKey]()),
		"POST keys/release":          of(hostile[admin.ChangedKey]()),
		"POST revocations":           of(hostile[admin.Revoked]()),
		"POST revocations/list":      of(map[string]any{"revocations": []admin.RevokedCertificate{hostile[admin.RevokedCertificate]()}}),
		"POST reload":                of(hostile[admin.Reloaded]()),
		"POST audit":                 of(map[string]any{"events": []admin.Event{hostile[admin.Event]()}, "last_seq": 1}),
		"POST audit/verify":          of(hostile[admin.Verification]()),
	})
	lines := append([][]string{{"status", "--service"}, {"policy", "explain", "at-1", "--all"}}, policyLines...)
	for _, line := range append(lines, adminLines...) {
		for _, format := range []string{"text", "json", "yaml"} {
			_, out, notes := quotary(append(append([]string{}, line...), "-o", format)...)
			for _, text := range strings.Split(out+notes, "\n") {
				if strings.ContainsAny(text, "\x1b\x07\u009b\u202e") || strings.HasPrefix(strings.TrimSpace(text), "FORGED") {
					t.Errorf("%q -o %s: %q", line, format, text)
				}
			}
		}
	}
}

// A service cannot have files written that something else reads: shells, editors
// and tools have theirs in files that begin with a dot, or of names of their own.
func TestAttack_Y19_NamesOfDocuments(t *testing.T) {
	for _, name := range []string{
		"../web.yaml", "/tmp/web.yaml", "a/b.yaml", "", ".", "..", ".bash_profile", ".yaml", ".envrc", "-", "-o.yaml", "Makefile", "web.sh", "web.yaml.sh", "a\x1b.yaml", "a\n.yaml", "web.yaml\x00", `a\b.yaml`,
	} {
		policyService(t, map[string]admintest.Route{"GET policy": func(admin.Principal, []byte) (any, *admintest.Problem) {
			return admin.Policy{Mode: "service", Seq: 2, Digest: "sha256:aa", Documents: []admin.Document{{Name: "web.yml", Content: aWorkload}, {Name: name, Content: aWorkload}}}, nil
		}})
		if err := os.Mkdir("out", 0o700); err != nil {
			t.Fatal(err)
		}
		t.Chdir("out")
		code, out, notes := quotary("policy", "show", "--out", ".")
		written, err := filepath.Glob("*")
		hidden, _ := filepath.Glob(".*")
		if code == exitAccepted || len(written)+len(hidden) > 0 || strings.Contains(out, "Workload") || err != nil {
			t.Errorf("%q: exit %d: wrote %q %q: %s%s", name, code, written, hidden, out, notes)
		}
	}
}
