package admin

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

const (
	domain     = "example.org"
	issuerURL  = "https://login.example.org"
	audience   = "quotary"
	credential = "BOOTSTRAPBOOTSTRAPBOOTSTRAP"
)

var epoch = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

type object = map[string]any

// house is an Authenticator with everything that it believes.
type house struct {
	*Authenticator
	t         *testing.T
	dir       string
	now       time.Time
	authority *Authority
	provider  *provider
}

// newHouse opens an Authenticator with a provider, whose keys it has from a file.
func newHouse(t *testing.T, change ...func(*Options)) *house {
	t.Helper()
	h := &house{t: t, dir: filepath.Join(t.TempDir(), DirName), now: epoch, provider: anyProvider(t)}
	o := Options{
		Dir: h.dir, TrustDomain: domain, BootstrapDigest: sha256.Sum256([]byte(credential)), Now: func() time.Time { return h.now },
		Config: Config{OIDC: oidc(writeFile(t, h.provider.jwks(t)))},
	}
	for _, f := range change {
		f(&o)
	}
	var err error
	if h.Authenticator, err = Open(o); err != nil {
		t.Fatal(err)
	}
	h.authority = h.current.Load().authority
	return h
}

func oidc(keys string) OIDC {
	return OIDC{
		Issuer: issuerURL, Audience: audience, JWKSFile: keys, RolesClaim: "groups",
		Roles: Roles{Viewer: []string{"staff", "auditors"}, Operator: []string{"sre"}, Owner: []string{"quotary-owners"}},
	}
}

func writeFile(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// issue has a certificate made for a new key.
func (h *house) issue(name string, role Role) (*x509.Certificate, *ecdsa.PrivateKey) {
	h.t.Helper()
	key := newKey(h.t)
	_, data, err := h.authority.Issue(Request{Name: name, Role: role, Key: publicKey(h.t, key)})
	if err != nil {
		h.t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	return parse(h.t, block.Bytes), key
}

// sign has the CA sign anything: a certificate that is right but for what change does.
func (h *house) sign(change func(*x509.Certificate)) *x509.Certificate {
	h.t.Helper()
	key, err := keyfile.Load(filepath.Join(h.dir, keyFile), elliptic.P256())
	if err != nil {
		h.t.Fatal(err)
	}
	return h.signBy(h.authority.cert, key, change)
}

func (h *house) signBy(parent *x509.Certificate, signer crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
	h.t.Helper()
	key := newKey(h.t)
	template, err := h.authority.leaf(Request{Name: "mallory", Role: Owner, Key: publicKey(h.t, key)})
	if err != nil {
		h.t.Fatal(err)
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		h.t.Fatal(err)
	}
	return parse(h.t, der)
}

// refuses reports a request that is not refused with this code.
func (h *house) refuses(what string, r *http.Request, code evidence.Code) {
	h.t.Helper()
	p, err := h.Authenticate(r)
	if code == evidence.CodeForbidden && p.Method == ByOIDC && p.Name != "" && p.Role == 0 {
		p = Principal{} // somebody without a role is named
	}
	if evidence.CodeOf(err) != code || p != (Principal{}) {
		h.t.Errorf("%s: %+v, %v; want %s", what, p, err, code)
	}
}

func (h *house) takes(what string, r *http.Request) Principal {
	h.t.Helper()
	p, err := h.Authenticate(r)
	if err != nil {
		h.t.Errorf("%s: %v", what, err)
	}
	return p
}

// withCertificate is a request over TLS from somebody who has the keys of these.
func withCertificate(chain ...*x509.Certificate) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://quotary.example.org/v1/admin/whoami", nil)
	r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: chain}
	return r
}

func withBearer(text string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://quotary.example.org/v1/admin/whoami", nil)
	r.Header.Set("Authorization", "Bearer "+text)
	return r
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicKey(t *testing.T, key crypto.Signer) evidence.Key {
	t.Helper()
	public, err := evidence.NewKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func parse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// provider is an identity provider with a key of each kind, named after the
// algorithm that tokens are signed with.
type provider struct {
	rsa     *rsa.PrivateKey
	p256    *ecdsa.PrivateKey
	p384    *ecdsa.PrivateKey
	ed25519 ed25519.PrivateKey
}

// shared is the provider of most tests: RSA keys take a while to make.
var shared struct {
	once     sync.Once
	provider *provider
}

func anyProvider(t *testing.T) *provider {
	t.Helper()
	shared.once.Do(func() { shared.provider = newProvider(t) })
	return shared.provider
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{p256: newKey(t)}
	var err error
	if p.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if p.p384, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, p.ed25519, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *provider) keys() []object {
	return []object{
		rsaJWK("RS256", &p.rsa.PublicKey), ecJWK("ES256", &p.p256.PublicKey), ecJWK("ES384", &p.p384.PublicKey),
		{"kty": "OKP", "crv": "Ed25519", "kid": "EdDSA", "x": b64(p.ed25519.Public().(ed25519.PublicKey))},
	}
}

func (p *provider) jwks(t *testing.T) []byte { return encode(t, object{"keys": p.keys()}) }

func rsaJWK(kid string, key *rsa.PublicKey) object {
	return object{"kty": "RSA", "kid": kid, "use": "sig", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes()), "x5c": []string{"MIIB"}}
}

func ecJWK(kid string, key *ecdsa.PublicKey) object {
	point, _ := key.Bytes()
	half := (len(point) - 1) / 2
	return object{"kty": "EC", "crv": key.Curve.Params().Name, "kid": kid, "x": b64(point[1 : 1+half]), "y": b64(point[1+half:])}
}

// claims are those of a good token, from a moment before the epoch.
func claims(change ...func(object)) object {
	o := object{
		"iss": issuerURL, "aud": audience, "sub": "8f3a-alice", "iat": epoch.Unix() - 10, "exp": epoch.Unix() + 600,
		"groups": []string{"everybody", "quotary-owners"}, "email": "alice@example.org", "realm": object{"x": []int{1}}, "nothing": nil,
	}
	for _, f := range change {
		f(o)
	}
	return o
}

// token signs claims with the key for an algorithm.
func (p *provider) token(t *testing.T, algorithm string, claims object) string {
	t.Helper()
	return p.signed(t, `{"alg":"`+algorithm+`","kid":"`+kidOf(algorithm)+`","typ":"JWT"}`, string(encode(t, claims)), algorithm)
}

// kidOf is the name of the key for an algorithm.
func kidOf(algorithm string) string {
	if algorithm == "PS256" {
		return "RS256"
	}
	return algorithm
}

// signed signs any header and payload as an algorithm would have it.
func (p *provider) signed(t *testing.T, header, payload, algorithm string) string {
	t.Helper()
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	return text + "." + b64(p.signature(t, text, algorithm))
}

func (p *provider) signature(t *testing.T, text, algorithm string) (signature []byte) {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	var err error
	switch algorithm {
	case "RS256":
		signature, err = rsa.SignPKCS1v15(nil, p.rsa, crypto.SHA256, sum[:])
	case "PS256":
		signature, err = rsa.SignPSS(rand.Reader, p.rsa, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "ES256":
		signature = ecdsaSignature(t, p.p256, sum[:])
	case "ES384":
		long := sha512.Sum384([]byte(text))
		signature = ecdsaSignature(t, p.p384, long[:])
	case "EdDSA":
		signature = ed25519.Sign(p.ed25519, []byte(text))
	default:
		t.Fatalf("no key for %s", algorithm)
	}
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// ecdsaSignature is r ‖ s (RFC 7518 §3.4).
func ecdsaSignature(t *testing.T, key *ecdsa.PrivateKey, digest []byte) []byte {
	t.Helper()
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		t.Fatal(err)
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	return slices.Concat(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size)))
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
