package admin

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/quotary/quotary/evidence"
)

// identify returns whom a certificate is for, if it is one of this authority, of
// its profile, and valid now. Nothing else makes a certificate an
// administrator's: not the TLS library's word, nor a chain that came with it.
func (a *Authority) identify(c *x509.Certificate) (identity, error) {
	now := a.now()
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return identity{}, refused("the certificate is valid from %s to %s; have another issued (quotaryd admin issue)", c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
	}
	chains, err := c.Verify(x509.VerifyOptions{
		Roots: a.pool, Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil || len(chains) != 1 || len(chains[0]) != 2 {
		return identity{}, refused("the certificate is not of the administrators' CA of this service")
	}
	return a.read(c)
}

// read returns whom a certificate of this authority is for, whether or not it is
// valid now.
func (a *Authority) read(c *x509.Certificate) (identity, error) {
	if c.CheckSignatureFrom(a.cert) != nil {
		return identity{}, refused("the certificate is not signed by the administrators' CA of this service")
	}
	i, ok := readIdentity(c, a.trustDomain)
	if !ok || !isLeaf(c) || c.Subject.String() != "CN="+i.name {
		return identity{}, refused("the certificate is not of the profile of administrators' certificates")
	}
	if c.NotAfter.Sub(c.NotBefore) > MaxLife+backdate+time.Second {
		return identity{}, refused("the certificate lasts for longer than %d days", MaxLife/(24*time.Hour))
	}
	return i, nil
}

// leafExtensions are those of an administrator's certificate; true marks the
// critical ones.
var leafExtensions = map[string]bool{
	"2.5.29.15": true,  // key usage
	"2.5.29.17": false, // SubjectAltName: the subject is not empty
	"2.5.29.19": true,  // basic constraints
	"2.5.29.35": false, // authority key identifier
	"2.5.29.37": false, // extended key usage
}

// isLeaf reports whether a certificate is a client's and no more.
func isLeaf(c *x509.Certificate) bool {
	for _, e := range c.Extensions { // a repeated one did not parse
		if critical, known := leafExtensions[e.Id.String()]; !known || critical != e.Critical {
			return false
		}
	}
	return len(c.Extensions) == len(leafExtensions) && c.Version == 3 && c.SerialNumber.Sign() > 0 &&
		c.BasicConstraintsValid && !c.IsCA && c.MaxPathLen == -1 && c.KeyUsage == x509.KeyUsageDigitalSignature && forClients(c)
}

// certificate returns the administrator at the other end of a TLS connection. That
// they have the private key is what the handshake has shown.
func (a *Authority) certificate(state *tls.ConnectionState) (Principal, error) {
	if !state.HandshakeComplete {
		return Principal{}, refused("the handshake is not complete")
	}
	c := state.PeerCertificates[0]
	i, err := a.identify(c)
	if err != nil {
		return Principal{}, err
	}
	if _, err := evidence.NewKey(c.PublicKey); err != nil {
		return Principal{}, refused("the certificate's key is weak")
	}
	serial := serialOf(c.SerialNumber)
	if a.revoked(serial) {
		return Principal{}, refused("the certificate is revoked, or it cannot be seen whether it is")
	}
	return Principal{Name: i.name, Role: i.role, Method: ByCertificate, Serial: serial, Authority: a.id(), Until: c.NotAfter.UTC()}, nil
}

func refused(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeUnauthorized, "", format, args...)
}
