package client

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Identity is what an attestation brought.
type Identity struct {
	// AttestationID finds the attestation in the service's ledger.
	AttestationID string
	Workload      string
	SPIFFEID      string
	// Simulated says that the identity rests on simulated evidence: it proves nothing.
	Simulated    bool
	PolicyDigest string
	// Certificate is the X509-SVID with its chain and the key; nil without one.
	Certificate *tls.Certificate
	// Roots verify the certificates of the trust domain's other members; nil
	// without a certificate.
	Roots *x509.CertPool
	// Bundle is the SPIFFE trust bundle as the service sent it.
	Bundle json.RawMessage
	// Token is the attestation result, or nil if none was asked for.
	Token *Token
	// JWTSVID is the JWT-SVID, or nil if none was asked for.
	JWTSVID *JWTSVID
	// NotAfter is when the identity ends, RenewAt when to attest again.
	NotAfter, RenewAt time.Time
	// Checks lists what the service examined, as far as this build knows the codes.
	Checks evidence.Checks
}

// Token is an attestation result (EAR). The client does not verify it: that is
// for the relying party that it is for.
type Token struct {
	ID      string // jti
	JWT     string // empty if not asked for
	CWT     []byte // nil if not asked for
	Expires time.Time
}

// identity checks a response and takes it apart.
func (c *Client) identity(r attestationResponse, key crypto.Signer, public evidence.Key, o AttestOptions) (*Identity, error) {
	if r.Verdict != "accepted" || r.AttestationID == "" || !strings.HasPrefix(r.SPIFFEID, "spiffe://"+c.trustDomain+"/") {
		return nil, evidence.Errorf(evidence.CodeResponseIdentity, "spiffe_id", "the answer grants no identity in trust domain %q", c.trustDomain)
	}
	id := &Identity{
		AttestationID: r.AttestationID, Workload: r.Workload, SPIFFEID: r.SPIFFEID, Simulated: r.Simulated,
		PolicyDigest: r.PolicyDigest, Bundle: r.Bundle, NotAfter: r.NotAfter, RenewAt: r.RenewAt, Checks: r.Checks.Known(),
	}
	if (r.SVID != nil) != (o.Purpose == evidence.PurposeCertificate) {
		return nil, unusable("svid", "the answer's certificate does not fit the purpose")
	}
	if r.SVID != nil {
		roots, err := c.published(r.Bundle)
		if err != nil {
			return nil, err
		}
		leaf, chain, err := c.verifiedChain(r.SVID.Certificates, r.SPIFFEID, public, roots)
		if err != nil {
			return nil, err
		}
		if slices.Contains(leaf.Subject.Organization, evidence.SimulatedOrganization) != r.Simulated {
			return nil, evidence.Errorf(evidence.CodeResponseIdentity, "simulated", "the answer and its certificate disagree on whether the evidence is simulated")
		}
		id.Certificate = &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}
		id.Roots, id.NotAfter = roots, leaf.NotAfter
	}
	if err := id.boundTimes(c.now()); err != nil {
		return nil, err
	}
	var err error
	if wanted := wantedFormats(o); len(wanted) > 0 {
		if id.Token, err = r.EAR.token(wanted); err != nil {
			return nil, err
		}
	}
	if len(o.JWTSVID) > 0 {
		id.JWTSVID, err = c.jwtSVID(r, o.JWTSVID)
	}
	return id, err
}

// boundTimes refuses an end that no identity has, and keeps the time of renewal
// between now and that end, whatever the service says of it: one outside would
// have the holder come back never, or at once and again.
func (id *Identity) boundTimes(now time.Time) error {
	left := id.NotAfter.Sub(now)
	if left <= 0 || left > maxLife {
		return evidence.Errorf(evidence.CodeResponseIdentity, "not_after", "the identity is over, or ends after %s", maxLife)
	}
	if id.RenewAt.Before(now) || !id.RenewAt.Before(id.NotAfter) {
		id.RenewAt = now.Add(left / 2)
	}
	return nil
}

// wantedFormats are the formats that must come back.
func wantedFormats(o AttestOptions) []Format {
	if o.Purpose == evidence.PurposeToken && len(o.Tokens)+len(o.JWTSVID) == 0 {
		return []Format{JWT}
	}
	return o.Tokens
}

// verifiedChain decodes the chain and verifies that it gives key this SPIFFE ID.
func (c *Client) verifiedChain(text, spiffeID string, key evidence.Key, roots *x509.CertPool) (leaf *x509.Certificate, chain [][]byte, err error) {
	refuse := func(format string, args ...any) error {
		return evidence.Errorf(evidence.CodeResponseIdentity, "svid", format, args...)
	}
	rest := []byte(text)
	intermediates := x509.NewCertPool()
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" || len(chain) == maxChain {
			return nil, nil, refuse("the chain is not 1 to %d PEM certificates", maxChain)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, refuse("a certificate cannot be decoded")
		}
		if chain = append(chain, block.Bytes); leaf == nil {
			leaf = cert
		} else {
			intermediates.AddCert(cert)
		}
	}
	switch {
	case leaf == nil:
		return nil, nil, refuse("the chain is empty")
	case !bytes.Equal(leaf.RawSubjectPublicKeyInfo, key.SPKI()):
		return nil, nil, refuse("the certificate is for another key")
	case len(leaf.URIs) != 1 || leaf.URIs[0].String() != spiffeID:
		return nil, nil, refuse("the certificate is not for %s alone", spiffeID)
	case leaf.NotAfter.Sub(c.now()) > maxLife:
		return nil, nil, refuse("the certificate ends after %s", maxLife)
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		CurrentTime: c.now(),
	})
	if err != nil {
		return nil, nil, refuse("the certificate does not verify: %w", err)
	}
	return leaf, chain, nil
}

// token checks that every wanted format is there.
func (e *earWire) token(wanted []Format) (*Token, error) {
	if e == nil {
		return nil, unusable("ear", "the token that was asked for is missing")
	}
	t := &Token{ID: e.ID, JWT: e.JWT, Expires: e.ExpiresAt}
	if e.CWT != "" {
		var err error
		if t.CWT, err = base64.RawURLEncoding.Strict().DecodeString(e.CWT); err != nil {
			return nil, unusable("ear", "the CWT is not base64url")
		}
	}
	for _, format := range wanted {
		if format == JWT && t.JWT == "" || format == CWT && len(t.CWT) == 0 {
			return nil, unusable("ear", "the token in format %q is missing", format)
		}
	}
	return t, nil
}
