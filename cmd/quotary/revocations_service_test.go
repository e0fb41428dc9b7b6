package main

import (
	"bytes"
	"strings"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/client/admin/admintest"
)

// revocationRoutes answers calls about revocations without remembering anything.
func revocationRoutes() map[string]admintest.Route {
	return map[string]admintest.Route{
		"POST revocations": func(who admin.Principal, body []byte) (any, *admintest.Problem) {
			var in admin.Revocation
			switch p := admitted(who, body, &in); {
			case p != nil:
				return nil, p
			case who.Role == "viewer" || !in.DryRun && who.Role != "owner":
				return nil, admintest.Refuse(403, "service.forbidden", "this needs another role")
			case strings.HasPrefix(in.Where, "worklaod"):
				return nil, admintest.Refuse(400, "revocation.where", "line 1, column 1: rule: undeclared reference to 'worklaod'")
			}
			out := admin.Revoked{Matched: 2, Unclear: 3, LeftOut: []string{"00\x1b[31m"}, Certificates: []admin.Attestation{{
				AttestationID: "at-7", Serial: "0a07", SPIFFEID: "spiffe://example.org/web", Workload: "web", IssuedAt: adminNow, NotAfter: adminNow.AddDate(10, 0, 0),
			}}}
			if !in.DryRun {
				out.Applied, out.Revoked, out.Sequence = true, 2, 9
			}
			return out, nil
		},
		"POST revocations/list": func(who admin.Principal, body []byte) (any, *admintest.Problem) {
			var in struct {
				Live   bool   `json:"live"`
				Cursor string `json:"cursor"`
				Limit  int    `json:"limit"`
			}
			if p := admitted(who, body, &in); p != nil {
				return nil, p
			}
			rows := []admin.RevokedCertificate{}
			if !in.Live {
				rows = append(rows, admin.RevokedCertificate{
					Sequence: 9, Serial: "0a07", SPKISHA256: bytes.Repeat([]byte{7}, 32), AttestationID: "at-7", Workload: "web", SPIFFEID: "spiffe://example.org/web",
					NotAfter: adminNow, RevokedAt: adminNow, RevokedBy: "admin:certificate:alice", Event: 41, Reason: "key\x1b[31m leaked",
				})
			}
			return map[string]any{"revocations": rows}, nil
		},
	}
}
