package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
)

// refreshHint tells consumers of the bundle how often to look for a new root.
const refreshHint = 5 * time.Minute

// encodeBundle makes the SPIFFE trust bundle (SPIFFE Trust Domain and Bundle §4): a
// JWK set with the roots of all authorities that are not revoked and their keys for
// JWT-SVIDs, each under its RFC 7638 thumbprint.
func (f *force) encodeBundle(all []*hierarchy) ([]byte, error) {
	bundle := spiffebundle.FromX509Authorities(f.active.trustDomain, f.roots)
	for _, h := range all {
		id, err := (&jose.JSONWebKey{Key: h.jwt.Public()}).Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, err
		}
		if err := bundle.AddJWTAuthority(base64.RawURLEncoding.EncodeToString(id), h.jwt.Public()); err != nil {
			return nil, err
		}
	}
	bundle.SetRefreshHint(refreshHint)
	bundle.SetSequenceNumber(f.slots.sequence)
	data, err := bundle.Marshal()
	m := f.slots.find(Tainted)
	if err != nil || m == nil {
		return data, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	if members[memberTainted], err = json.Marshal([]string{m.root}); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

// memberTainted is a member of our bundles, which others ignore (RFC 7517 §5): the
// SHA-256, in hex, of roots below which nobody should have a certificate any more. Who
// has one attests anew before the root is gone.
const memberTainted = "quotary_tainted"

// Bundle returns the SPIFFE trust bundle. Its sequence number grows with every
// change of the authorities.
func (a *Authority) Bundle() ([]byte, error) { return bytes.Clone(a.force.Load().bundle), nil }

// Roots returns a new pool with the roots. It verifies certificates of this
// authority; it says nothing about which identity may do what.
func (a *Authority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, root := range a.force.Load().roots {
		pool.AddCert(root)
	}
	return pool
}

// RootPEM returns the root in PEM under which the service itself is authenticated.
func (a *Authority) RootPEM() []byte { return encodePEM(a.force.Load().serving(a.now()).root.Raw) }

// JWTKey returns the key that JWT-SVIDs are signed with now: the active authority's,
// ECDSA P-256. It is in the bundle before and after it signs.
func (a *Authority) JWTKey() crypto.Signer { return a.force.Load().active.jwt }
