package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/client/admin/admintest"
	"github.com/quotary/quotary/policies"
)

// aWorkload is a set of one document, by which nothing is accepted that is real.
const aWorkload = `apiVersion: quotary.dev/v1
kind: Workload
name: web
identity: {spiffe_id: spiffe://example.org/web}
any_of:
  - tdx: {mrtd: {reference: web-tdx}, rtmr0: any, rtmr1: any, rtmr2: any, rtmr3: any}
---
# kept by the release pipeline
apiVersion: quotary.dev/v1
kind: ReferenceValues
name: web-tdx
technology: tdx
provenance: {source: web 1, created_by: pipeline, created_at: 2026-01-01T00:00:00Z}
not_after: 2099-01-01T00:00:00Z # far away
values:
  mrtd: [3f83d9abfb41bd6b5be0cd19137e2179cbbb9d5dc1059ed8629a292a367cd507bb67ae8584caa73b3c6ef372fe94f82b]
`

// policyService stands in for a service with aWorkload in force. Routes replace its own.
func policyService(t *testing.T, routes map[string]admintest.Route) (s *admintest.Service, dir string) {
	t.Helper()
	set, err := policies.Load(policies.File{Name: "web.yaml", Data: []byte(aWorkload)})
	if err != nil {
		t.Fatal(err)
	}
	documents := []admin.Document{{Name: "web.yaml", Content: aWorkload}}
	of := func(answer any) admintest.Route {
		return func(admin.Principal, []byte) (any, *admintest.Problem) { return answer, nil }
	}
	plan := admin.Plan{Digest: "sha256:bb", Base: set.Digest(), Plan: json.RawMessage(`{"records":0}`), Diff: json.RawMessage(`{"documents":[]}`)}
	all := map[string]admintest.Route{
		"GET policy":                 of(admin.Policy{Mode: "service", Seq: 2, Digest: set.Digest(), Author: "certificate:alice", Documents: documents}),
		"POST policy/at":             of(admin.Policy{Mode: "service", Seq: 1, Digest: set.Digest(), Documents: documents}),
		"POST policy/history":        of(map[string]any{"sets": []admin.AppliedSet{{Seq: 2, Digest: set.Digest()}}}),
		"POST policy/plan":           of(plan),
		"POST policy/apply":          of(admin.Change{Plan: plan}),
		"POST policy/rollback":       of(admin.Change{Plan: plan}),
		"POST policy/proposals":      of(map[string]any{"proposals": []admin.Proposal{}}),
		"POST policy/proposals/show": of(map[string]any{"proposal": admin.Proposal{ID: 1, Digest: set.Digest(), State: "open", Needed: 2}, "documents": documents}),
		"POST policy/approve":        of(admin.Approved{Proposal: admin.Proposal{ID: 1, Needed: 2}, Applied: true, Seq: 3}),
		"POST policy/withdraw":       of(map[string]any{"proposal": admin.Proposal{ID: 1, State: "withdrawn"}}),
		"GET policy/shadow":          of(admin.Shadow{}),
		"POST policy/shadow":         of(map[string]string{"digest": "sha256:bb"}),
		"POST policy/explain":        of(map[string]any{"verdict": "accepted", "workload": "web", "policy_digest": "sha256:bb", "subject": map[string]any{"kinds": []string{"tdx"}}, "workloads": []any{}, "remedies": []any{}}),
		"POST attestations/show":     of(admin.Attestation{AttestationID: "at-1", Claims: json.RawMessage(`[]`)}),
	}
	for path, route := range routes {
		all[path] = route
	}
	dir = t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	if s, err = admintest.Start(dir, all); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for name, text := range map[string]string{"web.yaml": aWorkload, "root.crt": string(s.RootPEM)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	alice := filepath.Join(dir, "alice.pem")
	if err := s.WriteCertificate(alice, "alice", "owner", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if code, out, notes := quotary("login", "--url", s.URL, "--root", filepath.Join(dir, "root.crt"), "--cert", alice); code != exitAccepted {
		t.Fatalf("exit %d: %s%s", code, out, notes)
	}
	t.Chdir(dir)
	return s, dir
}

// policyLines are the commands that ask a service.
var policyLines = [][]string{
	{"policy", "show"}, {"policy", "show", "1"}, {"policy", "history"}, {"policy", "plan", "web.yaml"}, {"policy", "apply", "web.yaml"},
	{"policy", "apply", "web.yaml", "--yes"}, {"policy", "rollback", "1"}, {"policy", "rollback", "1", "--yes"}, {"policy", "proposals"},
	{"policy", "approve", "1"}, {"policy", "approve", "1", "--yes"}, {"policy", "withdraw", "1"}, {"policy", "shadow", "show"},
	{"policy", "shadow", "set", "web.yaml"}, {"policy", "shadow", "end"}, {"policy", "explain", "at-1"}, {"policy", "diff", "active", "web.yaml"},
	{"policy", "diff", "1", "active"}, {"reference", "list"}, {"reference", "export", "web-tdx"}, {"reference", "expire", "web-tdx", "--at", "2098-01-01T00:00:00Z"},
}

// Whatever the service says no to, no command ends as if it had said yes.
func TestAttack_Y19_PolicyCommandsRefused(t *testing.T) {
	refuse := func(status int, code string) admintest.Route {
		return func(admin.Principal, []byte) (any, *admintest.Problem) {
			return nil, admintest.Refuse(status, code, "no")
		}
	}
	for name, tc := range map[string]struct {
		status int
		code   string
		exit   exit
	}{
		"conflict":    {409, "policy.conflict", exitRejected},
		"files":       {409, "policy.managed-by-files", exitRejected},
		"no role":     {403, "service.forbidden", exitRejected},
		"documents":   {400, "policy.invalid", exitRejected},
		"not ready":   {503, "service.not-ready", exitFailed},
		"not genuine": {422, "policy.workload", exitRejected},
		"fault":       {500, "internal", exitFailed},
	} {
		routes := map[string]admintest.Route{}
		for _, path := range []string{
			"GET policy", "POST policy/at", "POST policy/history", "POST policy/plan", "POST policy/apply", "POST policy/rollback", "POST policy/proposals",
			"POST policy/proposals/show", "POST policy/approve", "POST policy/withdraw", "GET policy/shadow", "POST policy/shadow", "POST policy/explain",
		} {
			routes[path] = refuse(tc.status, tc.code)
		}
		t.Run(name, func(t *testing.T) {
			policyService(t, routes)
			for _, line := range policyLines {
				for _, format := range []string{"text", "json", "yaml"} {
					if code, out, notes := quotary(append(line, "-o", format)...); code != tc.exit || out != "" || !strings.Contains(notes, tc.code) {
						t.Errorf("%q -o %s: exit %d: %s%s", line, format, code, out, notes)
					}
				}
			}
		})
	}
}

// Everything that the service answers as it should is done, in every format.
func TestPolicyCommands(t *testing.T) {
	policyService(t, nil)
	for _, line := range policyLines {
		for _, format := range []string{"text", "json", "yaml"} {
			code, out, notes := quotary(append(line, "-o", format)...)
			if code != exitAccepted || out == "" || notes != "" {
				t.Errorf("%q -o %s: exit %d: %s%s", line, format, code, out, notes)
			}
			if format == "json" && !json.Valid([]byte(out)) {
				t.Errorf("%q: no JSON: %s", line, out)
			}
		}
	}
}

// An explanation's exit code is its verdict's, whatever else is in the answer.
func TestAttack_Y19_ExplanationsVerdict(t *testing.T) {
	for verdict, want := range map[string]exit{"accepted": exitAccepted, "rejected": exitRejected, "undecided": exitUndecided, "": exitRejected, "ACCEPTED": exitRejected, "genuine": exitGenuine} {
		policyService(t, map[string]admintest.Route{"POST policy/explain": func(admin.Principal, []byte) (any, *admintest.Problem) {
			return map[string]any{"verdict": verdict, "workloads": []any{map[string]any{"new": 1, "alternatives": "of a newer service"}}}, nil
		}})
		if code, out, notes := quotary("policy", "explain", "at-1"); code != want || out == "" {
			t.Errorf("%s: exit %d: %s%s", verdict, code, out, notes)
		}
	}
}

// A dry run asks for nothing else, and --yes starts from what the dry run saw.
func TestApplyStartsFromWhatWasSeen(t *testing.T) {
	s, _ := policyService(t, nil)
	for _, tc := range []struct {
		args string
		want []string // of each apply, its base and whether it is dry
	}{
		{"policy apply web.yaml", []string{"active true"}},
		{"policy apply web.yaml --yes", []string{"active true", "active false"}},
		{"policy apply web.yaml --base sha256:aa --yes", []string{"sha256:aa true", "sha256:aa false"}},
		{"reference expire web-tdx --at 2098-01-01T00:00:00Z --yes", []string{"active true", "active false"}},
	} {
		before := len(s.Requests())
		quotary(strings.Fields(tc.args)...)
		var got []string
		for _, request := range s.Requests()[before:] {
			body, ok := strings.CutPrefix(request, "POST policy/apply ")
			if !ok {
				continue
			}
			var in admin.Application
			if err := json.Unmarshal([]byte(body), &in); err != nil {
				t.Fatal(err)
			}
			base := in.Base
			if len(base) > 20 {
				base = "active"
			}
			dry := " false"
			if in.DryRun {
				dry = " true"
			}
			got = append(got, base+dry)
		}
		if strings.Join(got, ", ") != strings.Join(tc.want, ", ") {
			t.Errorf("%s: %q", tc.args, got)
		}
	}
}

// An owner agrees to the set that they were shown: a service that shows other
// documents than those of the digest that it names is not agreed with.
func TestApproveWhatIsShown(t *testing.T) {
	other := strings.ReplaceAll(aWorkload, "3f83", "4f83")
	s, _ := policyService(t, map[string]admintest.Route{"POST policy/proposals/show": func(admin.Principal, []byte) (any, *admintest.Problem) {
		set, _ := policies.Load(policies.File{Name: "web.yaml", Data: []byte(aWorkload)})
		return map[string]any{"proposal": admin.Proposal{ID: 1, Digest: set.Digest(), State: "open"}, "documents": []admin.Document{{Name: "web.yaml", Content: other}}}, nil
	}})
	if code, out, notes := quotary("policy", "approve", "1", "--yes"); code != exitFailed || out != "" || !strings.Contains(notes, "another set") {
		t.Errorf("exit %d: %s%s", code, out, notes)
	}
	for _, request := range s.Requests() {
		if strings.HasPrefix(request, "POST policy/approve") {
			t.Error("agreed")
		}
	}
}

// A change of reference values is one of the values alone: the rest goes back as it came.
func TestReferencesAreChangedAlone(t *testing.T) {
	s, dir := policyService(t, nil)
	if err := os.WriteFile(filepath.Join(dir, "next.yaml"), []byte(strings.NewReplacer("web-tdx", "next-tdx", "3f83", "5f83").Replace(aWorkload[strings.Index(aWorkload, "# kept"):])), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"reference expire web-tdx --at 2098-01-01T00:00:00Z": strings.Replace(aWorkload, "2099-01-01T00:00:00Z # far", "2098-01-01T00:00:00Z # far", 1),
		"reference add next.yaml":                            aWorkload,
	} {
		if code, out, notes := quotary(strings.Fields(args)...); code != exitAccepted || !strings.HasPrefix(out, "DRY RUN") {
			t.Fatalf("%s: exit %d: %s%s", args, code, out, notes)
		}
		requests := s.Requests()
		var in admin.Application
		if err := json.Unmarshal([]byte(strings.TrimPrefix(requests[len(requests)-1], "POST policy/apply ")), &in); err != nil {
			t.Fatal(err)
		}
		if in.Documents[0].Content != want {
			t.Errorf("%s: %s", args, in.Documents[0].Content)
		}
	}
	for _, args := range []string{"reference add web.yaml", "reference expire absent --at 2098-01-01T00:00:00Z", "reference export absent", "reference expire web-tdx"} {
		if code, out, notes := quotary(strings.Fields(args)...); code != exitFailed || out != "" || !strings.Contains(notes, "hint") {
			t.Errorf("%s: exit %d: %s%s", args, code, out, notes)
		}
	}
}
