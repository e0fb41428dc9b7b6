package server_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/tokens"
)

func TestAttestationBringsCertificateAndTokens(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t, evidence.KindSEVSNP, evidence.KindTDX)
	c := a.challenge(evidence.PurposeCertificate)
	if c.Audience != servertest.TrustDomain || c.Purpose != evidence.PurposeCertificate || time.Until(c.ExpiresAt) > 2*time.Minute {
		t.Errorf("challenge %+v", c)
	}
	body := m.body(t, c)
	body["token"] = []string{"jwt", "cwt"}
	body["audience"] = "relying-party"
	var got server.AttestationResponse
	a.post("/v1/attestations", body).into(&got)

	if got.Workload != "web" || got.SPIFFEID != "spiffe://example.org/web" || got.Simulated || !strings.HasPrefix(got.PolicyDigest, "sha256:") {
		t.Errorf("got %+v", got)
	}
	leaf := a.verifiedLeaf(got)
	if string(leaf.RawSubjectPublicKeyInfo) != string(spki(t, &m.key.PublicKey)) {
		t.Error("the certificate is for another key")
	}
	if !got.NotAfter.Equal(leaf.NotAfter) || !got.RenewAt.After(time.Now()) || !got.RenewAt.Before(got.NotAfter) {
		t.Errorf("not_after %v, renew_at %v", got.NotAfter, got.RenewAt)
	}
	if check, ok := got.Checks.Get(evidence.CodeBinding); !ok || check.Status != evidence.Pass {
		t.Errorf("binding: %v", check)
	}
	a.verifyTokens(got.EAR, "relying-party", c.Nonce)
	a.ledger(1, 1)
}

// verifiedLeaf verifies the certificate under the bundle that came with it.
func (a *api) verifiedLeaf(got server.AttestationResponse) *x509.Certificate {
	a.t.Helper()
	block, rest := pem.Decode([]byte(got.SVID.Certificates))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		a.t.Fatal(err)
	}
	intermediates, roots := x509.NewCertPool(), x509.NewCertPool()
	intermediates.AppendCertsFromPEM(rest)
	var bundle struct {
		Keys []struct {
			X5C [][]byte `json:"x5c"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(got.Bundle, &bundle); err != nil {
		a.t.Fatal(err)
	}
	for _, key := range bundle.Keys {
		if len(key.X5C) == 0 { // a key for JWT-SVIDs
			continue
		}
		root, err := x509.ParseCertificate(key.X5C[0])
		if err != nil {
			a.t.Fatal(err)
		}
		roots.AddCert(root)
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: usages}); err != nil {
		a.t.Errorf("the certificate does not verify: %v", err)
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != got.SPIFFEID || len(leaf.DNSNames) != 2 || leaf.DNSNames[0] != "web.example.org" {
		a.t.Errorf("names %v %v", leaf.URIs, leaf.DNSNames)
	}
	return leaf
}

// verifyTokens verifies both tokens under the published keys.
func (a *api) verifyTokens(ear *server.EAR, audience, nonce string) {
	a.t.Helper()
	jwks, err := tokens.ParseKeySet(a.get("/.well-known/jwks.json").body)
	if err != nil {
		a.t.Fatal(err)
	}
	coseKeys, err := tokens.ParseCOSEKeySet(a.get("/.well-known/cose-keys").body)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, keys := range []tokens.KeySet{jwks, coseKeys} {
		v, err := tokens.NewVerifier(tokens.VerifierConfig{Keys: keys, Issuer: a.Authority.ServiceID(), Audience: audience})
		if err != nil {
			a.t.Fatal(err)
		}
		jwt, err := v.VerifyJWT(ear.JWT)
		if err != nil {
			a.t.Fatal(err)
		}
		cwt, err := base64.RawURLEncoding.DecodeString(ear.CWT)
		if err != nil {
			a.t.Fatal(err)
		}
		if _, err := v.VerifyCWT(cwt); err != nil {
			a.t.Fatal(err)
		}
		if jwt.ID.String() != ear.ID || jwt.Expires != ear.ExpiresAt.Unix() {
			a.t.Errorf("token %v, response %v", jwt.ID, ear)
		}
		if got, _ := json.Marshal(jwt); nonce != "" && !strings.Contains(string(got), nonce) {
			a.t.Errorf("the token does not carry the nonce: %s", got)
		}
	}
}

func TestPublicKeyInPlaceOfRequest(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	der := spki(t, &m.key.PublicKey)
	for name, key := range map[string]string{
		"PEM":    string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"base64": base64.StdEncoding.EncodeToString(der),
	} {
		t.Run(name, func(t *testing.T) {
			body := m.body(t, a.challenge(evidence.PurposeCertificate))
			delete(body, "csr")
			body["public_key"] = key
			var got server.AttestationResponse
			a.post("/v1/attestations", body).into(&got)
			if got.EAR != nil || got.SVID == nil {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("both", func(t *testing.T) {
		body := m.body(t, a.challenge(evidence.PurposeCertificate))
		body["public_key"] = base64.StdEncoding.EncodeToString(der)
		var got server.AttestationResponse
		a.post("/v1/attestations", body).into(&got)
	})
}

func TestTokenPurposeBringsNoCertificate(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	var got server.AttestationResponse
	a.post("/v1/attestations", m.body(t, a.challenge(evidence.PurposeToken))).into(&got)
	if got.SVID != nil || got.Bundle != nil || got.EAR == nil || got.EAR.JWT == "" || got.EAR.CWT != "" {
		t.Errorf("got %+v", got)
	}
	if !got.NotAfter.Equal(got.EAR.ExpiresAt) || !got.RenewAt.Before(got.NotAfter) {
		t.Errorf("not_after %v, renew_at %v", got.NotAfter, got.RenewAt)
	}
	a.ledger(1, 1)
}

func TestEvidenceInCBOR(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	c := a.challenge(evidence.PurposeCertificate)
	body := m.body(t, c)
	encoded, err := m.evidenceFor(t, c).MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	body["evidence"] = base64.RawURLEncoding.EncodeToString(encoded)
	var got server.AttestationResponse
	a.post("/v1/attestations", body).into(&got)
}

func TestSimulatedIsMarkedEverywhere(t *testing.T) {
	a := start(t, servertest.Options{Simulated: true})
	m := newMachine(t)
	body := m.body(t, a.challenge(evidence.PurposeCertificate))
	body["token"] = []string{"jwt"}
	var got server.AttestationResponse
	a.post("/v1/attestations", body).into(&got)
	leaf := a.verifiedLeaf(got)
	if !got.Simulated || len(leaf.Subject.Organization) != 1 || leaf.Subject.Organization[0] != "SIMULATED" {
		t.Errorf("simulated %v, subject %v", got.Simulated, leaf.Subject)
	}
	var health server.HealthResponse
	a.get("/healthz").into(&health)
	if !health.SimulatedAccepted {
		t.Error("health does not say that simulated evidence is accepted")
	}
	if metrics := string(a.get("/metrics").body); !strings.Contains(metrics, `simulated_accepted="true"`) {
		t.Error("metrics do not say so")
	}
}

func TestAppraisal(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t, evidence.KindTDX)
	data := sha256.Sum256([]byte("a relying party's nonce"))
	bundle, err := m.kinds.Attest(t.Context(), evidence.Binding(append(data[:], data[:]...)))
	if err != nil {
		t.Fatal(err)
	}
	body := map[string]any{
		"evidence": bundle, "report_data": hex.EncodeToString(append(data[:], data[:]...)),
		"token": []string{"cwt", "jwt"}, "audience": "relying-party",
	}
	answer := a.post("/v1/appraisals", body)
	var got server.AppraisalResponse
	answer.into(&got)
	if got.Workload != "web" || len(got.Claims) != 1 || got.Claims[0].TDX == nil {
		t.Errorf("got %+v", got)
	}
	a.verifyTokens(got.EAR, "relying-party", "")
	if strings.Contains(string(answer.body), "CERTIFICATE") {
		t.Error("a background check brought a certificate")
	}
	a.ledger(1, 1)
	body["report_data"] = hex.EncodeToString(make([]byte, 64))
	a.post("/v1/appraisals", body).refused(http.StatusUnprocessableEntity, evidence.CodeNotAccepted)
	a.ledger(2, 1)
}
