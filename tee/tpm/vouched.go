package tpm

import (
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// findVouched takes the key that another item of the bundle vouches for. Its word
// goes before the operator's and a certificate's: it says in which machine this TPM
// is. What came along of the key must be that key's.
func (x *examination) findVouched() {
	want := fmt.Sprintf("key %x, for which the %s item vouches", x.vouched.SHA256, x.vouched.By)
	key, err := x.vouchedKey()
	switch {
	case err != nil:
		x.failed(err, want)
		return
	case key == nil:
		x.checks().Fail(evidence.CodeTPMAKVouched, want, "nothing that came along has the key itself")
		return
	}
	x.key = key
	if key.fingerprint != x.vouched.SHA256 {
		x.checks().Fail(evidence.CodeTPMAKVouched, want, fmt.Sprintf("key %x", key.fingerprint))
		return
	}
	if !x.matchCertificate(want) {
		return
	}
	switch {
	case x.vouched.Anchor == nil && len(x.vouched.Missing) > 0:
		x.checks().NotPerformed(evidence.CodeTPMAKVouched, want, "whether that item is genuine is not known")
		x.out.Missing = slices.Clone(x.vouched.Missing)
		return
	case x.vouched.Anchor == nil:
		x.checks().Fail(evidence.CodeTPMAKVouched, want, "that item is refused, or rests on no trust anchor")
		return
	}
	x.claims.AKSource, x.claims.AKVouchedBy = evidence.AKSourceTEE, x.vouched.By
	anchor := *x.vouched.Anchor
	anchor.SHA256 = slices.Clone(anchor.SHA256)
	x.trust(&anchor)
	x.checks().Pass(evidence.CodeTPMAKVouched, want)
}

// vouchedKey returns the key that is vouched for, or if only its digest is known
// the one that came along; nil if none did.
func (x *examination) vouchedKey() (*akKey, error) {
	public := x.vouched.Public
	if public == nil && x.sent != nil {
		public = x.sent.key
	}
	if public == nil {
		return nil, nil
	}
	key, err := newAKKey(public)
	if err != nil {
		return nil, err
	}
	return &key, nil
}

// matchCertificate reports whether a certificate that came along, though it is not
// needed, has the key.
func (x *examination) matchCertificate(want string) bool {
	if len(x.item.AKCertificates) == 0 {
		return true
	}
	leaf, err := parseCertificate(x.item.AKCertificates[0])
	if err != nil {
		x.failed(err, "an X.509 certificate in DER")
		return false
	}
	if !equal(leaf.PublicKey, x.key.public) {
		x.checks().Fail(evidence.CodeTPMAKVouched, want, "a certificate of another key")
		return false
	}
	x.checks().NotApplicable(evidence.CodeTPMAKChain, "another item vouches for the key; its certificate is not needed")
	return true
}
