package tpm

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// certification is an attestation key's statement about another key of its TPM.
type certification struct {
	attest    attest
	signature signature
	public    public
	key       akKey
}

// judgeCertification judges whether the attestation key certifies another key of its
// TPM for what the quote is for (TPM2_Certify, TPM 2.0 part 3, 18.2).
func (x *examination) judgeCertification() {
	if x.item.Certification == nil {
		for _, code := range []evidence.Code{evidence.CodeTPMCertificationFormat, evidence.CodeTPMCertification, evidence.CodeTPMCertifiedKey} {
			x.checks().NotApplicable(code, "no key is said to live in the TPM")
		}
		return
	}
	c, ok := x.readCertification(x.item.Certification)
	if !ok {
		x.checks().NotPerformed(evidence.CodeTPMCertification, wantCertification, "there is no decoded certification")
		return
	}
	wrong := c.public.attributes.wrongFor(certified)
	live := x.checks().Judge(wrong == "", evidence.CodeTPMCertifiedKey, wantCertified, orElse(wrong, c.public.attributes.String()))
	if x.certifies(c) && live {
		x.claims.CertifiedKey = &evidence.TPMKeyClaims{SHA256: slices.Clone(c.key.fingerprint[:]), Name: c.public.name}
	}
}

// wantCertification says in words what a certification must be.
const wantCertification = "the attestation key's signature over the key's name and the quote's extraData"

// readCertification decodes the parts of a certification.
func (x *examination) readCertification(sent *evidence.TPMCertification) (c certification, ok bool) {
	var err error
	if c.attest, err = parseAttest(sent.Attest, typeCertify); err == nil {
		if c.signature, err = parseSignature(sent.Signature); err == nil {
			c.public, err = parsePublic(sent.Public)
		}
	}
	if evidence.CodeOf(err) == evidence.CodeTPMAKKey {
		x.checks().Fail(evidence.CodeTPMCertifiedKey, "a key that is accepted", err.Error())
		return c, false
	}
	if err == nil {
		c.key, err = newAKKey(c.public.key)
	}
	if err != nil {
		x.checks().Fail(evidence.CodeTPMCertificationFormat, "TPMS_ATTEST, TPMT_SIGNATURE and TPMT_PUBLIC", err.Error())
		return c, false
	}
	x.checks().Pass(evidence.CodeTPMCertificationFormat, fmt.Sprintf("%d, %d and %d bytes", len(sent.Attest), len(sent.Signature), len(sent.Public)))
	return c, true
}

// certifies reports whether the attestation key certifies the key. An attestation
// key of which is not known that it is restricted signs whatever it is given, also a
// certification that no TPM made.
func (x *examination) certifies(c certification) bool {
	switch {
	case x.attest == nil || x.key == nil:
		x.checks().NotPerformed(evidence.CodeTPMCertification, wantCertification, "the quote or its key is not known")
		return false
	case !x.issued() && x.claims.AKRestricted == nil:
		x.checks().NotPerformed(evidence.CodeTPMCertification, wantCertification, "nothing says that the attestation key is restricted; trust it by its TPM2B_PUBLIC")
		return false
	}
	wrong := x.certificationWrong(c)
	return x.checks().Judge(wrong == "", evidence.CodeTPMCertification, wantCertification, orElse(wrong, fmt.Sprintf("key %x", c.public.name)))
}

// certificationWrong says what is wrong with a certification, or "".
func (x *examination) certificationWrong(c certification) string {
	scheme, fits := x.wantScheme(c.signature)
	switch a := c.attest; {
	case !fits || !c.signature.hash.strong():
		return fmt.Sprintf("a signature of %s, not %s", c.signature, scheme)
	case !c.signature.verify(x.key.public, x.item.Certification.Attest):
		return "the signature does not verify"
	case a.magic != generatedValue:
		return "magic " + hex32(a.magic)
	case a.certify == nil:
		return fmt.Sprintf("type %04x, not %04x", a.typ, typeCertify)
	case subtle.ConstantTimeCompare(a.extraData, x.attest.extraData) != 1:
		return "other extraData than the quote's"
	case !bytes.Equal(a.qualifiedSigner, x.attest.qualifiedSigner):
		return "another signer than the quote's"
	case !bytes.Equal(a.certify.name, c.public.name):
		return fmt.Sprintf("key %x, not %x", a.certify.name, c.public.name)
	case len(a.certify.qualifiedName) != len(c.public.name) || !bytes.HasPrefix(a.certify.qualifiedName, c.public.name[:2]):
		return "a qualified name by another algorithm than the name"
	}
	return ""
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
