package admin_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/client/admin/admintest"
	"github.com/quotary/quotary/evidence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, routes map[string]admintest.Route) *admintest.Service {
	t.Helper()
	s, err := admintest.Start(t.TempDir(), routes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func token(text string) admin.Credential {
	return admin.Bearer(func(context.Context) (string, error) { return text, nil })
}

func dial(t *testing.T, s *admintest.Service, credential admin.Credential) *admin.Client {
	t.Helper()
	c, err := admin.New(admin.Config{URL: s.URL, TrustDomain: admintest.TrustDomain, Roots: s.Roots, Credential: credential})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var (
	ctx  = context.Background()
	at   = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	docs = []admin.Document{{Name: "web.yaml", Content: "kind: Workload\n"}}
)

// calls are all calls with what they must send, and what a service answers.
var calls = map[string]struct {
	request, answer string
	do              func(*admin.Client) (any, error)
	want            any
}{
	"whoami": {
		`GET whoami`, `{"name":"alice","role":"owner","method":"certificate","expires_at":"2026-06-01T12:00:00Z"}`,
		func(c *admin.Client) (any, error) { return c.Whoami(ctx) },
		&admin.Principal{Name: "alice", Role: "owner", Method: "certificate", ExpiresAt: at},
	},
	"status": {
		`GET status`,
		`{"version":"v1","started_at":"2026-06-01T12:00:00Z","trust_domain":"example.org","simulated_accepted":true,"policy_digest":"sha256:aa","workloads":["web"],
		  "ledger":{"events":7,"hash":"ab"},"parts":[{"name":"ledger","ready":true}],"policy":{"mode":"service","seq":3,"digest":"sha256:aa"},
		  "shadow":{"digest":"sha256:bb","since":"2026-06-01T12:00:00Z"},"proposals":1,"approvals":2}`,
		func(c *admin.Client) (any, error) { return c.Status(ctx) },
		&admin.Status{
			Version: "v1", StartedAt: at, TrustDomain: "example.org", SimulatedAccepted: true, PolicyDigest: "sha256:aa", Workloads: []string{"web"},
			Ledger: admin.Head{Events: 7, Hash: evidence.Hex{0xab}}, Parts: []admin.Part{{Name: "ledger", Ready: true}},
			Policy: admin.PolicyState{Mode: "service", Seq: 3, Digest: "sha256:aa"}, Shadow: &admin.ShadowState{Digest: "sha256:bb", Since: at}, Proposals: 1, Approvals: 2,
		},
	},
	"policy": {
		`GET policy`, `{"mode":"service","seq":3,"digest":"sha256:aa","documents":[{"name":"web.yaml","content":"kind: Workload\n"}],"warnings":[{"file":"web.yaml","line":1,"column":2,"code":"x.y","detail":"d"}]}`,
		func(c *admin.Client) (any, error) { return c.Policy(ctx) },
		&admin.Policy{Mode: "service", Seq: 3, Digest: "sha256:aa", Documents: docs, Warnings: []admin.Note{{File: "web.yaml", Line: 1, Column: 2, Code: "x.y", Detail: "d"}}},
	},
	"policy at": {
		`POST policy/at {"seq":2}`, `{"seq":2}`,
		func(c *admin.Client) (any, error) { return c.PolicyAt(ctx, 2) }, &admin.Policy{Seq: 2},
	},
	"plan": {
		`POST policy/plan {"documents":[{"name":"web.yaml","content":"kind: Workload\n"}]}`, `{"digest":"sha256:bb","base":"sha256:aa","plan":{"judged":1},"diff":{}}`,
		func(c *admin.Client) (any, error) { return c.Plan(ctx, docs) },
		&admin.Plan{Digest: "sha256:bb", Base: "sha256:aa", Plan: json.RawMessage(`{"judged":1}`), Diff: json.RawMessage(`{}`)},
	},
	"apply": {
		`POST policy/apply {"documents":[{"name":"web.yaml","content":"kind: Workload\n"}],"base":"sha256:aa","comment":"why","dry_run":false}`,
		`{"digest":"sha256:bb","base":"sha256:aa","applied":false,"proposal":{"id":4,"approvals":1,"needed":2,"expires_at":"2026-06-01T12:00:00Z"}}`,
		func(c *admin.Client) (any, error) {
			return c.Apply(ctx, admin.Application{Documents: docs, Base: "sha256:aa", Comment: "why"})
		},
		&admin.Change{Plan: admin.Plan{Digest: "sha256:bb", Base: "sha256:aa"}, Proposal: &admin.ProposalPending{ID: 4, Approvals: 1, Needed: 2, ExpiresAt: at}},
	},
	"rollback": {
		`POST policy/rollback {"seq":2,"base":"sha256:aa","dry_run":true}`, `{"digest":"sha256:bb","base":"sha256:aa","applied":true,"seq":5}`,
		func(c *admin.Client) (any, error) {
			return c.Rollback(ctx, admin.Rollback{Seq: 2, Base: "sha256:aa", DryRun: true})
		},
		&admin.Change{Plan: admin.Plan{Digest: "sha256:bb", Base: "sha256:aa"}, Applied: true, Seq: 5},
	},
	"approve": {
		`POST policy/approve {"proposal":4,"digest":"sha256:bb"}`, `{"proposal":{"id":4,"state":"applied"},"applied":true,"seq":5}`,
		func(c *admin.Client) (any, error) { return c.Approve(ctx, 4, "sha256:bb") },
		&admin.Approved{Proposal: admin.Proposal{ID: 4, State: "applied"}, Applied: true, Seq: 5},
	},
	"proposal": {
		`POST policy/proposals/show {"proposal":4}`, `{"proposal":{"id":4},"documents":[{"name":"web.yaml","content":"kind: Workload\n"}]}`,
		func(c *admin.Client) (any, error) {
			p, documents, err := c.Proposal(ctx, 4)
			if err == nil && p.ID != 4 {
				err = fmt.Errorf("proposal %d", p.ID)
			}
			return documents, err
		}, docs,
	},
	"withdraw": {
		`POST policy/withdraw {"proposal":4}`, `{"proposal":{"id":4,"state":"withdrawn"}}`,
		func(c *admin.Client) (any, error) { return c.Withdraw(ctx, 4) }, &admin.Proposal{ID: 4, State: "withdrawn"},
	},
	"shadow": {
		`GET policy/shadow`, `{"digest":"sha256:bb","counts":[{"active":"accepted","candidate":"rejected","reason":"r","count":3}]}`,
		func(c *admin.Client) (any, error) { return c.Shadow(ctx) },
		&admin.Shadow{Digest: "sha256:bb", Counts: []admin.ShadowCount{{Active: "accepted", Candidate: "rejected", Reason: "r", Count: 3}}},
	},
	"end of a shadow": {
		`POST policy/shadow {"documents":[]}`, `{"digest":""}`,
		func(c *admin.Client) (any, error) { return c.SetShadow(ctx, nil) }, "",
	},
	"explain": {
		`POST policy/explain {"attestation_id":"at-1"}`, `{"workloads":[],"subject":"s"}`,
		func(c *admin.Client) (any, error) { return c.Explain(ctx, admin.Question{AttestationID: "at-1"}) },
		json.RawMessage(`{"workloads":[],"subject":"s"}`),
	},
	"attestation": {
		`POST attestations/show {"attestation_id":"at-1"}`, `{"attestation_id":"at-1","claims":[{"kind":"tdx"}]}`,
		func(c *admin.Client) (any, error) { return c.Attestation(ctx, "at-1") },
		&admin.Attestation{AttestationID: "at-1", Claims: json.RawMessage(`[{"kind":"tdx"}]`)},
	},
	"events": {
		`POST audit {"since":"2026-06-01T12:00:00Z","action":"attestation","after_seq":0,"limit":10}`, `{"events":[{"seq":2},{"seq":1,"hash":"cd"}],"last_seq":9}`,
		func(c *admin.Client) (any, error) {
			return c.Events(ctx, admin.EventFilter{Since: at, Action: "attestation", AfterSeq: new(int64), Limit: 10})
		},
		&admin.Events{Events: []admin.Event{{Seq: 1, Hash: evidence.Hex{0xcd}}, {Seq: 2}}, LastSeq: 9},
	},
	"key": {
		`POST keys/show {"ak":"ab"}`,
		`{"ak":"ab","ek":"cd","status":"active","base":"ef","simulated":true,"changed_at":"2026-06-01T12:00:00Z","changed_by":"peer:x","action":"attestation","event":7,
		  "attestation_id":"at-1","workload":"web","spiffe_id":"s","not_after":"2026-06-01T12:00:00Z","quote":{"clock":5,"resets":1,"restarts":2,"policy":"p"}}`,
		func(c *admin.Client) (any, error) { return c.Key(ctx, evidence.Hex{0xab}) },
		&admin.Key{
			AK: evidence.Hex{0xab}, EK: evidence.Hex{0xcd}, Status: "active", Base: evidence.Hex{0xef}, Simulated: true, ChangedAt: at, ChangedBy: "peer:x",
			Action: "attestation", Event: 7, AttestationID: "at-1", Workload: "web", SPIFFEID: "s", NotAfter: at, Quote: &admin.Quote{Clock: 5, Resets: 1, Restarts: 2, Policy: "p"},
		},
	},
	"revoke": {
		`POST revocations {"where":"simulated","reason":"r","dry_run":true}`, `{"certificates":[{"serial":"ab"}],"matched":2,"unclear":1,"left_out":["x"]}`,
		func(c *admin.Client) (any, error) {
			return c.Revoke(ctx, admin.Revocation{Where: "simulated", Reason: "r", DryRun: true})
		},
		&admin.Revoked{Certificates: []admin.Attestation{{Serial: "ab"}}, Matched: 2, Unclear: 1, LeftOut: []string{"x"}},
	},
	"revocations": {
		`POST revocations/list {"live":true,"limit":1}`, `{"revocations":[{"sequence":7,"serial":"ab","spki_sha256":"cd","revoked_at":"2026-06-01T12:00:00Z","where":"w"}]}`,
		func(c *admin.Client) (any, error) {
			for r, err := range c.Revocations(ctx, true, 1) {
				return r, err
			}
			return nil, nil
		},
		admin.RevokedCertificate{Sequence: 7, Serial: "ab", SPKISHA256: evidence.Hex{0xcd}, RevokedAt: at, Where: "w"},
	},
	"keys": {
		`POST keys {"status":"revoked","ek":"cd","limit":1}`, `{"keys":[{"ak":"ab","reason":"stolen"}]}`,
		func(c *admin.Client) (any, error) {
			for k, err := range c.Keys(ctx, admin.KeyFilter{Status: "revoked", EK: evidence.Hex{0xcd}}, 1) {
				return k, err
			}
			return nil, nil
		},
		admin.Key{AK: evidence.Hex{0xab}, Reason: "stolen"},
	},
	"revoke a key": {
		`POST keys/revoke {"ak":"ab","base":"ef","reason":"stolen","dry_run":true}`, `{"key":{"ak":"ab"},"applied":false}`,
		func(c *admin.Client) (any, error) {
			return c.RevokeKey(ctx, admin.KeyChange{AK: evidence.Hex{0xab}, Base: evidence.Hex{0xef}, Reason: "stolen", DryRun: true})
		},
		&admin.ChangedKey{Key: admin.Key{AK: evidence.Hex{0xab}}},
	},
	"release a key": {
		`POST keys/release {"ak":"ab","base":"ef","reason":"sold","dry_run":false}`, `{"key":{"ak":"ab","status":"released"},"applied":true}`,
		func(c *admin.Client) (any, error) {
			return c.ReleaseKey(ctx, admin.KeyChange{AK: evidence.Hex{0xab}, Base: evidence.Hex{0xef}, Reason: "sold"})
		},
		&admin.ChangedKey{Key: admin.Key{AK: evidence.Hex{0xab}, Status: "released"}, Applied: true},
	},
	"reload": {
		`POST reload {}`, `{"policy":{"mode":"files","seq":0,"digest":"sha256:aa"},"endorsements":4,"unrecognised":1}`,
		func(c *admin.Client) (any, error) { return c.Reload(ctx) },
		&admin.Reloaded{Policy: admin.PolicyState{Mode: "files", Digest: "sha256:aa"}, Endorsements: 4, Unrecognised: 1},
	},
	"verify": {
		`POST audit/verify {"contains":[{"events":1,"hash":"cd"}]}`, `{"events":2,"issuances":1,"head":{"events":2,"hash":"ef"}}`,
		func(c *admin.Client) (any, error) {
			return c.VerifyAudit(ctx, admin.Head{Events: 1, Hash: evidence.Hex{0xcd}})
		},
		&admin.Verification{Events: 2, Issuances: 1, Head: admin.Head{Events: 2, Hash: evidence.Hex{0xef}}},
	},
}

func TestCalls(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			method, rest, _ := strings.Cut(call.request, " ")
			path, _, _ := strings.Cut(rest, " ")
			s := serve(t, map[string]admintest.Route{method + " " + path: func(admin.Principal, []byte) (any, *admintest.Problem) {
				return json.RawMessage(call.answer), nil
			}})
			got, err := call.do(dial(t, s, token(admintest.Credential)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(call.want, got); diff != "" {
				t.Error(diff)
			}
			if requests := s.Requests(); len(requests) != 1 || requests[0] != call.request {
				t.Errorf("sent %q", requests)
			}
		})
	}
}

// A list is asked for page by page, for as many as are wanted.
func TestLists(t *testing.T) {
	var sent []string
	s := serve(t, map[string]admintest.Route{"POST attestations": func(_ admin.Principal, body []byte) (any, *admintest.Problem) {
		sent = append(sent, string(body))
		n := len(sent)
		return json.RawMessage(fmt.Sprintf(`{"attestations":[{"attestation_id":"a%d"},{"attestation_id":"b%d"}],"cursor":"c%d"}`, n, n, n)), nil
	}})
	simulated := false
	f := admin.Filter{Live: true, Workload: "web", SPIFFEID: "spiffe://example.org/web", Kind: evidence.KindTDX, Until: at, PolicyDigest: "sha256:aa", Simulated: &simulated}
	var got []string
	for a, err := range dial(t, s, token(admintest.ViewerToken)).Attestations(ctx, f, 5) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a.AttestationID)
	}
	if diff := cmp.Diff([]string{"a1", "b1", "a2", "b2", "a3"}, got); diff != "" {
		t.Error(diff)
	}
	filter := `{"live":true,"workload":"web","spiffe_id":"spiffe://example.org/web","kind":"tdx","until":"2026-06-01T12:00:00Z","policy_digest":"sha256:aa","simulated":false,`
	if diff := cmp.Diff([]string{filter + `"limit":5}`, filter + `"cursor":"c1","limit":3}`, filter + `"cursor":"c2","limit":1}`}, sent); diff != "" {
		t.Error(diff)
	}
}

// A service that leads in circles is left.
func TestListsEnd(t *testing.T) {
	for name, answer := range map[string]string{
		"the same again": `{"sets":[{"seq":1}],"cursor":"c"}`,
		"nothing":        `{"sets":[],"cursor":"d"}`,
	} {
		s := serve(t, map[string]admintest.Route{"POST policy/history": func(admin.Principal, []byte) (any, *admintest.Problem) { return json.RawMessage(answer), nil }})
		var last error
		for _, err := range dial(t, s, token(admintest.ViewerToken)).PolicyHistory(ctx, 1000) {
			last = err
		}
		if evidence.CodeOf(last) != evidence.CodeResponseMalformed {
			t.Errorf("%s: %v", name, last)
		}
	}
}

func TestCertificate(t *testing.T) {
	s := serve(t, nil)
	file := t.TempDir() + "/alice.pem"
	if err := s.WriteCertificate(file, "alice", "operator", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pem, pem)
	if err != nil {
		t.Fatal(err)
	}
	who, err := dial(t, s, admin.Certificate(cert)).Whoami(ctx)
	if err != nil || who.Name != "alice" || who.Role != "operator" || who.Method != "certificate" {
		t.Errorf("got %+v, %v", who, err)
	}
}

func TestRefusals(t *testing.T) {
	s := serve(t, map[string]admintest.Route{
		"GET status": func(admin.Principal, []byte) (any, *admintest.Problem) {
			p := admintest.Refuse(400, "policy.invalid", "the documents do not load")
			p.Problems = []admin.Note{{File: "a.yaml", Line: 1, Column: 2, Code: "policy.malformed", Detail: "d"}}
			return nil, p
		},
	})
	_, err := dial(t, s, token("another")).Whoami(ctx)
	if evidence.CodeOf(err) != evidence.CodeUnauthorized {
		t.Errorf("got %v", err)
	}
	_, err = dial(t, s, token(admintest.Credential)).Status(ctx)
	var p *client.Problem
	if !errors.As(err, &p) || len(p.Documents) != 1 || p.Documents[0].String() != "a.yaml:1:2: d (policy.malformed)" {
		t.Errorf("got %v", err)
	}
}

// The credential is shown to the service itself and to nobody else, and errors do
// not tell it.
func TestAttack_Y12_TheCredentialIsShownToTheServiceOnly(t *testing.T) {
	s, other := serve(t, nil), serve(t, nil)
	c, err := admin.New(admin.Config{URL: other.URL, TrustDomain: admintest.TrustDomain, Roots: s.Roots, Credential: token(admintest.Credential)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Whoami(ctx); evidence.CodeOf(err) != evidence.CodeServiceUnreached {
		t.Errorf("got %v", err)
	}
	if asked := other.Requests(); len(asked) > 0 {
		t.Errorf("another service was asked: %q", asked)
	}
	for _, bad := range []string{"", "se\ncret", "se\x00cret", "sécret", strings.Repeat("secret", 10_000)} {
		_, err := dial(t, s, token(bad)).Whoami(ctx)
		if err == nil || strings.Contains(err.Error(), "cret") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	for _, bad := range []admin.Config{
		{URL: "http://127.0.0.1", TrustDomain: "example.org", Roots: s.Roots, Credential: token("t")},
		{URL: s.URL, TrustDomain: "example.org", Credential: token("t")},
		{URL: s.URL, Roots: s.Roots, Credential: token("t")},
		{URL: s.URL, TrustDomain: "example.org", Roots: s.Roots},
		{URL: s.URL, TrustDomain: "example.org", Roots: s.Roots, Credential: admin.Certificate(tls.Certificate{})},
	} {
		if c, err := admin.New(bad); err == nil {
			c.Close()
			t.Errorf("took %+v", bad)
		}
	}
}

// What a ledger's answer shows by itself is not left to the service's word.
func TestVerificationIsNotBelieved(t *testing.T) {
	head := admin.Head{Events: 5, Hash: evidence.Hex{1}}
	for answer, code := range map[string]evidence.Code{
		`{"events":5,"head":{"events":5,"hash":"01"}}`: {},
		`{"events":6,"head":{"events":6,"hash":"02"}}`: {},
		`{"events":5,"head":{"events":5,"hash":"02"}}`: evidence.CodeLedgerTampered,
		`{"events":4,"head":{"events":4,"hash":"01"}}`: evidence.CodeLedgerTampered,
		`{"events":9,"head":{"events":8,"hash":"01"}}`: evidence.CodeResponseMalformed,
	} {
		s := serve(t, map[string]admintest.Route{"POST audit/verify": func(admin.Principal, []byte) (any, *admintest.Problem) { return json.RawMessage(answer), nil }})
		if _, err := dial(t, s, token(admintest.ViewerToken)).VerifyAudit(ctx, head); evidence.CodeOf(err) != code {
			t.Errorf("%s: %v", answer, err)
		}
	}
	after := int64(3)
	s := serve(t, map[string]admintest.Route{"POST audit": func(admin.Principal, []byte) (any, *admintest.Problem) {
		return json.RawMessage(`{"events":[{"seq":3}]}`), nil
	}})
	if _, err := dial(t, s, token(admintest.ViewerToken)).Events(ctx, admin.EventFilter{AfterSeq: &after}); evidence.CodeOf(err) != evidence.CodeResponseMalformed {
		t.Errorf("got %v", err)
	}
}
