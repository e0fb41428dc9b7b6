package tpm

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// judgeCertificate judges whether the endorsement key's certificate vouches for it.
func (x *enrolment) judgeCertificate() {
	got := fmt.Sprintf("%d certificates", 1+len(x.extra))
	if x.leaf.around != "" {
		got += "; " + x.leaf.around
	}
	x.checks().Pass(evidence.CodeTPMEKFormat, got)
	if len(x.n.trust.anchors) == 0 {
		x.untrusted("a certificate, but no root is configured")
		return
	}
	if unknown := x.leaf.UnhandledCriticalExtensions; len(unknown) > 0 {
		x.checks().Fail(evidence.CodeTPMEKExtensions, "no unknown critical extension", fmt.Sprint(unknown))
		x.leaf.judgeUsage(x.checks(), nil)
		return
	}
	x.checks().Pass(evidence.CodeTPMEKExtensions, "none unknown is critical")
	sent := spellings{}
	for _, cert := range x.extra {
		sent.add(cert)
	}
	var extra []*x509.Certificate
	for _, cert := range x.extra {
		extra = append(extra, respell(cert, sent, x.n.spellings))
	}
	leaf := respell(x.leaf.Certificate, sent, x.n.spellings)
	between, cut := x.n.trust.gather(leaf, extra, x.e)
	c, err := x.n.trust.prove(akCertificate{Certificate: leaf}, between, x.now)
	if err != nil && cut { // the right one may be among the others
		err = missingIssuer(x.leaf.Issuer.String())
	}
	if err != nil {
		x.unproved(err)
		return
	}
	x.trustChain(c)
}

// unproved records why there is no chain.
func (x *enrolment) unproved(err error) {
	const want = "a chain to a configured root"
	var missing missingIssuer
	if errors.As(err, &missing) {
		x.checks().NotPerformed(evidence.CodeTPMEKChain, want, err.Error())
		x.out.Missing = append(x.out.Missing, tee.EndorsementName{Type: "ek-intermediate", ID: string(missing)})
	} else {
		x.checks().Fail(evidence.CodeTPMEKChain, want, err.Error())
		x.untrusted("a certificate without a chain to a configured root")
	}
	x.leaf.judgeUsage(x.checks(), nil)
}

// trustChain judges a chain whose signatures hold: use, validity and revocation.
func (x *enrolment) trustChain(c *chain) {
	x.trust("certificate", c.anchor.claim())
	identity := x.leaf.identity
	x.out.Claims.Manufacturer, x.out.Claims.Model, x.out.Claims.Version = identity.manufacturer, identity.model, identity.version
	x.out.Claims.Provider = identity.provider(c.anchor)
	x.checks().Pass(evidence.CodeTPMEKChain, fmt.Sprintf("%d certificates up to %s", 1+len(c.issuers), c.anchor.name))
	path := append([]*x509.Certificate{c.leaf.Certificate}, c.issuers...)
	if misused := misusedIn(path); misused != nil {
		x.checks().Fail(evidence.CodeTPMEKUsage, "issuers that may issue for TPMs", fmt.Sprintf("%q, %s", misused.Subject, akCertificate{Certificate: misused}.usage()))
	} else {
		x.leaf.judgeUsage(x.checks(), c.anchor)
	}
	x.checks().Judge(c.validAt(x.now), evidence.CodeTPMEKValidity, "valid at "+x.now.UTC().Format(time.RFC3339),
		fmt.Sprintf("valid from %s to %s", c.notBefore.UTC().Format(time.RFC3339), c.notAfter.UTC().Format(time.RFC3339)))
	x.out.ValidUntil = c.notAfter
	if until := x.judgeRevocation(path); !until.IsZero() && until.Before(c.notAfter) {
		x.out.ValidUntil = until
	}
}

// judgeRevocation examines each certificate of path below the root against the
// lists of its issuer that are at hand. It returns when the first list that was
// used ends to be current, or the zero time if none was used.
func (x *enrolment) judgeRevocation(path []*x509.Certificate) time.Time {
	const want = "not revoked"
	var ends []time.Time
	for n, cert := range path[:len(path)-1] {
		next, err := x.n.trust.revocationOf(listed{cert.RawIssuer, cert.SerialNumber, path[n+1]}, x.e, x.now)
		if err != nil {
			x.checks().Fail(evidence.CodeTPMEKRevocation, want, fmt.Sprintf("certificate %d of the chain, serial %x, %s", n+1, cert.SerialNumber, err))
			x.untrusted("a certificate that is revoked")
			return time.Time{}
		}
		if x.now.Before(next) {
			ends = append(ends, next)
		}
	}
	got := fmt.Sprintf("current lists for %d of %d certificates", len(ends), len(path)-1)
	if len(ends) < len(path)-1 {
		x.checks().NotPerformed(evidence.CodeTPMEKRevocation, want, got)
	} else {
		x.checks().Pass(evidence.CodeTPMEKRevocation, got)
	}
	if len(ends) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(ends, time.Time.Compare)
}
