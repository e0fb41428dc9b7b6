package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/client/admin/admintest"
	"github.com/quotary/quotary/evidence"
)

// serveAdmin starts the service that scripts look at, until the tests end. It has
// seven attestations and forty events.
var serveAdmin = sync.OnceValues(func() (*admintest.Service, error) {
	dir, err := os.MkdirTemp("", "quotary-admin")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // the authority is in memory by then
	return admintest.Start(dir, adminRoutes())
})

// writeAdminFiles writes what a script's administrator has, and returns the
// service's URL and its root's SHA-256.
func writeAdminFiles(dir string) (url, digest string, err error) {
	s, err := serveAdmin()
	if err != nil {
		return "", "", err
	}
	if err := writeFile(dir, "admin/root.crt", s.RootPEM); err != nil {
		return "", "", err
	}
	for name, role := range map[string]string{"alice": "owner", "vera": "viewer", "mallory": "none"} {
		if err := s.WriteCertificate(filepath.Join(dir, "admin", name+".pem"), name, role, time.Now().Add(time.Hour)); err != nil {
			return "", "", err
		}
	}
	if err := s.WriteCertificate(filepath.Join(dir, "admin", "ended.pem"), "alice", "owner", time.Now().Add(-time.Hour)); err != nil {
		return "", "", err
	}
	for name, token := range map[string]string{"bootstrap": admintest.Credential, "viewer": admintest.ViewerToken, "wrong": "not-a-credential-of-this-service"} {
		if err := os.WriteFile(filepath.Join(dir, "admin", name+".token"), []byte(token+"\n"), 0o600); err != nil {
			return "", "", err
		}
	}
	block, _ := pem.Decode(s.RootPEM)
	sum := sha256.Sum256(block.Bytes)
	return s.URL, hex.EncodeToString(sum[:]), nil
}

var adminNow = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func adminAttestations() []admin.Attestation {
	var list []admin.Attestation
	for i := range 7 {
		a := admin.Attestation{
			AttestationID: fmt.Sprintf("at-%d", 7-i), Purpose: "certificate", Workload: "web", SPIFFEID: "spiffe://example.org/web",
			IssuedAt: adminNow.Add(-time.Duration(i) * time.Hour), NotBefore: adminNow.Add(-time.Duration(i) * time.Hour),
			NotAfter: adminNow.AddDate(10, 0, -i), PolicyDigest: "sha256:aa", Kinds: []evidence.Kind{evidence.KindSEVSNP, evidence.KindTPM},
			Serial: fmt.Sprintf("0a%02x", 7-i),
		}
		switch i {
		case 1:
			a.Purpose, a.Serial, a.TokenID = "token", "", "jti-6"
		case 2:
			a.Workload, a.Simulated, a.Kinds = "db\x1b[31m", true, []evidence.Kind{evidence.KindTDX}
		case 3:
			a.RevokedAt = adminNow.Add(-time.Hour)
		case 6:
			a.NotAfter = adminNow.Add(-time.Hour)
		}
		list = append(list, a)
	}
	return list
}

// issuances answers a list in pages of three rows.
func issuances(certified bool) admintest.Route {
	return func(who admin.Principal, body []byte) (any, *admintest.Problem) {
		var in struct {
			Live         bool      `json:"live"`
			Workload     string    `json:"workload"`
			SPIFFEID     string    `json:"spiffe_id"`
			Kind         string    `json:"kind"`
			Since, Until time.Time `json:",omitzero"`
			PolicyDigest string    `json:"policy_digest"`
			Simulated    *bool     `json:"simulated"`
			Serial       string    `json:"serial"`
			Cursor       string    `json:"cursor"`
			Limit        int       `json:"limit"`
		}
		if p := admitted(who, body, &in); p != nil {
			return nil, p
		}
		rows := slices.DeleteFunc(adminAttestations(), func(a admin.Attestation) bool {
			return certified && a.Serial == "" || in.Serial != "" && a.Serial != in.Serial || in.Live && a.NotAfter.Before(adminNow) ||
				in.Workload != "" && a.Workload != in.Workload || in.Simulated != nil && a.Simulated != *in.Simulated ||
				!in.Since.IsZero() && a.IssuedAt.Before(in.Since) || in.Kind != "" && !slices.Contains(a.Kinds, evidence.Kind(in.Kind))
		})
		from := 0
		if in.Cursor != "" {
			fmt.Sscanf(in.Cursor, "from-%d", &from)
		}
		to := min(len(rows), from+min(3, in.Limit))
		out := map[string]any{"attestations": rows[from:to]}
		if to < len(rows) {
			out["cursor"] = fmt.Sprintf("from-%d", to)
		}
		return out, nil
	}
}

// admitted reads a request of somebody who may do this.
func admitted(who admin.Principal, body []byte, into any) *admintest.Problem {
	if who.Role == "none" {
		return admintest.Refuse(403, "service.forbidden", "this needs the role viewer")
	}
	if into == nil {
		return nil
	}
	return admintest.Decode(body, into)
}

func adminEvents() []admin.Event {
	var list []admin.Event
	for i := range int64(40) {
		hash := sha256.Sum256([]byte{byte(i)})
		e := admin.Event{Seq: i + 1, Time: adminNow.Add(time.Duration(i) * time.Minute), Actor: "peer:192.0.2.7", Action: "attestation", Outcome: "issued", Hash: hash[:]}
		switch i % 4 {
		case 1:
			e.Outcome, e.Code, e.Detail = "refused", "policy.no-match", json.RawMessage(`{"kinds":"tdx"}`)
		case 2:
			e.AttestationID = fmt.Sprintf("at-%d", i)
		case 3:
			e.Action, e.Actor, e.Outcome = "admin.status", "admin:certificate:alice", "done"
		}
		list = append(list, e)
	}
	return list
}

func auditRoute(who admin.Principal, body []byte) (any, *admintest.Problem) {
	var in struct {
		Since         time.Time `json:"since"`
		Action        string    `json:"action"`
		Outcome       string    `json:"outcome"`
		Actor         string    `json:"actor"`
		AttestationID string    `json:"attestation_id"`
		AfterSeq      *int64    `json:"after_seq"`
		Limit         int       `json:"limit"`
	}
	if p := admitted(who, body, &in); p != nil {
		return nil, p
	}
	all := adminEvents()
	events := slices.DeleteFunc(adminEvents(), func(e admin.Event) bool {
		return e.Time.Before(in.Since) || in.Action != "" && e.Action != in.Action || in.Outcome != "" && e.Outcome != in.Outcome ||
			in.Actor != "" && e.Actor != in.Actor || in.AttestationID != "" && e.AttestationID != in.AttestationID ||
			in.AfterSeq != nil && e.Seq <= *in.AfterSeq
	})
	n := min(in.Limit, len(events), 15) // the service's own limit
	if in.AfterSeq == nil {
		n = min(in.Limit, len(events))
		events = events[len(events)-n:]
	} else {
		events = events[:n]
	}
	return admin.Events{Events: events, LastSeq: all[len(all)-1].Seq}, nil
}

func adminRoutes() map[string]admintest.Route {
	routes := keyRoutes()
	maps.Copy(routes, revocationRoutes())
	maps.Copy(routes, map[string]admintest.Route{
		"GET status": func(who admin.Principal, body []byte) (any, *admintest.Problem) {
			if p := admitted(who, nil, nil); p != nil {
				return nil, p
			}
			ready := who.Name != "vera" // who sees a bad day
			return admin.Status{
				Version: "v1.2.3", StartedAt: adminNow, TrustDomain: "example.org", SimulatedAccepted: true, PolicyDigest: "sha256:aa", Workloads: []string{"db", "web"},
				Ledger: admin.Head{Events: 40, Hash: adminEvents()[39].Hash}, Parts: []admin.Part{{Name: "ledger", Ready: true}, {Name: "policy", Ready: ready, Detail: "of today"}},
				Policy: admin.PolicyState{Mode: "service", Seq: 3, Digest: "sha256:aa"}, Shadow: &admin.ShadowState{Digest: "sha256:bb", Since: adminNow}, Proposals: 1, Approvals: 2,
				Continuous: admin.ContinuousState{Mode: "revoke", LastAt: adminNow, Reviewed: 240, Revoked: 3},
			}, nil
		},
		"POST attestations": issuances(false),
		"POST certificates": issuances(true),
		"POST attestations/show": func(who admin.Principal, body []byte) (any, *admintest.Problem) {
			var in struct {
				AttestationID string `json:"attestation_id"`
			}
			if p := admitted(who, body, &in); p != nil {
				return nil, p
			}
			for _, a := range adminAttestations() {
				if a.AttestationID == in.AttestationID {
					a.Claims = json.RawMessage(`[{"kind":"tdx","simulated":true},{"kind":"tpm","simulated":false}]`)
					return a, nil
				}
			}
			return nil, admintest.Refuse(404, "ledger.attestation-unknown", "nothing was issued on this attestation")
		},
		"POST audit": auditRoute,
		"POST audit/verify": func(who admin.Principal, body []byte) (any, *admintest.Problem) {
			var in struct {
				Contains []admin.Head `json:"contains"`
			}
			if p := admitted(who, body, &in); p != nil {
				return nil, p
			}
			events := adminEvents()
			for _, head := range in.Contains {
				if head.Events == 13 { // a service that lies
					continue
				}
				if head.Events > 40 || !slices.Equal(events[head.Events-1].Hash, head.Hash) {
					return nil, admintest.Refuse(409, "ledger.tampered", fmt.Sprintf("event %d is not the one of an earlier head", head.Events))
				}
			}
			return admin.Verification{Events: 40, Issuances: 20, Head: admin.Head{Events: 40, Hash: events[39].Hash}}, nil
		},
	})
	return routes
}

// loggedIn sets up a user with a profile, and returns the directory with the files of
// writeAdminFiles.
func loggedIn(t *testing.T, flags ...string) (dir, url string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	for _, name := range []string{"QUOTARY_PROFILE", "QUOTARY_URL", "QUOTARY_ROOT"} {
		t.Setenv(name, "")
	}
	url, _, err := writeAdminFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(flags) == 0 {
		flags = []string{"--cert", filepath.Join(dir, "admin/alice.pem")}
	}
	if code, out, notes := quotary(append([]string{"login", "--url", url, "--root", filepath.Join(dir, "admin/root.crt")}, flags...)...); code != exitAccepted {
		t.Fatalf("exit %d: %s%s", code, out, notes)
	}
	return dir, url
}

func headsOfTest(n int) string {
	return fmt.Sprintf("%d:%s", n, strings.ToLower(adminEvents()[n-1].Hash.String()))
}
