package sevsnp

import (
	"bytes"
	"crypto/x509"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Admit returns what of found is authentic; see [tee.Endorser]. It takes the
// certificates of VCEKs and VLEKs whose chain leads to an anchor, of ASKs and
// ASVKs that an anchor issued, and revocation lists that an anchor signed. Roots
// are not among it: they come from the anchors alone.
//
// A name is made of what the signature covers, and a certificate that contradicts
// itself, or its issuer, answers to none. A root's list is complete for all that
// it issued, because it names no narrower scope (RFC 5280, 5.2.5), and so answers
// to the names of both lists. What is revoked is admitted nevertheless: it is
// authentic, and to consult the lists is for [Verifier.Verify].
//
// The names under a simulated root are those under AMD's, and the two can meet
// where both are trusted: then [tee.Endorsed.Simulated] tells them apart. To
// confuse them cannot make evidence genuine, for Verify heeds a list only for what
// its very root issued; a store that lets a simulated endorsement displace AMD's
// merely loses AMD's.
//
// A key's certificate by an issuer that is newer than the one at hand, after AMD
// rotated it, is admitted once the new issuer is held or found too.
//
// What was admitted is remembered as proven, so that Verify does not prove it again.
func (v *Verifier) Admit(found, held *tee.Endorsements, now time.Time) []tee.Endorsed {
	// What is held comes first, so that no heap of lookalikes hides an issuer in it.
	a := admission{v: v, around: held.Over(found), now: now, issuers: map[string][]*x509.Certificate{}, forgeries: maxForgeries}
	certs := found.Certificates()
	for _, cert := range certs { // before the keys, so that their issuers are proven once
		a.issuer(cert)
	}
	for _, cert := range certs {
		a.key(cert)
	}
	for _, list := range found.RevocationLists() {
		a.list(list)
	}
	return a.admitted
}

// admission is one pass over what was found.
type admission struct {
	v         *Verifier
	around    *tee.Endorsements // where issuers are looked for
	now       time.Time
	issuers   map[string][]*x509.Certificate // by DER subject, once a key asked for them
	forgeries int                            // how many more may prove to be none of an anchor's
	admitted  []tee.Endorsed
}

// give admits an endorsement under an anchor.
func (a *admission) give(under *anchor, e tee.Endorsed) {
	e.Simulated = under.origin == evidence.OriginSimulated
	a.admitted = append(a.admitted, e)
}

func (a *admission) giveCertificate(under *anchor, cert *x509.Certificate, name tee.EndorsementName) {
	a.give(under, tee.Endorsed{Provides: []tee.EndorsementName{name}, Certificate: cert, Issued: cert.NotBefore, Expires: cert.NotAfter})
}

// issuer admits an ASK or ASVK.
func (a *admission) issuer(cert *x509.Certificate) {
	if cert.NotBefore.After(a.now) || a.forgeries == 0 {
		return
	}
	key, ok := a.v.issuerKind(cert)
	if !ok {
		return
	}
	proven, err := a.v.proveIssuer(cert)
	if err != nil {
		a.forgeries--
		return
	}
	a.giveCertificate(proven.anchor, cert, issuerName(key, proven.anchor.product))
}

// issuerKind returns the keys that a certificate would issue by its name, if an
// anchor issued it.
func (v *Verifier) issuerKind(cert *x509.Certificate) (signingKey, bool) {
	for _, a := range v.anchors {
		for _, key := range []signingKey{vcek, vlek} {
			if bytes.Equal(cert.RawIssuer, a.cert.RawSubject) && cert.Subject.CommonName == a.product.names(key).issuer {
				return key, true
			}
		}
	}
	return 0, false
}

// key admits the certificate of a VCEK or VLEK.
func (a *admission) key(cert *x509.Certificate) {
	if cert.NotBefore.After(a.now) || a.forgeries == 0 || !isKeyLike(cert, vcek, vlek) {
		return
	}
	key := a.v.candidate(cert).key
	if key == nil || key.tcb.hasReserved() {
		return
	}
	issuers := a.issuersOf(key)
	for _, by := range issuers {
		proven, err := a.v.prove(key, by)
		if err != nil {
			continue
		}
		under := proven.issuer.anchor
		if under.product.matches(key.product) && under.product.layout == key.tcb.layout {
			name := keyName{key: key.kind, line: under.product, chip: key.hwid, tcb: key.tcb}.name()
			a.giveCertificate(under, cert, name)
		}
		return
	}
	if len(issuers) > 0 {
		a.forgeries--
	}
}

// issuersOf returns the certificates that may have issued key. It looks once for
// all keys of one issuer, because a heap may have very many of both.
func (a *admission) issuersOf(key *keyCertificate) []*x509.Certificate {
	name := string(key.cert.RawIssuer)
	if _, known := a.issuers[name]; !known {
		a.issuers[name], _ = a.v.issuersOf(key, a.around, nil)
	}
	return a.issuers[name]
}

// list admits a revocation list.
func (a *admission) list(list *x509.RevocationList) {
	if list.ThisUpdate.After(a.now) {
		return
	}
	for _, root := range a.v.anchors {
		if a.forgeries == 0 || !bytes.Equal(list.RawIssuer, root.cert.RawSubject) {
			continue
		}
		if a.v.proveCRL(list, root) != nil {
			a.forgeries--
			continue
		}
		a.give(root, tee.Endorsed{
			Provides: []tee.EndorsementName{crlName(vcek, root.product), crlName(vlek, root.product)},
			CRL:      list, Issued: list.ThisUpdate, Expires: list.NextUpdate, Sequence: tee.CRLSequence(list),
		})
		return
	}
}
