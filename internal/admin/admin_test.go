package admin

import (
	"crypto/ecdsa"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
)

func TestAuthenticate(t *testing.T) {
	h := newHouse(t)
	cert, _ := h.issue("alice", Operator)
	p := h.takes("certificate", withCertificate(cert))
	if p.Name != "alice" || p.Role != Operator || p.Method != ByCertificate || p.Actor() != "certificate:alice" || len(p.Serial) != 40 || !p.Until.Equal(cert.NotAfter) {
		t.Errorf("%+v", p)
	}
	h.takes("certificate with its CA", withCertificate(cert, h.authority.cert))
	p = h.takes("bootstrap", withBearer(credential))
	if p != (Principal{Name: "bootstrap", Role: Owner, Method: ByBootstrap}) || p.Actor() != "bootstrap" {
		t.Errorf("%+v", p)
	}
	for _, algorithm := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
		p = h.takes(algorithm, withBearer(h.provider.token(t, algorithm, claims())))
		want := Principal{Name: "8f3a-alice", Role: Owner, Method: ByOIDC, Issuer: issuerURL, Until: epoch.Add(10 * time.Minute)}
		if p != want || p.Actor() != "oidc:https://login.example.org#8f3a-alice" {
			t.Errorf("%s: %+v", algorithm, p)
		}
	}
	if (Principal{}).Actor() != "" {
		t.Error("nobody has a name")
	}
}

// Whatever is not exactly one good credential is nobody.
func TestAttack_Y11_NothingWithoutACredential(t *testing.T) {
	for name, h := range map[string]*house{
		"all":                  newHouse(t),
		"no configuration":     newHouse(t, func(o *Options) { o.Config = Config{} }),
		"nothing at all":       newHouse(t, func(o *Options) { o.Config, o.BootstrapDigest = Config{}, [32]byte{} }),
		"no bootstrap":         newHouse(t, func(o *Options) { o.Config.Bootstrap = new(bool) }),
		"several must approve": newHouse(t, func(o *Options) { n := 2; o.Config.Approvals = &n }),
	} {
		cert, _ := h.issue("alice", Owner)
		plain := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/v1/admin/whoami", nil)
		h.refuses(name+": plain", plain, evidence.CodeUnauthorized)
		h.refuses(name+": no certificate", withCertificate(), evidence.CodeUnauthorized)
		query := withCertificate()
		query.URL.RawQuery = "access_token=" + credential
		h.refuses(name+": in the query", query, evidence.CodeUnauthorized)
		for _, header := range []string{
			"", "Bearer", "Bearer ", "Bearer  " + credential, "bearer " + credential, "BEARER " + credential, credential, "Basic " + credential, "Bearer " + credential + " ",
			"Bearer " + credential + "," + credential, "Bearer " + strings.ToLower(credential), "Bearer " + credential[1:], "Bearer " + credential + "A", "Bearer =", "Bearer ==",
			"Bearer " + strings.Repeat("A", maxBearer+1), "Bearer \x00", "Bearer ä", "Negotiate x", "DPoP " + credential, "Bearer admin", "Bearer null", "Bearer undefined",
			"Bearer " + strings.Repeat("A", maxBearer), "Bearer .", "Bearer ..", "Bearer " + strings.Repeat(".", maxBearer),
		} {
			r := withCertificate()
			r.Header.Set("Authorization", header)
			h.refuses(name+": "+header, r, evidence.CodeUnauthorized)
		}
		for _, header := range []string{"X-Forwarded-Client-Cert", "X-Client-Cert", "X-SSL-Client-Cert", "Ssl-Client-Verify", "X-Forwarded-User", "X-Remote-User", "X-Auth-Request-Groups", "Proxy-Authorization", "X-Api-Key"} {
			r := withCertificate()
			r.Header.Set(header, "Bearer "+credential)
			h.refuses(name+": "+header, r, evidence.CodeUnauthorized)
		}
		unfinished := withCertificate(cert)
		unfinished.TLS.HandshakeComplete = false
		h.refuses(name+": unfinished handshake", unfinished, evidence.CodeUnauthorized)
	}
}

// Two credentials could be of two people; which one counts is not for us to guess.
func TestSeveralCredentials(t *testing.T) {
	h := newHouse(t)
	cert, _ := h.issue("alice", Viewer)
	both := withCertificate(cert)
	both.Header.Set("Authorization", "Bearer "+credential)
	h.refuses("certificate and credential", both, evidence.CodeUnauthorized)
	both.Header.Set("Authorization", "")
	h.refuses("certificate and empty credential", both, evidence.CodeUnauthorized)
	twice := withBearer(credential)
	twice.Header.Add("Authorization", "Bearer "+credential)
	h.refuses("twice the same", twice, evidence.CodeUnauthorized)
}

// TestAttack_A27_Bootstrap: the first administrator is who has the credential that
// was shown, or the data directory; where there is no such credential, or it was
// turned off, nothing takes its place.
func TestAttack_A27_Bootstrap(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"there is none": func(o *Options) { o.BootstrapDigest = [32]byte{} },
		"turned off":    func(o *Options) { o.Config.Bootstrap = new(bool) },
		"another":       func(o *Options) { o.BootstrapDigest[31] ^= 1 },
	} {
		h := newHouse(t, change)
		h.refuses(name, withBearer(credential), evidence.CodeUnauthorized)
		h.refuses(name+", digest", withBearer(strings.Repeat("0", 64)), evidence.CodeUnauthorized)
		h.refuses(name+", empty", withBearer(""), evidence.CodeUnauthorized)
	}
	h := newHouse(t)
	on := true
	explicit := newHouse(t, func(o *Options) { o.Config.Bootstrap = &on })
	h.takes("default", withBearer(credential))
	explicit.takes("turned on", withBearer(credential))

	// A CA is made once; a second start does not make another, nor one with another key.
	before := h.authority.cert
	again, err := OpenAuthority(h.dir, domain, func() time.Time { return epoch })
	if err != nil || !again.cert.Equal(before) {
		t.Errorf("a second start: %v", err)
	}
	if err := os.Remove(filepath.Join(h.dir, keyFile)); err != nil {
		t.Fatal(err)
	}
	again, err = OpenAuthority(h.dir, domain, func() time.Time { return epoch })
	if err != nil || !again.cert.Equal(before) {
		t.Errorf("without the key: %v", err)
	}
	_, _, err = again.Issue(Request{Name: "bob", Role: Owner, Key: publicKey(t, newKey(t))})
	refusedWith(t, "issuing without the key", err, evidence.CodeAuthorityKeyFile)
}

// TestAttack_Y12_CredentialsEnd: every credential but the bootstrap one ends by
// itself, and that one can be turned off.
func TestAttack_Y12_CredentialsEnd(t *testing.T) {
	h := newHouse(t)
	cert, _ := h.issue("alice", Owner)
	token := h.provider.token(t, "ES256", claims())
	h.now = epoch.Add(10*time.Minute - time.Second)
	h.takes("token, at its last second", withBearer(token))
	h.now = epoch.Add(10 * time.Minute)
	h.refuses("token, at its end", withBearer(token), evidence.CodeUnauthorized)
	h.now = cert.NotAfter
	h.takes("certificate, at its last second", withCertificate(cert))
	h.now = cert.NotAfter.Add(time.Second)
	h.refuses("certificate, after it", withCertificate(cert), evidence.CodeUnauthorized)
	if life := cert.NotAfter.Sub(epoch); life != DefaultLife {
		t.Errorf("a certificate lasts for %s", life)
	}
	for _, life := range []time.Duration{MaxLife + 1, -1, 1, 10 * 365 * 24 * time.Hour} {
		_, _, err := h.authority.Issue(Request{Name: "alice", Role: Owner, Key: publicKey(t, newKey(t)), Life: life})
		refusedWith(t, life.String(), err, evidence.CodeIssuingValidity)
	}
}

// TestAttack_Y17_Browsers: a page of another site can have a browser send requests
// with the certificate in its key store; requests that a browser marked are refused,
// however good the credential, and there are no cookies.
func TestAttack_Y17_Browsers(t *testing.T) {
	h := newHouse(t)
	cert, _ := h.issue("alice", Owner)
	for _, header := range [][2]string{
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", ""}, {"Origin", "https://quotary.example.org"},
		{"Cookie", "session=x"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Dest", "image"},
	} {
		for what, r := range map[string]*http.Request{"certificate": withCertificate(cert), "bearer": withBearer(credential), "nothing": withCertificate()} {
			r.Header.Set(header[0], header[1])
			h.refuses(what+" and "+header[0], r, evidence.CodeForbidden)
		}
	}
	if err := RefuseBrowsers(withBearer(credential)); err != nil {
		t.Error(err)
	}
}

// TestAttack_Y13_RolesMatrix: who may do what, for every role and method, and those
// that there are not.
func TestAttack_Y13_RolesMatrix(t *testing.T) {
	needs := map[Action]Role{
		Read: Viewer, Plan: Operator, Explain: Operator, Shadow: Operator, Propose: Operator, Withdraw: Operator, Reload: Operator,
		Apply: Owner, Approve: Owner, Rollback: Owner, Revoke: Owner, Release: Owner,
	}
	alone, several := newHouse(t), newHouse(t, func(o *Options) { n := 2; o.Config.Approvals = &n })
	if alone.Approvals() != 1 || several.Approvals() != 2 {
		t.Errorf("%d and %d approvals", alone.Approvals(), several.Approvals())
	}
	for role := range Role(6) {
		for action := range Action(16) {
			least, known := needs[action]
			want := known && role >= least && role <= Owner
			if got := role.Permits(action); got != want {
				t.Errorf("%q may %q: %v", role, action, got)
			}
			if known != (action.String() != "") || known && len(actions) != len(needs) {
				t.Errorf("the action %d is %q", action, action)
			}
			for _, method := range []Method{ByCertificate, ByOIDC, ByBootstrap} {
				p := Principal{Name: "alice", Role: role, Method: method}
				authorized(t, alone, p, action, want)
				authorized(t, several, p, action, want && (method != ByBootstrap || least != Owner))
			}
		}
	}
}

func authorized(t *testing.T, h *house, p Principal, action Action, want bool) {
	t.Helper()
	err := h.Authorize(p, action)
	if (err == nil) != want || err != nil && evidence.CodeOf(err) != evidence.CodeForbidden {
		t.Errorf("%d approvals: %+v may %q: %v", h.Approvals(), p, action, err)
	}
}

func TestRoles(t *testing.T) {
	for _, role := range []Role{Viewer, Operator, Owner} {
		if got, err := ParseRole(role.String()); err != nil || got != role {
			t.Errorf("%s: %v, %v", role, got, err)
		}
	}
	for _, name := range []string{"", "Owner", "OWNER", "owner ", "admin", "root", "own", "owner\x00", "оwner", "0", "3"} {
		if role, err := ParseRole(name); err == nil || role != 0 {
			t.Errorf("%q is the role %v", name, role)
		}
	}
}

// Nobody counts twice, and nobody in particular counts not at all.
func TestApprovers(t *testing.T) {
	for _, c := range []struct {
		actors string
		want   int
	}{
		{"", 0}, {"bootstrap", 0}, {"bootstrap bootstrap", 0}, {"certificate:alice", 1}, {"certificate:alice certificate:alice", 1},
		{"certificate:alice certificate:bob", 2}, {"certificate:alice bootstrap", 1}, {"oidc:i#a oidc:i#b oidc:i#a", 2},
		{"certificate:alice oidc:i#alice", 1}, {"certificate:alice oidc:i#x", 1}, {"certificate:alice certificate:bob oidc:i#x oidc:i#y", 2},
		{"certificate: certificate", 0}, {"service admin peer:127.0.0.1 :alice", 0}, {"Certificate:alice", 0},
	} {
		if got := Approvers(strings.Fields(c.actors)); got != c.want {
			t.Errorf("%q: %d people, want %d", c.actors, got, c.want)
		}
	}
	h := newHouse(t)
	one, _ := h.issue("alice", Owner)
	two, _ := h.issue("alice", Operator)
	actors := []string{h.takes("one", withCertificate(one)).Actor(), h.takes("two", withCertificate(two)).Actor()}
	if Approvers(actors) != 1 {
		t.Errorf("%v are several people", actors)
	}
}

func TestOpenRefuses(t *testing.T) {
	writable := writeFile(t, anyProvider(t).jwks(t))
	if err := os.Chmod(writable, 0o666); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Options)
		code   evidence.Code
	}{
		"no trust domain":      {func(o *Options) { o.TrustDomain = "" }, evidence.CodeAuthorityTrustDomain},
		"a bad trust domain":   {func(o *Options) { o.TrustDomain = "Example.org" }, evidence.CodeAuthorityTrustDomain},
		"a bad configuration":  {func(o *Options) { n := 0; o.Config.Approvals = &n }, evidence.CodeConfigMalformed},
		"a key file of others": {func(o *Options) { o.Config.OIDC = oidc(writable) }, evidence.CodeDataPermissions},
		"a bad key file":       {func(o *Options) { o.Config.OIDC = oidc(writeFile(t, []byte("{}"))) }, evidence.CodeTokenKeySet},
	} {
		o := Options{Dir: filepath.Join(t.TempDir(), "x"), TrustDomain: domain, Now: func() time.Time { return epoch }}
		c.change(&o)
		_, err := Open(o)
		refusedWith(t, name, err, c.code)
	}
	o := Options{Dir: filepath.Join(t.TempDir(), "x"), TrustDomain: domain, Config: Config{OIDC: oidc("/nowhere/jwks.json")}}
	if _, err := Open(o); err == nil {
		t.Error("a key file that is not there")
	}
}

// A reload takes what is new if it is sound, and keeps what was in force otherwise.
func TestReload(t *testing.T) {
	path := ""
	h := newHouse(t, func(o *Options) { path = o.Config.OIDC.JWKSFile })
	cert, _ := h.issue("alice", Owner)
	old := h.provider.token(t, "ES256", claims())
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, "a bad key set", h.Reload(), evidence.CodeTokenKeySet)
	h.takes("token, after a bad reload", withBearer(old))

	next := newProvider(t)
	if err := os.WriteFile(path, next.jwks(t), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.dir, h.dir+".old"); err != nil {
		t.Fatal(err)
	}
	before := h.Keys()[0]
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	h.refuses("token of a key that was withdrawn", withBearer(old), evidence.CodeUnauthorized)
	h.takes("token of a new key", withBearer(next.token(t, "ES256", claims())))
	h.refuses("certificate of the CA that was moved away", withCertificate(cert), evidence.CodeUnauthorized)
	if h.ClientCAs().Equal(h.authority.pool) || h.Keys()[0].(*ecdsa.PublicKey).Equal(before) {
		t.Error("the CA is still asked for")
	}
}

// A certificate of the authority for workloads is no administrator's, not even the
// service's own, whose name is above that of every administrator.
func TestAttack_A20_CertificatesOfTheService(t *testing.T) {
	h := newHouse(t)
	authority, err := ca.Open(ca.Config{Dir: filepath.Join(t.TempDir(), "ca"), TrustDomain: domain, Now: func() time.Time { return epoch }, Reserved: nil})
	if err != nil {
		t.Fatal(err)
	}
	service, err := authority.ServerCertificate([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	var chain []*x509.Certificate
	for _, der := range service.Certificate {
		chain = append(chain, parse(t, der))
	}
	h.refuses("the service's own", withCertificate(chain...), evidence.CodeUnauthorized)
	h.refuses("the issuing CA's", withCertificate(chain[1]), evidence.CodeUnauthorized)
}

func refusedWith(t *testing.T, what string, err error, code evidence.Code) {
	t.Helper()
	if evidence.CodeOf(err) != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// An approval by a certificate of a CA that was replaced counts no longer, even if its
// serial number was revoked in the folder that is gone.
func TestAttack_Y11_ApprovalsOfAReplacedCA(t *testing.T) {
	h := newHouse(t)
	cert, _ := h.issue("mallory", Owner)
	showed := h.takes("before", withCertificate(cert)).Credential()
	if h.Revoked(showed) {
		t.Error("a good certificate is revoked")
	}
	if _, err := h.authority.Revoke(serialOf(cert.SerialNumber)); err != nil {
		t.Fatal(err)
	}
	if !h.Revoked(showed) {
		t.Error("it is not revoked")
	}
	if err := os.Rename(h.dir, h.dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if !h.Revoked(showed) || !h.Revoked(serialOf(cert.SerialNumber)) || !h.Revoked("") {
		t.Error("what a certificate of the old CA did counts again")
	}
}
