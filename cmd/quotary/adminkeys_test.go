package main

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/client/admin/admintest"
	"github.com/quotary/quotary/evidence"
)

// keyOfTest names an attestation key of the tests' service.
var keyOfTest = strings.Repeat("0a", 32)

func keyDigest(n byte) evidence.Hex { return bytes.Repeat([]byte{n}, 32) }

func adminKeys() []admin.Key {
	active := admin.Key{
		AK: keyDigest(0x0a), EK: keyDigest(0xe1), Status: "active", Base: keyDigest(0xb1), ChangedAt: adminNow, ChangedBy: "peer:192.0.2.7",
		Action: "attestation", Event: 40, AttestationID: "at-7", Workload: "web", SPIFFEID: "spiffe://example.org/web", NotAfter: adminNow.AddDate(10, 0, 0),
		Quote: &admin.Quote{Clock: uint64(36 * time.Hour / time.Millisecond), Resets: 3, Policy: "sha256:aa web/tpm"},
	}
	revoked := admin.Key{
		AK: keyDigest(0x0b), EK: keyDigest(0xe2), Status: "revoked", Base: keyDigest(0xb2), ChangedAt: adminNow, ChangedBy: "admin:certificate:alice",
		Action: "admin.keys.revoke", Event: 39, Reason: "machine 17\x1b[31m is stolen", Simulated: true,
	}
	return []admin.Key{active, revoked}
}

// keyRoutes answers calls about keys without remembering anything.
func keyRoutes() map[string]admintest.Route {
	return map[string]admintest.Route{
		"POST keys": func(who admin.Principal, body []byte) (any, *admintest.Problem) {
			var in struct {
				Status string       `json:"status"`
				EK     evidence.Hex `json:"ek"`
				Cursor string       `json:"cursor"`
				Limit  int          `json:"limit"`
			}
			if p := admitted(who, body, &in); p != nil {
				return nil, p
			}
			rows := slices.DeleteFunc(adminKeys(), func(k admin.Key) bool {
				return in.Status != "" && k.Status != in.Status || in.EK != nil && !slices.Equal(in.EK, k.EK)
			})
			return map[string]any{"keys": rows[:min(len(rows), in.Limit)]}, nil
		},
		"POST keys/show": func(who admin.Principal, body []byte) (any, *admintest.Problem) {
			var in struct {
				AK evidence.Hex `json:"ak"`
			}
			if p := admitted(who, body, &in); p != nil {
				return nil, p
			}
			return keyNamed(in.AK)
		},
		"POST keys/revoke":  keyChangeRoute("revoked"),
		"POST keys/release": keyChangeRoute("released"),
		"POST reload": func(who admin.Principal, body []byte) (any, *admintest.Problem) {
			switch p := admitted(who, body, &struct{}{}); {
			case p != nil:
				return nil, p
			case who.Role == "viewer":
				return nil, admintest.Refuse(403, "service.forbidden", "this (reload) needs the role operator")
			}
			return admin.Reloaded{Policy: admin.PolicyState{Mode: "service", Seq: 3, Digest: "sha256:aa"}, Endorsements: 12, Unrecognised: 1}, nil
		},
	}
}

func keyNamed(ak evidence.Hex) (any, *admintest.Problem) {
	for _, k := range adminKeys() {
		if slices.Equal(k.AK, ak) {
			return k, nil
		}
	}
	return nil, admintest.Refuse(404, "ledger.key-unknown", "the ledger knows no attestation key of this SHA-256")
}

func keyChangeRoute(status string) admintest.Route {
	return func(who admin.Principal, body []byte) (any, *admintest.Problem) {
		var in admin.KeyChange
		if p := admitted(who, body, &in); p != nil {
			return nil, p
		}
		if !in.DryRun && who.Role != "owner" {
			return nil, admintest.Refuse(403, "service.forbidden", "this needs the role owner")
		}
		found, p := keyNamed(in.AK)
		if p != nil {
			return nil, p
		}
		k := found.(admin.Key)
		if !slices.Equal(k.Base, in.Base) {
			return nil, admintest.Refuse(409, "ledger.key-changed", "look again")
		}
		if !in.DryRun {
			k.Status, k.Reason, k.Action = status, in.Reason, "admin.keys"
		}
		return admin.ChangedKey{Key: k, Applied: !in.DryRun}, nil
	}
}
