package server_test

import (
	"net/http"
	"testing"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// A JWT-SVID comes with a certificate or in place of an attestation result, and
// verifies under the published bundle for its audiences.
func TestAttestationBringsAJWTSVID(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t, evidence.KindSEVSNP)
	for i, purpose := range []evidence.Purpose{evidence.PurposeCertificate, evidence.PurposeToken} {
		body := m.body(t, a.challenge(purpose))
		body["jwt_svid"] = []string{"https://db.example.org"}
		var got server.AttestationResponse
		a.post("/v1/attestations", body).into(&got)
		if got.EAR != nil || (got.SVID != nil) != (purpose == evidence.PurposeCertificate) {
			t.Errorf("%s: ear %v, svid %v", purpose, got.EAR, got.SVID)
		}
		bundle, err := spiffebundle.Parse(spiffeid.RequireTrustDomainFromString(servertest.TrustDomain), a.get("/v1/bundle").body)
		if err != nil {
			t.Fatal(err)
		}
		svid, err := jwtsvid.ParseAndValidate(got.JWTSVID.Token, bundle, []string{"https://db.example.org"})
		if err != nil || svid.ID.String() != got.SPIFFEID || !svid.Expiry.Equal(got.JWTSVID.ExpiresAt) {
			t.Errorf("%s: %+v (%v)", purpose, svid, err)
		}
		if got.SVID == nil && (!got.NotAfter.Equal(got.JWTSVID.ExpiresAt) || !got.RenewAt.Before(got.NotAfter)) {
			t.Errorf("not_after %v, renew_at %v", got.NotAfter, got.RenewAt)
		}
		a.ledger(int64(i+1), int64(i+1))
	}
	for name, tc := range map[string]struct {
		audience any
		status   int
		code     evidence.Code
	}{
		"nobody":      {[]string{}, http.StatusBadRequest, evidence.CodeIssuingAudience},
		"an empty":    {[]string{""}, http.StatusBadRequest, evidence.CodeIssuingAudience},
		"no list":     {"a", http.StatusBadRequest, evidence.CodeRequestMalformed},
		"no texts":    {[]any{"a", nil}, http.StatusBadRequest, evidence.CodeRequestMalformed},
		"one twice":   {[]string{"a", "a"}, http.StatusBadRequest, evidence.CodeIssuingAudience},
		"nine of one": {[]string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}, http.StatusBadRequest, evidence.CodeIssuingAudience},
	} {
		body := m.body(t, a.challenge(evidence.PurposeToken))
		body["jwt_svid"] = tc.audience
		t.Log(name)
		a.post("/v1/attestations", body).refused(tc.status, tc.code)
	}
	a.ledger(8, 2)
}
