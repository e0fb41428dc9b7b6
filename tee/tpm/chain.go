package tpm

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// chain is a verified chain of certificates: each signed the one before it, and
// the last one is a trust anchor. That stays true whatever the time is; whether
// the chain is valid at a time is asked for each use.
type chain struct {
	leaf      akCertificate
	key       akKey
	issuers   []*x509.Certificate          // from the leaf's issuer up to the anchor
	claims    []evidence.CertificateClaims // of what is below the anchor
	anchor    *anchor
	notBefore time.Time // the intersection of all validities
	notAfter  time.Time
}

// validAt reports whether every certificate of the chain is valid at now.
func (c *chain) validAt(now time.Time) bool {
	return !now.Before(c.notBefore) && !now.After(c.notAfter)
}

// The ways in which no chain is found; the third is [missingIssuer].
var (
	errNoAnchor = errors.New("it ends at a root that is not configured")
	errBroken   = errors.New("a signature does not verify, or an issuer must not issue such a certificate")
)

// missingIssuer is the name of a CA whose certificate is not at hand.
type missingIssuer string

func (m missingIssuer) Error() string { return "the certificate of " + string(m) + " is missing" }

// rests reports whether every certificate between leaf and anchor is at hand
// now, so that a remembered chain gives no other outcome than a new one.
func (c *chain) rests(v *Verifier, item *evidence.TPM, e *tee.Endorsements) bool {
	for _, issuer := range c.issuers[:len(c.issuers)-1] {
		same := func(cert *x509.Certificate) bool { return cert.Equal(issuer) }
		// Those that came along are part of what the chain is remembered by.
		cameAlong := slices.ContainsFunc(item.AKCertificates[1:], func(der []byte) bool { return bytes.HasPrefix(der, issuer.Raw) })
		if !cameAlong && !slices.ContainsFunc(v.intermediates, same) && !slices.ContainsFunc(e.BySubject(issuer.RawSubject), same) {
			return false
		}
	}
	return true
}

// candidates are certificates that may stand between a leaf and an anchor.
type candidates []*x509.Certificate

// gather collects certificates that may lead from leaf to an anchor by their
// names: those that came along, those that are configured, and endorsements.
// cut says that there are more than are tried.
func (v *Verifier) gather(leaf *x509.Certificate, extra []*x509.Certificate, e *tee.Endorsements) (found candidates, cut bool) {
	wanted := [][]byte{leaf.RawIssuer}
	for n := 0; n < len(wanted); n++ {
		of := func(cert *x509.Certificate) bool { return bytes.Equal(cert.RawSubject, wanted[n]) }
		for _, source := range [][]*x509.Certificate{extra, v.intermediates, e.BySubject(wanted[n])} {
			for _, cert := range source {
				if !of(cert) || !isIssuer(cert) || slices.ContainsFunc(found, cert.Equal) {
					continue
				}
				if len(found) == maxCandidates {
					return found, true
				}
				found = append(found, cert)
				wanted = append(wanted, cert.RawIssuer)
			}
		}
	}
	return found, false
}

// signed returns those of the candidates that an anchor signed, or another one that it signed, and
// so on. The others lead nowhere, but whoever makes certificates up can have a search
// among them take a hundred signatures by keys of his choice. Here each is checked by
// keys of anchors alone, or of CAs that these vouch for.
func (v *Verifier) signed(between candidates) candidates {
	var found candidates
	issuers := make([]*x509.Certificate, 0, len(v.anchors)+len(between))
	for _, a := range v.anchors {
		issuers = append(issuers, a.cert)
	}
	for n := 0; n < len(issuers); n++ {
		for _, cert := range between {
			if !bytes.Equal(cert.RawIssuer, issuers[n].RawSubject) || slices.ContainsFunc(found, cert.Equal) {
				continue
			}
			if cert.CheckSignatureFrom(issuers[n]) == nil {
				found = append(found, cert)
				issuers = append(issuers, cert)
			}
		}
	}
	return found
}

// build finds the shortest chain from leaf to an anchor that is valid at now, if
// there are several one whose issuers may all issue to TPMs.
// The standard library judges signatures, constraints and critical extensions.
func (v *Verifier) build(leaf akCertificate, between candidates, now time.Time) (*chain, error) {
	intermediates := x509.NewCertPool()
	for _, cert := range between {
		intermediates.AddCert(cert)
	}
	found, err := leaf.Verify(x509.VerifyOptions{
		Roots: v.roots, Intermediates: intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, // the leaf's is judged apart
	})
	if err != nil {
		return nil, err
	}
	if fit := slices.DeleteFunc(slices.Clone(found), func(path []*x509.Certificate) bool { return misusedIn(path) != nil }); len(fit) > 0 {
		found = fit
	}
	shortest := slices.MinFunc(found, func(a, b []*x509.Certificate) int { return len(a) - len(b) })
	if len(shortest) > v.longest {
		return nil, errBroken
	}
	root := shortest[len(shortest)-1]
	c := &chain{leaf: leaf, issuers: shortest[1:], anchor: v.anchorOf(root)}
	if c.anchor == nil || len(c.issuers) == 0 {
		return nil, errBroken
	}
	c.notBefore, c.notAfter = validity(shortest)
	c.claims = evidence.CertificatesOf(shortest[:len(shortest)-1]...)
	return c, nil
}

// misusedIn returns the first certificate between leaf and root whose extended
// key usage is for other purposes than a TPM's keys, or nil. The root is exempt:
// the operator chose it for them.
func misusedIn(path []*x509.Certificate) *x509.Certificate {
	for _, cert := range path[1 : len(path)-1] {
		if !mayIssueForTPMs(cert) {
			return cert
		}
	}
	return nil
}

// validity returns the times at which all certs are valid.
func validity(certs []*x509.Certificate) (notBefore, notAfter time.Time) {
	notBefore, notAfter = certs[0].NotBefore, certs[0].NotAfter
	for _, cert := range certs[1:] {
		if cert.NotBefore.After(notBefore) {
			notBefore = cert.NotBefore
		}
		if cert.NotAfter.Before(notAfter) {
			notAfter = cert.NotAfter
		}
	}
	return notBefore, notAfter
}

// prove returns the chain from leaf to an anchor, whether it is valid at now or
// not, or a missingIssuer, errNoAnchor or errBroken.
func (v *Verifier) prove(leaf akCertificate, between candidates, now time.Time) (*chain, error) {
	signed := v.signed(between)
	c, err := v.build(leaf, signed, now)
	if err == nil {
		return c, nil
	}
	// Names alone say what is wrong: which certificates should form the chain.
	path, err := v.pathByName(leaf.Certificate, between)
	if err != nil {
		return nil, err
	}
	// A chain that was or will be valid is told from one that never is.
	notBefore, notAfter := validity(path)
	if notAfter.Before(notBefore) {
		return nil, errBroken
	}
	if c, err = v.build(leaf, signed, notBefore); err != nil {
		return nil, errBroken
	}
	return c, nil
}

// pathByName follows issuers' names from leaf to an anchor, signatures unseen.
func (v *Verifier) pathByName(leaf *x509.Certificate, between candidates) ([]*x509.Certificate, error) {
	path := []*x509.Certificate{leaf}
	for len(path) < v.longest {
		last := path[len(path)-1]
		if root := v.anchorNamed(last.RawIssuer); root != nil {
			return append(path, root), nil
		}
		if bytes.Equal(last.RawSubject, last.RawIssuer) {
			return nil, errNoAnchor
		}
		next := slices.IndexFunc(between, func(cert *x509.Certificate) bool { return bytes.Equal(cert.RawSubject, last.RawIssuer) })
		if next < 0 {
			return nil, missingIssuer(last.Issuer.String())
		}
		path = append(path, between[next])
	}
	return nil, errBroken
}

func (v *Verifier) anchorNamed(rawSubject []byte) *x509.Certificate {
	for _, a := range v.anchors {
		if bytes.Equal(a.cert.RawSubject, rawSubject) {
			return a.cert
		}
	}
	return nil
}

func (v *Verifier) anchorOf(root *x509.Certificate) *anchor {
	for _, a := range v.anchors {
		if a.cert.Equal(root) {
			return a
		}
	}
	return nil
}
