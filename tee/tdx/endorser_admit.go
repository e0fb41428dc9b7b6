package tdx

import (
	"bytes"
	"crypto/x509"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Admit returns what of found is authentic and of this service; see
// [tee.Endorser]. That is: revocation lists that an anchor or a CA for PCK
// certificates below it signed, TCB infos of TDX and identities of its quoting
// enclave that a TCB signing certificate below an anchor signed, and the
// certificates of those CAs and signers. Roots are not among it: they come from the
// anchors alone.
//
// Names are made of what the signature covers; a document that is filed under
// another is not admitted. What is revoked, or signed by a certificate that is, is
// admitted nevertheless: it is authentic, and to consult the lists is for
// [Verifier.Verify]. The names under a simulated root are those under Intel's;
// [tee.Endorsed.Simulated] tells them apart.
//
// What was admitted is remembered as proven, so that Verify does not prove it again.
func (s *service) Admit(found, held *tee.Endorsements, now time.Time) []tee.Endorsed {
	a := &admission{service: s, now: now, forgeries: maxForgeries}
	if s.certification {
		a.trust(held)
		for _, cert := range found.Certificates() { // before what they signed
			a.certificate(cert)
		}
	}
	for _, list := range found.RevocationLists() {
		a.list(list)
	}
	if s.certification {
		for _, d := range found.AllDocuments() {
			a.document(d)
		}
	}
	return a.admitted
}

// admission is one pass over what was found.
type admission struct {
	*service
	now       time.Time
	issuers   []issuer
	forgeries int // how many more may prove to be nobody's
	admitted  []tee.Endorsed
}

// issuer is the certificate of somebody who signs endorsements. Below an anchor,
// it is proven.
type issuer struct {
	cert   *x509.Certificate
	anchor *anchor
	typ    string // typeSigner, typePCKCA, or typeRootCRL for the anchor itself
	id     string // the general name's
}

// trust takes the issuers that are held.
func (a *admission) trust(held *tee.Endorsements) {
	for _, root := range a.verifier.anchors {
		for _, subject := range [][]byte{root.signing, root.platform, root.processor} {
			for _, cert := range limited(held.BySubject(subject)) {
				if by, ok := root.named(cert); ok && a.verifier.proves(by) {
					a.issuers = append(a.issuers, by)
				}
			}
		}
	}
}

// named returns whose certificate it is by its names, if the anchor issued it.
func (r *anchor) named(cert *x509.Certificate) (issuer, bool) {
	if !bytes.Equal(cert.RawIssuer, r.cert.RawSubject) {
		return issuer{}, false
	}
	switch {
	case bytes.Equal(cert.RawSubject, r.signing):
		return issuer{cert, r, typeSigner, idSigner}, true
	case bytes.Equal(cert.RawSubject, r.platform):
		return issuer{cert, r, typePCKCA, idPlatform}, true
	case bytes.Equal(cert.RawSubject, r.processor):
		return issuer{cert, r, typePCKCA, idProcessor}, true
	}
	return issuer{}, false
}

// proves reports whether a certificate is fit for what it is named for, and
// signed by the anchor.
func (v *Verifier) proves(by issuer) bool {
	if by.typ == typeSigner {
		return v.isSigner(by.cert, by.anchor)
	}
	return checkCA(by.cert) == "" && signedBy(by.cert, by.anchor.cert) == nil
}

// give admits an endorsement under an anchor.
func (a *admission) give(under *anchor, e tee.Endorsed) {
	e.Simulated = under.origin == evidence.OriginSimulated
	a.admitted = append(a.admitted, e)
}

// certificate admits the certificate of a TCB signer or a CA for PCK certificates.
func (a *admission) certificate(cert *x509.Certificate) {
	if cert.NotBefore.After(a.now) || a.forgeries == 0 {
		return
	}
	tried := false
	for _, root := range a.verifier.anchors {
		by, ok := root.named(cert)
		if !ok {
			continue
		}
		if tried = true; a.verifier.proves(by) {
			a.issuers = append(a.issuers, by)
			a.give(root, tee.Endorsed{
				Provides: certificateNames(by.typ, by.id, cert), Certificate: cert, Issued: cert.NotBefore, Expires: cert.NotAfter,
			})
			return
		}
	}
	a.vain(tried)
}

// vain counts what proved to be nobody's.
func (a *admission) vain(tried bool) {
	if tried {
		a.forgeries--
	}
}

// list admits a revocation list.
func (a *admission) list(list *x509.RevocationList) {
	if list.ThisUpdate.After(a.now) || a.forgeries == 0 {
		return
	}
	issuers := a.issuersOf(list)
	for _, by := range issuers {
		name := rootCRLName()
		if by.typ == typePCKCA {
			name = pckCRLName(by.id)
		}
		if proven, _ := a.verifier.revocations(by.cert, list, name.Type); proven != nil {
			a.give(by.anchor, tee.Endorsed{
				Provides: []tee.EndorsementName{name}, CRL: list,
				Issued: list.ThisUpdate, Expires: list.NextUpdate, Sequence: tee.CRLSequence(list),
			})
			return
		}
	}
	a.vain(len(issuers) > 0)
}

// issuersOf returns who may have signed a list of this service, by name.
func (a *admission) issuersOf(list *x509.RevocationList) (issuers []issuer) {
	for _, root := range a.verifier.anchors {
		if a.has(typeRootCRL) && bytes.Equal(list.RawIssuer, root.cert.RawSubject) {
			issuers = append(issuers, issuer{root.cert, root, typeRootCRL, idRoot})
		}
	}
	for _, by := range a.issuers {
		if by.typ == typePCKCA && bytes.Equal(list.RawIssuer, by.cert.RawSubject) {
			issuers = append(issuers, by)
		}
	}
	return issuers
}

// document admits a TCB info or a QE identity.
func (a *admission) document(d tee.Document) {
	name := tee.EndorsementName{Type: string(d.Type), ID: d.Key}
	kind, known := documentKinds[d.Type]
	if _, ok := parseName(name); !ok || !known || a.forgeries == 0 {
		return // SGX's, for example
	}
	tried := false
	for _, by := range a.issuers {
		if by.typ != typeSigner {
			continue
		}
		tried = true
		proven, _, _ := a.verifier.document(kind, d.Raw, by.cert)
		if proven == nil {
			continue
		}
		e := proven.edition()
		if proven.name() == name && !e.issued.After(a.now) {
			a.give(by.anchor, tee.Endorsed{
				Provides: []tee.EndorsementName{name}, Document: &d,
				Issued: e.issued, Expires: e.nextUpdate, Sequence: uint64(e.number),
			})
		}
		return
	}
	a.vain(tried)
}
