// Package admin says who an administrator of the service is. There are three ways
// to show it: a client certificate of the service's own administrators' CA, a token
// of a configured OpenID Connect provider, and the credential that the first start
// prints. Each gives a [Role], and the role says which [Action] is permitted.
//
// Everything that is not exactly one good credential is refused: none, two, one of
// another CA or for another audience, one that a browser sends along.
//
// Start at [Open] and [Authenticator.Authenticate]; certificates come from an
// [Authority].
package admin

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Options say how administrators are known.
type Options struct {
	// Dir is the folder of the administrators' CA: [DirName] in the data directory.
	// It is made if it does not exist.
	Dir string
	// TrustDomain is the service's.
	TrustDomain string
	// Config is the configuration's part.
	Config Config
	// BootstrapDigest is the SHA-256 of the bootstrap credential; zero if there is none.
	BootstrapDigest [sha256.Size]byte
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Transport fetches the provider's keys; nil means one with the environment's proxy.
	Transport http.RoundTripper
}

// Authenticator knows administrators. It is safe for concurrent use.
type Authenticator struct {
	dir, trustDomain string
	oidc             OIDC
	approvals        int
	bootstrap        [sha256.Size]byte // zero: nobody
	now              func() time.Time
	remote           *remoteKeys // nil without JWKSURL
	current          atomic.Pointer[state]
}

// state is what a reload replaces.
type state struct {
	authority *Authority
	keys      keySource // nil without OIDC
}

// Open returns an Authenticator, and makes the administrators' CA if there is none.
// It refuses, with an *evidence.Error, a configuration, key set or CA that is unsound.
// The network is not used before a token comes.
func Open(o Options) (*Authenticator, error) {
	if err := o.Config.Check(); err != nil {
		return nil, err
	}
	if o.TrustDomain == "" {
		return nil, evidence.Errorf(evidence.CodeAuthorityTrustDomain, "trust_domain", "administrators' certificates are for a trust domain")
	}
	a := &Authenticator{dir: o.Dir, trustDomain: o.TrustDomain, oidc: o.Config.OIDC, approvals: o.Config.approvals(), now: o.Now}
	if a.now == nil {
		a.now = time.Now
	}
	if o.Config.bootstrap() {
		a.bootstrap = o.BootstrapDigest
	}
	if o.Config.OIDC.JWKSURL != "" {
		a.remote = newRemoteKeys(o.Config.OIDC.JWKSURL, o.Transport, a.now)
	}
	return a, a.Reload()
}

// Reload reads the CA's certificate and the provider's key file again. If anything
// is wrong with them, what was in force stays so. Revocations need no reload.
func (a *Authenticator) Reload() error {
	authority, err := OpenAuthority(a.dir, a.trustDomain, a.now)
	if err != nil {
		return err
	}
	next := &state{authority: authority}
	switch {
	case a.remote != nil:
		next.keys = a.remote
	case a.oidc.JWKSFile != "":
		if next.keys, err = readKeySet(a.oidc.JWKSFile); err != nil {
			return err
		}
	}
	a.current.Store(next)
	return nil
}

// ClientCAs is the administrators' CA, for a TLS server that asks for client
// certificates and takes connections without. Ask for it at each handshake: a
// reload may replace it.
func (a *Authenticator) ClientCAs() *x509.CertPool { return a.current.Load().authority.pool.Clone() }

// Keys are the CA's public keys, which an authority for workloads is to reserve.
func (a *Authenticator) Keys() []crypto.PublicKey {
	return []crypto.PublicKey{a.current.Load().authority.cert.PublicKey}
}

// Authenticate returns who sent a request. The error is an *evidence.Error:
// CodeUnauthorized if it carries no good credential or more than one, CodeForbidden if it
// comes from a browser, or its sender is known to the provider and has no role here
// (the principal then says who it is, without a role), CodeNotReady if the provider's keys cannot be had.
func (a *Authenticator) Authenticate(r *http.Request) (Principal, error) {
	if err := RefuseBrowsers(r); err != nil {
		return Principal{}, err
	}
	now := a.current.Load()
	certificate := r.TLS != nil && len(r.TLS.PeerCertificates) > 0
	credentials := r.Header.Values("Authorization")
	switch {
	case certificate && len(credentials) > 0, len(credentials) > 1:
		return Principal{}, refused("the request carries several credentials; send one")
	case certificate:
		return now.authority.certificate(r.TLS)
	case len(credentials) == 0:
		return Principal{}, refused("use an administrator's certificate, or send a bearer token")
	}
	credential, err := parseBearer(credentials[0])
	if err != nil {
		return Principal{}, err
	}
	if !strings.Contains(credential, ".") {
		return a.bootstrapped(credential)
	}
	return a.token(r, now.keys, credential)
}

// bootstrapped compares with the credential that the first start showed.
func (a *Authenticator) bootstrapped(credential string) (Principal, error) {
	digest := sha256.Sum256([]byte(credential))
	equal := subtle.ConstantTimeCompare(digest[:], a.bootstrap[:]) == 1
	if !equal || a.bootstrap == [sha256.Size]byte{} {
		return Principal{}, refused("this is not the administrator's credential")
	}
	return Principal{Name: string(ByBootstrap), Role: Owner, Method: ByBootstrap}, nil
}

// token judges a token of the provider. What is cheap to see comes before the
// provider may be asked for keys, and before the signature.
func (a *Authenticator) token(r *http.Request, keys keySource, text string) (Principal, error) {
	if keys == nil {
		return Principal{}, refused("tokens are not taken: no identity provider is configured")
	}
	t, err := parseToken(text)
	if err != nil {
		return Principal{}, err
	}
	p, judged := a.oidc.judge(t.claims, a.now())
	if judged != nil && evidence.CodeOf(judged) != evidence.CodeForbidden {
		return Principal{}, judged
	}
	key, err := keys.find(r.Context(), t.keyID)
	if err != nil {
		return Principal{}, err
	}
	if !key.verifies(t) {
		return Principal{}, refused("the token's signature does not verify under the provider's key of that kid")
	}
	return p, judged
}
