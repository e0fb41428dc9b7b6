package tpm

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// enrolment is one run of [Enroller.Judge]: what it works on and what it has found
// so far. Steps that need what an earlier step could not find say so.
type enrolment struct {
	n       *Enroller
	request evidence.Enrolment
	e       *tee.Endorsements
	now     time.Time

	sent    *public             // the endorsement key's area that came along; nil if none, or malformed
	leaf    *ekCertificate      // nil if none came along, or malformed
	extra   []*x509.Certificate // what came along with the leaf
	leafErr error               // why leaf is nil though certificates came along
	ek      crypto.PublicKey    // the endorsement key, trusted or not; nil if it is not known

	out tee.EnrolmentOutcome
}

func (x *enrolment) checks() *evidence.Checks { return &x.out.Checks }

// failed records an error that carries a code.
func (x *enrolment) failed(err error, want string) {
	x.checks().Fail(evidence.CodeOf(err), want, err.Error())
}

// untrusted records that nothing vouches for the endorsement key.
func (x *enrolment) untrusted(got string) {
	x.checks().Fail(evidence.CodeTPMEKUntrusted, "a certificate under a configured root, or a listed key", got)
}

// readEKPublic decodes the endorsement key's public area, if one came along.
func (x *enrolment) readEKPublic() {
	if len(x.request.EKPublic) == 0 {
		return
	}
	area, err := parsePublic(x.request.EKPublic)
	if err != nil {
		code := evidence.CodeTPMEKPublic
		if evidence.CodeOf(err) == evidence.CodeTPMAKKey {
			code = evidence.CodeTPMEKKey
		}
		x.failed(asEKError(err, code), "TPMT_PUBLIC of an accepted key")
		return
	}
	x.sent = &area
}

// readEKCertificates reads the certificates that came along. Whether it matters that
// they cannot be read is seen later: the operator may have listed the key.
func (x *enrolment) readEKCertificates() {
	for n, b := range x.request.EKCertificates {
		if n == 0 {
			x.leaf, x.leafErr = parseEKCertificate(b)
			continue
		}
		cert, _, err := readStored(b)
		if err != nil {
			x.leaf, x.leafErr = nil, err
			return
		}
		x.extra = append(x.extra, cert)
	}
}

// findEK determines the endorsement key, and what vouches for it.
func (x *enrolment) findEK() {
	key, err := x.presentedKey()
	if err != nil {
		x.failed(err, "one endorsement key")
		return
	}
	if key == nil {
		x.unread()
		x.checks().NotPerformed(evidence.CodeTPMEKKey, "", "the endorsement key is not known")
		return
	}
	if err := judgeEKKey(key); err != nil {
		x.unread()
		x.failed(err, "an accepted key")
		return
	}
	fingerprint, _, err := fingerprintOf(key)
	if err != nil {
		x.failed(evidence.Errorf(evidence.CodeTPMEKKey, "ek", "%w", err), "an accepted key")
		return
	}
	x.checks().Pass(evidence.CodeTPMEKKey, describeKey(key))
	x.ek = key
	x.out.Claims.EKSHA256 = slices.Clone(fingerprint[:])
	x.trustEK(fingerprint)
}

// presentedKey returns the key of certificate and area, which must not differ, or nil
// if neither could be read.
func (x *enrolment) presentedKey() (crypto.PublicKey, error) {
	switch {
	case x.leaf == nil && x.sent == nil:
		return nil, nil
	case x.leaf == nil:
		return x.sent.key, nil
	case x.sent != nil && !equal(x.sent.key, x.leaf.key):
		return nil, evidence.Errorf(evidence.CodeTPMEKPublic, "ek_public", "another key's public area than the certificate's")
	}
	return x.leaf.key, nil
}

// unread records that the certificates that came along could not be read.
func (x *enrolment) unread() {
	if x.leafErr != nil {
		x.failed(x.leafErr, "X.509 certificates in DER")
	}
}

// trustEK looks for what vouches for the key: the operator's list first, since it is his word
// about this very key, then the certificate.
func (x *enrolment) trustEK(fingerprint digest) {
	listed, ok := x.n.keys[fingerprint]
	switch {
	case ok:
		listed.SHA256 = slices.Clone(listed.SHA256)
		x.trust("listed", &listed)
		x.checks().Pass(evidence.CodeTPMEKListed, fmt.Sprintf("%s, %s", listed.Name, listed.SHA256))
		x.checks().NotApplicable(evidence.CodeTPMEKChain, "the operator listed the key; a certificate is not needed")
	case x.leafErr != nil:
		x.unread()
	case x.leaf == nil:
		x.untrusted(fmt.Sprintf("key %x, which is not listed, without a certificate", fingerprint))
	default:
		x.judgeCertificate()
	}
}

func (x *enrolment) trust(source string, anchor *evidence.TrustAnchor) {
	x.out.Claims.EKSource, x.out.Claims.TrustAnchor = source, anchor
	x.out.Claims.Simulated = anchor.Origin == evidence.OriginSimulated
}

// deriveEKPublic determines the endorsement key's public area. It is made from the key
// and a template: what is encrypted depends on its parameters, so they must not be
// the sender's choice.
func (x *enrolment) deriveEKPublic() {
	const want = "the endorsement key in a template of the TCG"
	if x.ek == nil {
		x.checks().NotPerformed(evidence.CodeTPMEKPublic, want, "the endorsement key is not known")
		return
	}
	if len(x.request.EKPublic) == 0 {
		template := ekTemplatesOf(x.ek)[0]
		x.out.EKPublic = template.area(x.ek)
		x.checks().Pass(evidence.CodeTPMEKPublic, "template "+template.name+", by default")
		return
	}
	template, ok := ekTemplateOf(x.ek, x.request.EKPublic)
	if !ok {
		x.checks().Fail(evidence.CodeTPMEKPublic, want, "other attributes, parameters or policy")
		return
	}
	x.out.EKPublic = template.area(x.ek)
	x.checks().Pass(evidence.CodeTPMEKPublic, "template "+template.name)
}

// ekTemplateOf returns the template that gives this area with the key.
func ekTemplateOf(key crypto.PublicKey, area []byte) (ekTemplate, bool) {
	fit := ekTemplatesOf(key)
	n := slices.IndexFunc(fit, func(t ekTemplate) bool { return bytes.Equal(t.area(key), area) })
	if n < 0 {
		return ekTemplate{}, false
	}
	return fit[n], true
}

// judgeAK judges the attestation key's public area. That the key has these attributes
// is shown once the TPM releases the secret, for the area's name is part of the credential.
func (x *enrolment) judgeAK() {
	area, err := parsePublic(x.request.AKPublic)
	if err != nil {
		x.failed(err, "TPMT_PUBLIC of an accepted key")
		return
	}
	x.checks().Pass(evidence.CodeTPMAKPublicFormat, fmt.Sprintf("TPMT_PUBLIC of %d bytes", len(x.request.AKPublic)))
	fingerprint, der, err := fingerprintOf(area.key)
	if err != nil {
		x.failed(keyError("%w", err), "an accepted key")
		return
	}
	x.out.Claims.AKSHA256, x.out.Claims.AKName = slices.Clone(fingerprint[:]), slices.Clone(area.name)
	different := x.ek == nil || !equal(x.ek, area.key)
	x.checks().Judge(different, evidence.CodeTPMAKKey, "another key than the endorsement key", describeKey(area.key)+", "+x.out.Claims.AKSHA256.String())
	wrong := area.attributes.wrong()
	if wrong != "" {
		wrong = ": " + wrong
	}
	x.checks().Judge(wrong == "", evidence.CodeTPMAKAttributes, wantAttributes, area.attributes.String()+wrong)
	x.checks().Judge(area.signs(), evidence.CodeTPMAKScheme, schemesOf(area.key)+" with sha256, sha384 or sha512", fmt.Sprintf("%s with %s", area.scheme, area.schemeHash))
	x.out.AKPublic, x.out.AKKey = slices.Clone(x.request.AKPublic), der
}

// signs reports whether the area fixes a scheme of signatures that its type of key
// makes, with a hash that is accepted.
func (p public) signs() bool {
	return p.schemeHash.strong() && signature{scheme: p.scheme}.fits(p.key)
}
