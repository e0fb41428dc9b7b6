package server_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/policies"
)

// placed lists problems as both sides give them.
func placed(err error) (out []string) {
	var problems policies.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			out = append(out, fmt.Sprintf("%s: %s", p.Field, p.Code))
		}
	}
	return out
}

// The service reads policy documents as package policies does, and so as every
// command does: the same load, and the others fail at the same places for the same reasons.
func TestAttack_D21_PolicyIsReadInOneWay(t *testing.T) {
	a := start(t, servertest.Options{})
	alice := a.as("alice", admin.Owner)
	change := func(old, replacement string) string {
		if !strings.Contains(servertest.Policy, old) {
			t.Fatalf("the policy has no %q", old)
		}
		return strings.Replace(servertest.Policy, old, replacement, 1)
	}
	refused := 0
	for name, text := range map[string]string{
		"good": servertest.Policy, "another life": change("30m", "20m"), "CRLF": strings.ReplaceAll(servertest.Policy, "\n", "\r\n"),
		"BOM": "\ufeff" + servertest.Policy, "comment": "# " + servertest.Policy, "in JSON": `{"apiVersion":"quotary.dev/v1","kind":"Workload"}`,
		"key twice": change("name: web\n", "name: web\nname: web\n"), "key in capitals": change("any_of", "Any_of"), "unknown key": change("kind:", "kid: x\nkind:"),
		"anchor": change("name: web", "name: &a web"), "yes": change("allow_simulated: true", "allow_simulated: yes"), "number": change("snp: 24", "snp: 0x18"),
		"fraction": change("snp: 24", "snp: 24.0"), "octal": change("snp: 24", "snp: 030"), "text": change("snp: 24", `snp: "24"`),
		"short value": change(measured, measured[2:]), "capital hex": change(measured, strings.ToUpper(measured[:94])+"AB"), "two documents": servertest.Policy + "---\n" + servertest.Policy,
		"tab": change("any_of:\n  -", "any_of:\n\t-"), "control": change("name: web", "name: we\x07b"), "nothing": "", "a list": "[]", "deep": strings.Repeat("[", 500),
	} {
		local, err := policies.Load(policies.File{Name: "web.yaml", Data: []byte(text)})
		got := alice.post("/v1/admin/policy/plan", map[string]any{"documents": []server.Document{{Name: "web.yaml", Content: text}}})
		if err == nil {
			var plan server.PlanResponse
			if got.into(&plan); plan.Digest != local.Digest() {
				t.Errorf("%s: set %s, want %s", name, plan.Digest, local.Digest())
			}
			continue
		}
		refused++
		var there []string
		for _, p := range got.refused(badRequest, evidence.CodePolicyInvalid).Problems {
			there = append(there, fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Code))
		}
		if here := placed(err); !slices.Equal(here, there) {
			t.Errorf("%s: here %q, there %q", name, here, there)
		}
	}
	if refused < 15 {
		t.Errorf("only %d documents are refused", refused)
	}
}

// measured is the measurement in the policy.
var measured = strings.Repeat("11", 48)

// The service takes evidence for what package evidence takes it for, as the commands
// do: what that refuses never reaches a verifier.
func TestAttack_D21_EvidenceIsReadInOneWay(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	c := a.challenge(evidence.PurposeCertificate)
	bundle := m.evidenceFor(t, c)
	inJSON, err := json.Marshal(bundle)
	if err != nil {
		t.Fatal(err)
	}
	inCBOR, err := bundle.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	doubled := strings.Replace(string(inJSON), "{", `{"x":1,`, 1)
	for name, form := range map[string][]byte{
		"JSON": inJSON, "CBOR": inCBOR, "cut": inJSON[:len(inJSON)-1], "cut CBOR": inCBOR[:len(inCBOR)-1], "trailing": append(slices.Clone(inJSON), "{}"...),
		"trailing CBOR": append(slices.Clone(inCBOR), 0), "unknown member": []byte(doubled), "empty object": []byte("{}"), "null": []byte("null"), "number": []byte("1"),
	} {
		_, local := evidence.Parse(form)
		body := m.body(t, a.challenge(evidence.PurposeCertificate))
		body["evidence"] = base64.RawURLEncoding.EncodeToString(form)
		answer := a.post("/v1/attestations", body)
		want := evidence.CodeNotAccepted // it answers another challenge, and so much was found out
		if local != nil {
			want = evidence.CodeOf(local)
		}
		if got := answer.problem().Code; got != want.String() {
			t.Errorf("%s: %v here, %s there", name, local, got)
		}
	}
}
