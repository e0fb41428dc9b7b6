package inforce_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/inforce"
	"github.com/quotary/quotary/policies"
)

// Y10: where keys for reference values are configured, no way leads past them: not
// by applying, planning, rehearsing or watching a set, and not by a restart.
func TestAttack_Y10_NoWayPastReferenceKeys(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	reading := policies.Options{ReferenceKeys: []policies.ReferenceKey{{Name: "release", Public: key.Public()}}}
	text := func(day string) []byte {
		return []byte("apiVersion: quotary.dev/v1\nkind: ReferenceValues\nname: release\ntechnology: tdx\nprovenance: {source: an image, created_by: a build, created_at: 2026-11-" + day +
			"T00:00:00Z}\nnot_after: 2027-01-01T00:00:00Z\nvalues: {mrtd: [\"111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111\"]}\n")
	}
	signed := func(day string) []policies.File {
		data, err := policies.SignReferences(text(day), key, "", policies.DSSE)
		if err != nil {
			t.Fatal(err)
		}
		return append(document(1), policies.File{Name: "release.dsse.json", Data: data})
	}
	unsigned := append(document(1), policies.File{Name: "release.yaml", Data: text("10")})
	o := open(t, inforce.Config{Files: document(1), Reading: reading})
	base := o.Set().Digest()
	refused := func(what string, err error) {
		t.Helper()
		if evidence.CodeOf(err) != evidence.CodePolicyReferenceUnsigned {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := o.apply("certificate:alice", unsigned, base)
	refused("apply", err)
	_, err = o.Rehearse(t.Context(), inforce.Change{Documents: unsigned, Base: base})
	refused("rehearse", err)
	_, err = o.Plan(t.Context(), unsigned)
	refused("plan", err)
	_, err = o.SetShadow(t.Context(), event("certificate:alice"), unsigned, "certificate:alice")
	refused("shadow", err)
	_, err = o.Explain(nil, unsigned, now)
	refused("explain", err)
	if found, _ := o.Lint(unsigned); len(found) == 0 {
		t.Error("lint passes what is refused")
	}
	o.must(signed("10"))
	plan, err := o.Plan(t.Context(), signed("09"))
	if err != nil || len(plan.Diff.RolledBack) != 1 {
		t.Errorf("an older document: %+v, %v", plan.Diff, err)
	}
	o.reopen()
	if infos := o.Set().References(); len(infos) != 1 || len(infos[0].SignedBy) != 1 {
		t.Errorf("after a restart: %+v", infos)
	}
	// A service that trusts the key no longer does not start with what it signed.
	c := o.config
	c.Ledger, c.Reading, c.Mode = o.ledger, policies.Options{}, inforce.ByService
	if _, _, err := inforce.Open(t.Context(), c); evidence.CodeOf(err) != evidence.CodePolicyReferenceSignature {
		t.Errorf("without the key: %v", err)
	}
}
