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

// findKey determines the attestation key, and what vouches for it: a report or
// quote of a TEE, the operator, or a certificate's chain.
func (x *examination) findKey() {
	switch {
	case x.vouched != nil:
		x.findVouched()
	case len(x.item.AKCertificates) > 0:
		x.findByCertificate()
	case len(x.item.AKPublic) > 0:
		x.findByArea()
	default:
		x.findByTrial()
	}
	if x.key != nil {
		x.claims.AKSHA256 = slices.Clone(x.key.fingerprint[:])
	}
}

// trustGiven records that the operator vouches for the key.
func (x *examination) trustGiven(given *givenKey) {
	x.key, x.given = &given.key, given
	x.claims.AKSource = evidence.AKSourceGiven
	anchor := given.trustAnchor
	anchor.SHA256 = slices.Clone(anchor.SHA256)
	x.trust(&anchor)
	x.checks().Pass(evidence.CodeTPMAKGiven, fmt.Sprintf("%s, %s", anchor.Name, anchor.SHA256))
}

func (x *examination) trust(anchor *evidence.TrustAnchor) {
	x.out.Claims.TrustAnchor = anchor
	x.out.Claims.Simulated = anchor.Origin == evidence.OriginSimulated
}

// untrusted records that nothing vouches for the key.
func (x *examination) untrusted(got string) {
	x.checks().Fail(evidence.CodeTPMAKUntrusted, "an attestation key that was given, or a certificate under a configured root", got)
}

// findByArea takes the key from the public area that came along.
func (x *examination) findByArea() {
	if x.sent == nil {
		x.untrusted("the public area cannot be decoded, and no certificate came along")
		return
	}
	if given, ok := x.v.areas[string(x.item.AKPublic)]; ok {
		x.trustGiven(given)
		return
	}
	key, err := newAKKey(x.sent.key)
	if err != nil {
		x.failed(err, "an accepted key")
		return
	}
	x.key = &key
	if given, ok := x.v.keys[key.fingerprint]; ok {
		x.trustGiven(given)
		return
	}
	x.untrusted(fmt.Sprintf("key %x without a certificate", key.fingerprint))
}

// findByTrial finds the key among those given, for a quote that names none.
func (x *examination) findByTrial() {
	switch trials := x.v.trials; {
	case len(x.v.keys) == 0:
		x.untrusted("no key was given, and neither certificate nor public area came along")
	case len(trials) == 0:
		x.untrusted(fmt.Sprintf("the evidence does not name its key: with more than %d keys given it must carry a public area", maxTrials))
	case len(trials) == 1:
		x.trustGiven(trials[0])
	default:
		x.try(trials)
	}
}

// try trusts the first key that made the signature.
func (x *examination) try(trials []*givenKey) {
	if x.signature == nil || !x.signature.hash.strong() {
		x.checks().NotPerformed(evidence.CodeTPMAKGiven, "", "several keys were given, and the signature cannot tell which is meant")
		return
	}
	for _, given := range trials {
		if x.signature.fits(given.key.public) && x.signature.verify(given.key.public, x.item.Attest) {
			x.trustGiven(given)
			return
		}
	}
	x.untrusted(fmt.Sprintf("none of the %d given keys made the signature", len(trials)))
}

// findByCertificate takes the key from the first certificate that came along.
func (x *examination) findByCertificate() {
	if err := checkSizes(x.item.AKCertificates); err != nil {
		x.failed(err, "certificates within bounds")
		return
	}
	id := digestOf(x.item.AKCertificates...)
	if c, ok := x.v.chains.Get(id); ok && c.validAt(x.now) && c.rests(x.v, x.item, x.e) {
		x.passFormat(c.leaf)
		x.key = &c.key // not a given one: chains are proved, and remembered, only for others
		x.trustChain(c)
		return
	}
	x.proveCertificate(id)
}

func checkSizes(certificates [][]byte) error {
	if len(certificates) > evidence.MaxCertificates {
		return certificateError("%d certificates, at most %d are read", len(certificates), evidence.MaxCertificates)
	}
	for _, der := range certificates {
		if len(der) > evidence.MaxCertificate {
			return certificateError("a certificate of %d bytes, at most %d are read", len(der), evidence.MaxCertificate)
		}
	}
	return nil
}

// proveCertificate reads the certificates and looks for a chain to an anchor.
func (x *examination) proveCertificate(id digest) {
	leaf, extra, err := parseCertificates(x.item)
	if err != nil {
		x.failed(err, "X.509 certificates in DER")
		return
	}
	x.passFormat(leaf)
	key, err := newAKKey(leaf.PublicKey)
	if err != nil {
		x.failed(err, "an accepted key")
		return
	}
	x.key = &key
	if given, ok := x.v.keys[key.fingerprint]; ok {
		x.trustByKey(given)
		return
	}
	if len(x.v.anchors) == 0 {
		x.untrusted("a certificate, but no root is configured")
		return
	}
	if len(leaf.UnhandledCriticalExtensions) > 0 {
		x.checks().Fail(evidence.CodeTPMAKExtensions, "no unknown critical extension", fmt.Sprint(leaf.UnhandledCriticalExtensions))
		leaf.judgeUsage(x.checks(), nil)
		return
	}
	between, cut := x.v.gather(leaf.Certificate, extra, x.e)
	c, err := x.v.prove(leaf, between, x.now)
	if err != nil && cut { // the right one may be among the others
		err = missingIssuer(leaf.Issuer.String())
	}
	if err != nil {
		x.unproved(leaf, err)
		return
	}
	c.key = key
	if c.validAt(x.now) {
		x.v.chains.Put(id, c)
	}
	x.trustChain(c)
}

// passFormat records that the certificates could be read, and the padding.
func (x *examination) passFormat(leaf akCertificate) {
	got := fmt.Sprintf("%d certificates", len(x.item.AKCertificates))
	if leaf.padding != "" {
		got += "; " + leaf.padding
	}
	x.checks().Pass(evidence.CodeTPMAKFormat, got)
}

// trustByKey prefers the operator's word about the key to its certificate's.
func (x *examination) trustByKey(given *givenKey) {
	x.trustGiven(given)
	x.checks().NotApplicable(evidence.CodeTPMAKChain, "the operator gave the key; its certificate is not needed")
}

// unproved records why there is no chain.
func (x *examination) unproved(leaf akCertificate, err error) {
	const want = "a chain to a configured root"
	var missing missingIssuer
	if errors.As(err, &missing) {
		x.checks().NotPerformed(evidence.CodeTPMAKChain, want, err.Error())
		x.out.Missing = append(x.out.Missing, tee.EndorsementName{Type: "ak-intermediate", ID: string(missing)})
	} else {
		x.checks().Fail(evidence.CodeTPMAKChain, want, err.Error())
	}
	leaf.judgeUsage(x.checks(), nil)
}

// trustChain judges a chain whose signatures hold: use, validity and revocation.
func (x *examination) trustChain(c *chain) {
	x.chain = c
	x.claims.AKSource, x.claims.AKProvider = evidence.AKSourceCertificate, c.anchor.provider()
	x.trust(c.anchor.claim())
	x.out.Claims.Certificates = evidence.CloneCertificates(c.claims)
	x.checks().Pass(evidence.CodeTPMAKExtensions, "none unknown is critical")
	x.checks().Pass(evidence.CodeTPMAKChain, fmt.Sprintf("%d certificates up to %s", 1+len(c.issuers), c.anchor.name))
	if misused := misusedIn(append([]*x509.Certificate{c.leaf.Certificate}, c.issuers...)); misused != nil {
		x.checks().Fail(evidence.CodeTPMAKUsage, "issuers that may issue for TPMs", fmt.Sprintf("%q, %s", misused.Subject, akCertificate{Certificate: misused}.usage()))
	} else {
		c.leaf.judgeUsage(x.checks(), c.anchor)
	}
	x.checks().Judge(c.validAt(x.now), evidence.CodeTPMAKValidity, "valid at "+x.now.UTC().Format(time.RFC3339),
		fmt.Sprintf("valid from %s to %s", c.notBefore.UTC().Format(time.RFC3339), c.notAfter.UTC().Format(time.RFC3339)))
	x.out.ValidUntil = c.notAfter
	if c.anchor.enrolment {
		x.trustEnrolment(c)
		return
	}
	lists, err := x.v.judgeRevocation(x.checks(), c.listedIn(), x.e, x.now)
	if err != nil {
		x.checks().Fail(evidence.CodeTPMAKRevocation, "not revoked", err.Error())
	}
	if !lists.until.IsZero() && lists.until.Before(c.notAfter) {
		x.out.ValidUntil = lists.until
	}
	x.claims.RevocationChecked, x.claims.RevocationNextUpdate = lists.whole, lists.next
	if !lists.whole {
		x.out.Lacking = []tee.EndorsementName{{Type: "crl", ID: c.anchor.name}}
	}
}

// ownCertificates says why no list is asked about them.
const ownCertificates = "certificates of this service live shortly, and it knows itself which are superseded"

// trustEnrolment records whose key it is that this service certified, which judged
// its public area then. Its certificates are short-lived, and revoked by what earlier
// appraisals left.
func (x *examination) trustEnrolment(c *chain) {
	x.claims.AKSource = evidence.AKSourceEnrolled
	x.claims.EKSHA256, x.claims.AKProvider = c.leaf.endorsementKey()
	restricted := true
	x.claims.AKRestricted = &restricted
	if x.claims.EKSHA256 == nil {
		x.checks().Fail(evidence.CodeTPMAKExtensions, "the endorsement key that it was enrolled with", "no permanent identifier "+enrolledPrefix+"…")
	}
	x.checks().NotApplicable(evidence.CodeTPMAKRevocation, ownCertificates)
}
