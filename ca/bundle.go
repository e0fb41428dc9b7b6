package ca

import (
	"crypto/x509"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
)

// refreshHint tells consumers of the bundle how often to look for a new root.
const refreshHint = 5 * time.Minute

// Bundle returns the SPIFFE trust bundle (SPIFFE Trust Domain and Bundle §4): a
// JWK set with the root. The sequence number is the root's NotBefore in Unix
// seconds, which grows with every new root without being kept anywhere.
func (a *Authority) Bundle() ([]byte, error) {
	bundle := spiffebundle.FromX509Authorities(a.trustDomain, []*x509.Certificate{a.root})
	bundle.SetRefreshHint(refreshHint)
	bundle.SetSequenceNumber(uint64(a.root.NotBefore.Unix()))
	return bundle.Marshal()
}

// Roots returns a new pool with the root. It verifies certificates of this
// authority; it says nothing about which identity may do what.
func (a *Authority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	return pool
}

// RootPEM returns the root in PEM.
func (a *Authority) RootPEM() []byte { return encodePEM(a.root.Raw) }
