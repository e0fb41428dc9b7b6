package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// provider is an identity provider on a loopback address, with one key.
type provider struct {
	*httptest.Server
	t   *testing.T
	key *ecdsa.PrivateKey
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, key: key}
	keys, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "one", "x": unpadded(point[1:33]), "y": unpadded(point[33:]),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(keys)
	}))
	t.Cleanup(p.Close)
	return p
}

func unpadded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// token is one for somebody in a group, good but for the claims that are given.
func (p *provider) token(group string, claims map[string]any) string {
	p.t.Helper()
	payload := map[string]any{
		"iss": "https://login.example.org", "aud": "quotary", "sub": "8f3a", "groups": []string{"everybody", group},
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	for name, value := range claims {
		payload[name] = value
	}
	body, err := json.Marshal(payload)
	if err != nil {
		p.t.Fatal(err)
	}
	text := unpadded([]byte(`{"alg":"ES256","kid":"one","typ":"JWT"}`)) + "." + unpadded(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		p.t.Fatal(err)
	}
	return text + "." + unpadded(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// Administrators of an identity provider have the role of their group, and tokens that
// are not for this service, or no longer good, have none.
func TestAttack_Y11_TokensOfAProvider(t *testing.T) {
	p := newProvider(t)
	a := start(t, servertest.Options{Admin: admin.Config{OIDC: admin.OIDC{
		Issuer: "https://login.example.org", Audience: "quotary", JWKSURL: p.URL, RolesClaim: "groups",
		Roles: admin.Roles{Viewer: []string{"staff"}, Operator: []string{"sre"}, Owner: []string{"owners"}},
	}}})
	change, err := json.Marshal(map[string]any{"documents": document("15m"), "base": a.Policies.Set().Digest(), "dry_run": false})
	if err != nil {
		t.Fatal(err)
	}
	for group, role := range map[string]string{"staff": "viewer", "sre": "operator", "owners": "owner"} {
		token := p.token(group, nil)
		var who server.WhoamiResponse
		a.bearer(http.MethodGet, "/v1/admin/whoami", token, nil).into(&who)
		if who.Role != role || who.Name != "8f3a" || who.Method != admin.ByOIDC || who.ExpiresAt.IsZero() {
			t.Errorf("%s: got %+v", group, who)
		}
		if role != "owner" {
			a.bearer(http.MethodPost, "/v1/admin/policy/apply", token, change).refused(http.StatusForbidden, evidence.CodeForbidden)
		}
	}
	a.bearer(http.MethodPost, "/v1/admin/policy/apply", p.token("owners", nil), change).into(&server.ChangeResponse{})
	if by := a.Policies.Active().Applied.Author; by != "oidc:https://login.example.org#8f3a" {
		t.Errorf("applied by %s", by)
	}
	hour := int64(time.Hour / time.Second)
	for name, claims := range map[string]map[string]any{
		"expired":          {"iat": time.Now().Unix() - 2*hour, "exp": time.Now().Unix() - hour},
		"another audience": {"aud": "somebody-else"},
		"another issuer":   {"iss": "https://login.example.com"},
		"of tomorrow":      {"iat": time.Now().Unix() + 2*hour, "exp": time.Now().Unix() + 3*hour},
	} {
		refused := a.bearer(http.MethodGet, "/v1/admin/whoami", p.token("owners", claims), nil)
		refused.refused(http.StatusUnauthorized, evidence.CodeUnauthorized)
		if refused.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", name)
		}
	}
	a.bearer(http.MethodGet, "/v1/admin/whoami", newProvider(t).token("owners", nil), nil).refused(http.StatusUnauthorized, evidence.CodeUnauthorized)
	a.bearer(http.MethodGet, "/v1/admin/whoami", p.token("nobody", nil), nil).refused(http.StatusForbidden, evidence.CodeForbidden)
}
