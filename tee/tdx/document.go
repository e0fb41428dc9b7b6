package tdx

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// qeIdentityKey is the id of the TD quoting enclave's identity.
const qeIdentityKey = "TD_QE"

// documentKind is what distinguishes the two collateral documents.
type documentKind struct {
	typ             tee.DocumentType
	member          string // the signed member
	format, genuine evidence.Code
}

var (
	tcbInfoKind = documentKind{
		tee.DocumentTCBInfo, "tcbInfo", evidence.CodeTDXTCBInfoFormat, evidence.CodeTDXTCBInfoSignature,
	}
	qeIdentityKind = documentKind{
		tee.DocumentQEIdentity, "enclaveIdentity", evidence.CodeTDXQEIdentityFormat, evidence.CodeTDXQEIdentitySignature,
	}
)

// documentKinds are both, by what they are kept as.
var documentKinds = map[tee.DocumentType]documentKind{
	tee.DocumentTCBInfo:    tcbInfoKind,
	tee.DocumentQEIdentity: qeIdentityKind,
}

// document is a collateral document that was verified, apart from time and
// revocation. Exactly one of info and identity is set.
type document struct {
	signer   *x509.Certificate
	info     *tcbInfo
	identity *qeIdentity
}

func (d *document) edition() edition {
	if d.info != nil {
		return d.info.edition
	}
	return d.identity.edition
}

// name is the document's by its signed contents.
func (d *document) name() tee.EndorsementName {
	if d.info != nil {
		return tcbInfoName(d.info.fmspc)
	}
	return qeIdentityName()
}

// documentID keys a verified document by its signer's certificate and its own bytes.
type documentID struct {
	typ         tee.DocumentType
	signer, raw string
}

// document verifies one document by one signing certificate, which the caller
// verified, or remembers that it did. The values are decoded from the very bytes
// whose signature holds, and only after it does.
func (v *Verifier) document(kind documentKind, raw []byte, signer *x509.Certificate) (*document, evidence.Code, string) {
	id := documentID{kind.typ, string(signer.Raw), string(raw)}
	if known, ok := v.documents.Get(id); ok {
		return known, evidence.Code{}, ""
	}
	body, signature, err := splitSigned(raw, kind.member)
	if err != nil {
		return nil, kind.format, err.Error()
	}
	sig, err := hex.DecodeString(signature)
	if err != nil || !verifySignature(signer.PublicKey.(*ecdsa.PublicKey), body, sig) {
		return nil, kind.genuine, "not signed by this certificate"
	}
	d := &document{signer: signer}
	if kind.typ == tee.DocumentTCBInfo {
		d.info, err = decodeTCBInfo(body)
	} else {
		d.identity, err = decodeQEIdentity(body)
	}
	if err != nil {
		return nil, kind.format, err.Error()
	}
	v.documents.Put(id, d)
	return d, evidence.Code{}, ""
}

// signers returns the TCB signing certificates under the anchor. If there are
// none, it records why.
func (r *run) signers(a *anchor) []*x509.Certificate {
	candidates := limited(r.endorsements.BySubject(a.signing))
	var genuine []*x509.Certificate
	for _, cert := range candidates {
		if r.verifier.isSigner(cert, a) {
			genuine = append(genuine, cert)
		}
	}
	switch {
	case len(candidates) == 0:
		r.checks.NotPerformed(evidence.CodeTDXSigningChain, "a TCB signing certificate", "there is none; it comes in the header of the documents' answers")
	case !r.checks.Judge(len(genuine) > 0, evidence.CodeTDXSigningChain, "a TCB signing certificate under "+a.claim.Name, countText(len(genuine), len(candidates))):
		r.wanted.mend(evidence.CodeTDXSigningChain) // by the documents, which are missing then
	}
	return genuine
}

// signerKey keys a verified signing certificate by the root's and its own bytes.
type signerKey struct{ root, cert string }

// isSigner reports whether cert is a TCB signing certificate that the anchor signed.
func (v *Verifier) isSigner(cert *x509.Certificate, a *anchor) bool {
	key := signerKey{string(a.cert.Raw), string(cert.Raw)}
	if _, known := v.signers.Get(key); known {
		return true
	}
	if checkEndEntity(cert) != "" || string(cert.RawIssuer) != string(a.cert.RawSubject) || signedBy(cert, a.cert) != nil {
		return false
	}
	v.signers.Put(key, struct{}{})
	return true
}

// documents finds the TCB info and the QE identity for a platform below the anchor;
// nil where there is no genuine one. isOurs says that the TCB info is about the platform.
func (r *run) documents(a *anchor, p *platform) (info, identity *document, isOurs bool) {
	signers := r.signers(a)
	ours := func(d *document) bool {
		return d.info == nil || (bytes.Equal(d.info.fmspc, p.fmspc) && bytes.Equal(d.info.pceID, p.pceID))
	}
	info = r.document(tcbInfoKind, tcbInfoName(p.fmspc), signers, ours)
	identity = r.document(qeIdentityKind, qeIdentityName(), signers, ours)
	return info, identity, info != nil && ours(info)
}

// document finds the newest genuine document of a kind, preferring one that is
// in force. accept says whether a genuine document is about this platform. A
// document whose signer's certificate is not there is missing with it: it comes
// with it.
func (r *run) document(kind documentKind, name tee.EndorsementName, signers []*x509.Certificate, accept func(*document) bool) *document {
	candidates := r.endorsements.Documents(kind.typ, name.ID)
	want := "a " + string(kind.typ) + " for " + name.ID
	if len(candidates) == 0 {
		r.wanted.miss(name)
		notPerformed(r.checks, "there is no "+want[2:], kind.format, kind.genuine)
		return nil
	}
	if len(candidates) > maxCandidates { // which of them is the newest is known only once all are verified
		r.refuse(kind, want, refusal{kind.format, numberText(uint32(len(candidates))) + " of them; at most " + numberText(maxCandidates) + " are tried"})
		return nil
	}
	if len(signers) == 0 {
		r.wanted.miss(signerName(), name)
		notPerformed(r.checks, "there is no certificate to verify it with", kind.format, kind.genuine)
		return nil
	}
	var best *document
	var worst refusal
	for _, candidate := range candidates {
		found, refused := r.genuine(kind, candidate.Raw, signers)
		if found == nil {
			worst = refused
		} else if best == nil || r.prefer(found, best, accept) {
			best = found
		}
	}
	if best == nil {
		r.refuse(kind, want, worst)
		r.wanted.mend(kind.format, name)
		r.wanted.mend(kind.genuine, name)
		return nil
	}
	e := best.edition()
	r.checks.Pass(kind.format, "evaluation data number "+numberText(e.number))
	r.checks.Pass(kind.genuine, signatureText+passedOver(worst.reason))
	r.collateral = append(r.collateral, window{string(kind.typ), e.issued, e.nextUpdate, name})
	return best
}

// refusal is why a document is not genuine.
type refusal struct {
	code   evidence.Code
	reason string
}

// refuse records both of a kind's checks where no document is genuine.
func (r *run) refuse(kind documentKind, want string, why refusal) {
	if why.code == kind.format {
		r.checks.Fail(kind.format, want, why.reason)
		r.checks.NotPerformed(kind.genuine, want, "its form is wrong")
		return
	}
	r.checks.NotPerformed(kind.format, want, "it is not signed by a TCB signing certificate")
	r.checks.Fail(kind.genuine, want, why.reason)
}

// genuine verifies a document by whichever signing certificate fits, one in
// force before others: a key may have been certified again.
func (r *run) genuine(kind documentKind, raw []byte, signers []*x509.Certificate) (*document, refusal) {
	var best *document
	var last refusal
	for _, signer := range signers {
		found, code, reason := r.verifier.document(kind, raw, signer)
		if found != nil {
			if best == nil || (r.inForce(found) && !r.inForce(best)) {
				best = found
			}
			continue
		}
		if last.code != kind.format {
			last = refusal{code, reason}
		}
	}
	return best, last
}

// prefer ranks genuine documents: about this platform, in force by a certificate
// in force, of the highest evaluation, issued last.
func (r *run) prefer(found, best *document, accept func(*document) bool) bool {
	if f, b := accept(found), accept(best); f != b {
		return f
	}
	if f, b := r.inForce(found), r.inForce(best); f != b {
		return f
	}
	f, b := found.edition(), best.edition()
	if f.number != b.number {
		return f.number > b.number
	}
	return f.issued.After(b.issued)
}

func (r *run) inForce(d *document) bool {
	e := d.edition()
	return window{from: e.issued, to: e.nextUpdate}.contains(r.now) &&
		certificateWindow("", d.signer).contains(r.now) &&
		!r.rootCRLs.revoked(d.signer.SerialNumber)
}
