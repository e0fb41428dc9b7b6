package store_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
)

func TestRecentClaims(t *testing.T) {
	s := fresh(t)
	now := time.Now()
	for n, c := range []struct {
		ends   time.Duration
		claims string
	}{
		{-2 * time.Hour, `[{"kind":"sev-snp","sev_snp":{"product":"long gone"}}]`},
		{time.Minute, `[{"kind":"sev-snp","sev_snp":{"product":"Milan"}},{"kind":"tpm"}]`},
		{-time.Minute, `[{"kind":"sev-snp","sev_snp":{"product":"Genoa"}}]`},
		{time.Hour, `[{"kind":"sev-snp","sev_snp":"of another build"}]`},
	} {
		e := issued(n)
		e.Issuance.NotAfter, e.Issuance.Claims = now.Add(c.ends), json.RawMessage(c.claims)
		if err := s.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	var claims []evidence.Claims
	if err := s.RecentClaims(t.Context(), now.Add(-time.Hour), func(c evidence.Claims) { claims = append(claims, c) }); err != nil {
		t.Fatal(err)
	}
	if len(claims) != 3 || claims[0].SEVSNP.Product != "Milan" || claims[1].Kind != evidence.KindTPM || claims[2].SEVSNP.Product != "Genoa" {
		t.Errorf("got %+v", claims)
	}
}
