package sevsnp

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// issuer is an ASK or ASVK whose signature by an anchor was verified.
type issuer struct {
	cert   *x509.Certificate
	anchor *anchor
}

// chain is a verified chain of exactly three certificates: key, issuer, anchor.
// It says that names, forms and signatures hold, which no time changes.
// Validity and revocation are examined on every use.
type chain struct {
	key    *keyCertificate
	issuer *issuer
	claims []evidence.CertificateClaims // of key and issuer
	listed []listed                     // of all three
}

// certificates returns the chain's certificates, the key's first.
func (c *chain) certificates() []*x509.Certificate {
	return []*x509.Certificate{c.key.cert, c.issuer.cert, c.issuer.anchor.cert}
}

// rsaBits is the size of AMD's root and signing keys.
const rsaBits = 4096

// isAuthority checks the form of a root's or issuer's certificate.
func isAuthority(cert *x509.Certificate) error {
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	switch {
	case cert.Version != 3:
		return fmt.Errorf("X.509 version %d", cert.Version)
	case !ok || public.N.BitLen() != rsaBits:
		return errors.New("the key is not RSA-4096")
	case cert.SignatureAlgorithm != x509.SHA384WithRSAPSS:
		return fmt.Errorf("signed with %v, not RSA-PSS with SHA-384", cert.SignatureAlgorithm)
	case !cert.BasicConstraintsValid || !cert.IsCA:
		return errors.New("it is no CA certificate")
	case cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New("its key usage forbids signing certificates")
	}
	for _, ext := range cert.Extensions {
		if ext.Critical && !isEvaluated(ext.Id) {
			return fmt.Errorf("unknown critical extension %v", ext.Id)
		}
	}
	return nil
}

// signedBy checks child's signature by parent, whose form isAuthority accepted.
func signedBy(child, parent *x509.Certificate) error {
	if err := parent.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature); err != nil {
		return fmt.Errorf("the signature on %q by %q does not verify", child.Subject.CommonName, parent.Subject.CommonName)
	}
	return nil
}

// proveIssuer verifies that cert was issued by one of the anchors.
func (v *Verifier) proveIssuer(cert *x509.Certificate) (*issuer, error) {
	id := digest(sha256.Sum256(cert.Raw))
	if known, ok := v.issuers.Get(id); ok {
		return known, nil
	}
	if err := isAuthority(cert); err != nil {
		return nil, fmt.Errorf("%s: %w", cert.Subject.CommonName, err)
	}
	failure := fmt.Errorf("%q was issued by %q, which is no trusted root", cert.Subject.CommonName, cert.Issuer.CommonName)
	for _, a := range v.anchors {
		if !bytes.Equal(cert.RawIssuer, a.cert.RawSubject) {
			continue
		}
		if err := signedBy(cert, a.cert); err != nil {
			failure = err
			continue
		}
		proven := &issuer{cert, a}
		v.issuers.Put(id, proven)
		return proven, nil
	}
	return nil, failure
}

// prove verifies the chain from key over the issuer to an anchor, all but time
// and revocation.
func (v *Verifier) prove(key *keyCertificate, cert *x509.Certificate) (*chain, error) {
	id := chainDigest(key.cert, cert)
	if known, ok := v.chains.Get(id); ok {
		return known, nil
	}
	by, err := v.proveIssuer(cert)
	if err != nil {
		return nil, err
	}
	want := by.anchor.product.names(key.kind)
	switch {
	case by.cert.Subject.CommonName != want.issuer:
		return nil, fmt.Errorf("a %s is issued by %s, not by %q", key.kind, want.issuer, by.cert.Subject.CommonName)
	case key.cert.Subject.CommonName != want.key:
		return nil, fmt.Errorf("the subject is %q, want %s", key.cert.Subject.CommonName, want.key)
	case !bytes.Equal(by.cert.RawSubject, by.anchor.issuer[key.kind]), key.cert.Subject.SerialNumber != by.anchor.cert.Subject.SerialNumber:
		// Simulators mark every name by a serial number, and AMD's have none.
		return nil, fmt.Errorf("the names %q and %q are not like that of their root, %q", key.cert.Subject, by.cert.Subject, by.anchor.name)
	case !bytes.Equal(key.cert.RawIssuer, by.cert.RawSubject):
		return nil, fmt.Errorf("issued by %q, not by %q", key.cert.Issuer.CommonName, by.cert.Subject.CommonName)
	}
	if err := signedBy(key.cert, by.cert); err != nil {
		return nil, err
	}
	proven := &chain{key: key, issuer: by, claims: evidence.CertificatesOf(key.cert, by.cert)}
	for _, cert := range proven.certificates() {
		proven.listed = append(proven.listed, listed{cert.Subject.CommonName, cert.SerialNumber})
	}
	v.chains.Put(id, proven)
	v.keys.Put(sha256.Sum256(key.cert.Raw), key)
	return proven, nil
}

// chainDigest is the SHA-256 of the two certificates' exact bytes. Each
// certificate is a DER SEQUENCE, so that their border cannot move.
func chainDigest(key, issuer *x509.Certificate) digest {
	h := sha256.New()
	h.Write(key.Raw)
	h.Write(issuer.Raw)
	return digest(h.Sum(nil))
}

// issuersOf returns the certificates that may have issued key, and how many of
// the endorsements may have besides: first those that an anchor is known to have
// issued, then those that this build carries, that came with the report, and that
// are endorsements.
func (v *Verifier) issuersOf(key *keyCertificate, e *tee.Endorsements, supplied []*x509.Certificate) (found []*x509.Certificate, untried int) {
	var proven []*x509.Certificate
	add := func(certs []*x509.Certificate, most int) (untried int) {
		for _, cert := range certs {
			if !bytes.Equal(cert.RawSubject, key.cert.RawIssuer) || slices.ContainsFunc(found, cert.Equal) || slices.ContainsFunc(proven, cert.Equal) {
				continue
			}
			switch _, known := v.issuers.Get(sha256.Sum256(cert.Raw)); {
			case known:
				proven = append(proven, cert)
			case most == 0:
				untried++
			default:
				most--
				found = append(found, cert)
			}
		}
		return untried
	}
	for _, a := range v.anchors {
		add(a.issuers, maxIssuers)
	}
	add(supplied, maxSentIssuers) // a sender who adds more does so at his own cost
	untried = add(e.BySubject(key.cert.RawIssuer), maxIssuers)
	return append(proven, found...), untried
}

// isExpected reports whether a trusted root's issuer would have the name of key's
// issuer, all of it.
func (v *Verifier) isExpected(key *keyCertificate) bool {
	return slices.ContainsFunc(v.anchors, func(a *anchor) bool {
		return bytes.Equal(a.issuer[key.kind], key.cert.RawIssuer)
	})
}

// hasIssuer reports whether, for each root of the line, a certificate is at hand
// that names itself that of the issuer of such keys.
func (v *Verifier) hasIssuer(key signingKey, line *product, in *input) bool {
	for _, a := range v.anchors {
		name := a.issuer[key]
		named := func(cert *x509.Certificate) bool { return bytes.Equal(cert.RawSubject, name) }
		if a.product == line && !slices.ContainsFunc(a.issuers, named) && !slices.ContainsFunc(in.supplied, named) && len(in.endorsements.BySubject(name)) == 0 {
			return false
		}
	}
	return true
}

// path is what was found out about one chain at one time.
type path struct {
	chain      *chain
	checks     evidence.Checks
	validUntil time.Time
	covered    bool      // a current revocation list was consulted
	nextUpdate time.Time // of the newest list that counts, or zero
}

// examineChain looks for a chain that holds. It returns the first without a
// failure, or else the first that was tried; nil if no chain could be verified.
func (v *Verifier) examineChain(key *keyCertificate, in *input, checks *evidence.Checks) (*path, []tee.EndorsementName) {
	const want = "key, one AMD signing key, trusted AMD root key"
	issuers, untried := v.issuersOf(key, in.endorsements, in.supplied)
	if len(issuers) == 0 {
		return nil, v.withoutIssuer(key, checks, want)
	}
	var best *path
	var failure error
	for _, cert := range issuers {
		proven, err := v.prove(key, cert)
		if err != nil {
			failure = err
			continue
		}
		p := v.examinePath(proven, in)
		if best == nil || len(p.checks.Failed()) == 0 {
			best = p
		}
		if len(p.checks.Failed()) == 0 {
			break
		}
	}
	if best == nil && untried > 0 && v.isExpected(key) {
		notPerformed(checks, "no chain was verified", evidence.CodeSNPValidity, evidence.CodeSNPRevocation)
		return nil, missingIssuer(key, checks, want, fmt.Sprintf("%s, and %d more certificates have the issuer's name", failure, untried))
	}
	if best == nil {
		checks.Fail(evidence.CodeSNPChain, want, failure.Error())
		notPerformed(checks, "no chain was verified", evidence.CodeSNPValidity, evidence.CodeSNPRevocation)
		return nil, nil
	}
	a := best.chain.issuer.anchor
	checks.Pass(evidence.CodeSNPChain, fmt.Sprintf("%s, %s, %s (%s)", key.cert.Subject.CommonName, best.chain.issuer.cert.Subject.CommonName, a.cert.Subject.CommonName, a.origin))
	*checks = append(*checks, best.checks...)
	return best, nil
}

// withoutIssuer reports that nothing could be tried: undecided if only the
// issuer's certificate is missing, refused if no trusted root has such an issuer.
func (v *Verifier) withoutIssuer(key *keyCertificate, checks *evidence.Checks, want string) []tee.EndorsementName {
	notPerformed(checks, "the issuer's certificate is not there", evidence.CodeSNPValidity, evidence.CodeSNPRevocation)
	name := key.cert.Issuer.CommonName
	if !v.isExpected(key) {
		checks.Fail(evidence.CodeSNPChain, want, fmt.Sprintf("issued by %q, under no trusted root", name))
		return nil
	}
	return missingIssuer(key, checks, want, fmt.Sprintf("the certificate of %q is not there", name))
}

// missingIssuer reports that the certificate of key's issuer was not found.
func missingIssuer(key *keyCertificate, checks *evidence.Checks, want, why string) []tee.EndorsementName {
	checks.NotPerformed(evidence.CodeSNPChain, want, why)
	return []tee.EndorsementName{issuerName(key.kind, productOfIssuer(key.cert, key.kind))}
}

// examinePath checks what time can change about a verified chain.
func (v *Verifier) examinePath(c *chain, in *input) *path {
	p := &path{chain: c}
	until := c.key.cert.NotAfter
	for _, cert := range c.certificates() {
		if cert.NotAfter.Before(until) {
			until = cert.NotAfter
		}
	}
	p.validUntil = until
	examineValidity(c, in.now, &p.checks)
	v.examineRevocation(p, in)
	return p
}

func examineValidity(c *chain, now time.Time, checks *evidence.Checks) {
	for _, cert := range c.certificates() {
		if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
			checks.Fail(evidence.CodeSNPValidity, "valid at "+stamp(now), fmt.Sprintf("%s: %s to %s", cert.Subject.CommonName, stamp(cert.NotBefore), stamp(cert.NotAfter)))
			return
		}
	}
	checks.Pass(evidence.CodeSNPValidity, fmt.Sprintf("%s: %s to %s", c.key.cert.Subject.CommonName, stamp(c.key.cert.NotBefore), stamp(c.key.cert.NotAfter)))
}

// stamp writes a time for people.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
