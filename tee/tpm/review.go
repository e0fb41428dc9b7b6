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

// reviewing is one review: the claims as they are by now, and the checks.
type reviewing struct {
	v      *Verifier
	e      *tee.Endorsements
	p      tee.Params
	all    evidence.Claims
	claims *evidence.TPMClaims // of all
	checks evidence.Checks
}

// Review implements [tee.Reviewer]: whether what vouches for the attestation key still
// does, whether an issuer's list names a certificate of its chain, and whether an
// administrator revoked it.
func (v *Verifier) Review(recorded evidence.Claims, e *tee.Endorsements, p tee.Params) (evidence.Claims, evidence.Checks) {
	x := &reviewing{v: v, e: e, p: p, all: recorded.Clone()}
	if x.claims = x.all.TPM; x.claims == nil || x.all.TrustAnchor == nil {
		x.unknown(evidence.CodeReviewClaims, "the claims name no trust anchor, or are of no quote")
		return x.all, x.checks
	}
	switch x.claims.AKSource {
	case evidence.AKSourceTEE:
		x.vouched()
	case evidence.AKSourceGiven:
		x.given()
	case evidence.AKSourceCertificate, evidence.AKSourceEnrolled:
		x.certified()
	default:
		x.unknown(evidence.CodeReviewAnchor, "the claims do not say why the key was trusted")
	}
	x.recall()
	return x.all, x.checks
}

// unknown records that a check could not be made.
func (x *reviewing) unknown(code evidence.Code, why string) { x.checks.NotPerformed(code, "", why) }

func (x *reviewing) trust(anchor evidence.TrustAnchor) {
	x.checks.Pass(evidence.CodeReviewAnchor, anchor.Name)
	anchor.SHA256 = slices.Clone(anchor.SHA256)
	x.all.TrustAnchor, x.all.Simulated = &anchor, anchor.Origin == evidence.OriginSimulated
}

// vouched goes by the item that vouches for the key, which is judged by itself.
func (x *reviewing) vouched() {
	if x.p.Vouched == nil || x.p.Vouched.Anchor == nil {
		x.unknown(evidence.CodeTPMAKVouched, "the item that vouched for the key is not there, or is refused by now")
		return
	}
	x.trust(*x.p.Vouched.Anchor)
}

// given asks whether the operator still vouches for the key.
func (x *reviewing) given() {
	given := x.givenKey()
	if given == nil {
		x.checks.Fail(evidence.CodeReviewAnchor, "a given attestation key", x.all.TrustAnchor.Name)
		return
	}
	x.trust(given.trustAnchor)
}

// givenKey returns the key of the claims if the operator gave it, or nil.
func (x *reviewing) givenKey() *givenKey {
	if len(x.claims.AKSHA256) != len(digest{}) {
		return nil
	}
	return x.v.keys[digest(x.claims.AKSHA256)]
}

// certified judges a key whose certificate vouches for it, or the operator by now.
func (x *reviewing) certified() {
	root := slices.IndexFunc(x.v.anchors, func(a *anchor) bool { return bytes.Equal(a.sha256[:], x.all.TrustAnchor.SHA256) })
	switch {
	case root < 0 && x.givenKey() != nil:
		x.claims.AKSource, x.claims.AKProvider, x.claims.EKSHA256 = evidence.AKSourceGiven, "", nil
		x.claims.RevocationChecked, x.claims.RevocationNextUpdate, x.all.Certificates = false, time.Time{}, nil
		x.given()
	case root < 0:
		x.checks.Fail(evidence.CodeReviewAnchor, "a trusted root", x.all.TrustAnchor.Name)
	default:
		x.trust(*x.v.anchors[root].claim())
		x.revocation(x.v.anchors[root])
	}
}

// revocation looks the recorded certificates up in the lists of their issuers.
func (x *reviewing) revocation(root *anchor) {
	switch {
	case root.enrolment:
		x.checks.NotApplicable(evidence.CodeTPMAKRevocation, ownCertificates)
		return
	case len(x.all.Certificates) == 0:
		x.unknown(evidence.CodeTPMAKRevocation, "the claims name no certificates")
		return
	}
	lists, err := x.v.judgeRevocation(&x.checks, x.below(root), x.e, x.p.Now)
	switch {
	case errors.Is(err, errRevoked):
		x.checks.Fail(evidence.CodeTPMAKRevocation, "not revoked", err.Error())
	case err != nil:
		x.unknown(evidence.CodeTPMAKRevocation, err.Error())
	case lists.whole:
		x.claims.RevocationChecked, x.claims.RevocationNextUpdate = true, lists.next
	case lists.next.After(x.claims.RevocationNextUpdate): // lists do not make a machine worse by growing old
		x.claims.RevocationNextUpdate = lists.next
	}
}

// below is what lists know the recorded certificates by. Issuers that are not at hand
// are nil.
func (x *reviewing) below(root *anchor) []listed {
	recorded := x.all.Certificates
	all := make([]listed, len(recorded))
	for n, cert := range recorded {
		all[n] = listed{rawIssuer: cert.Issuer, serial: cert.SerialNumber()}
		switch {
		case all[n].serial == nil:
		case n+1 < len(recorded):
			all[n].issuer = x.issuer(cert.Issuer, recorded[n+1].SPKISHA256)
		default:
			all[n].issuer = root.cert
		}
	}
	return all
}

// issuer finds the CA of this name and key. That it is the right one its key shows,
// which was verified when the claims were made.
func (x *reviewing) issuer(subject, spki []byte) *x509.Certificate {
	isIt := func(cert *x509.Certificate) bool {
		return bytes.Equal(cert.RawSubject, subject) && isIssuer(cert) &&
			bytes.Equal(evidence.CertificatesOf(cert)[0].SPKISHA256, spki)
	}
	for _, source := range [][]*x509.Certificate{x.v.intermediates, x.e.BySubject(subject)} {
		if n := slices.IndexFunc(source, isIt); n >= 0 {
			return source[n]
		}
	}
	return nil
}

// recall asks whether the key was revoked. One that was only superseded spoke the truth
// while it was in use, and one that is not known any more may have been forgotten.
func (x *reviewing) recall() {
	const want = "not revoked"
	if x.p.Earlier == nil || len(x.claims.AKSHA256) != len(digest{}) {
		x.unknown(evidence.CodeTPMAKRevoked, "nothing is known of keys, or the claims name none")
		return
	}
	switch state := x.p.Earlier(keyID(digest(x.claims.AKSHA256), x.all.Simulated)); {
	case state == nil:
		x.unknown(evidence.CodeTPMAKRevoked, "the key is not known")
	case state.Superseded:
		x.checks = append(x.checks, evidence.Check{Code: evidence.CodeTPMAKRevoked, Status: evidence.Warn, Want: want, Got: "superseded by a later enrolment"})
	default:
		x.checks.Judge(!state.Revoked, evidence.CodeTPMAKRevoked, want, x.claims.AKSHA256.String())
	}
}
