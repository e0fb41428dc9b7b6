package tpm

import (
	"crypto"
	"crypto/rsa"
	"fmt"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// examination is one run of [Verifier.Verify]: what it works on and what it has
// found so far. Steps that need what an earlier step could not find say so.
type examination struct {
	v    *Verifier
	item *evidence.TPM
	e    *tee.Endorsements
	now  time.Time
	// vouched is the key that another item vouches for, if one does.
	vouched *tee.VouchedKey
	earlier earlier

	attest    *attest       // nil if malformed
	signature *signature    // nil if malformed
	key       *akKey        // the AK, trusted or not; nil if it is not known
	given     *givenKey     // set if the operator vouches for the key
	chain     *chain        // set if a certificate does
	sent      *public       // the public area that came along; nil if none, or malformed
	area      *public       // the key's public area, as far as it is known
	ima       *tee.IMAState // how far an IMA log was judged; nil if there was none

	claims evidence.TPMClaims
	out    tee.Outcome
}

func (x *examination) checks() *evidence.Checks { return &x.out.Checks }

// failed records an error that carries a code.
func (x *examination) failed(err error, want string) {
	x.checks().Fail(evidence.CodeOf(err), want, err.Error())
}

// readAttest decodes the attested structure and judges its magic and type.
func (x *examination) readAttest() {
	a, err := parseAttest(x.item.Attest, typeQuote)
	if err != nil {
		x.failed(err, "TPMS_ATTEST")
		return
	}
	x.checks().Judge(a.magic == generatedValue, evidence.CodeTPMMagic, hex32(generatedValue), hex32(a.magic))
	if !x.checks().Judge(a.typ == typeQuote, evidence.CodeTPMType, fmt.Sprintf("%04x", typeQuote), fmt.Sprintf("%04x", a.typ)) {
		x.checks().NotPerformed(evidence.CodeTPMAttestFormat, "TPMS_ATTEST of a quote", "only quotes are decoded to their end")
		return
	}
	x.checks().Pass(evidence.CodeTPMAttestFormat, fmt.Sprintf("TPMS_ATTEST of %d bytes", len(x.item.Attest)))
	x.attest = &a
	x.out.ReportData = append([]byte{}, a.extraData...)
	a.describe(&x.claims)
}

// sound reports whether nothing is wrong so far with a quote of a trusted key.
// What holds logs to the truth, or compares with earlier quotes, needs no less.
func (x *examination) sound() bool {
	return x.attest != nil && x.key != nil && x.out.Claims.TrustAnchor != nil && len(x.out.Missing) == 0 &&
		!slices.ContainsFunc(x.out.Checks, func(c evidence.Check) bool { return c.Status == evidence.Fail })
}

// unsound says why something was not looked at.
const unsound = "the quote is refused"

func hex32(n uint32) string { return fmt.Sprintf("%08x", n) }

// describe sets what the attested structure says, but for PCR values.
func (a *attest) describe(c *evidence.TPMClaims) {
	c.ExtraData = append(evidence.Hex{}, a.extraData...)
	c.QualifiedSigner = append(evidence.Hex{}, a.qualifiedSigner...)
	c.Clock, c.ResetCount, c.RestartCount, c.Safe = a.clock, a.resetCount, a.restartCount, a.safe
	c.FirmwareVersion = append(evidence.Hex{}, a.firmware...)
	if len(a.quote.selections) == 1 {
		c.Bank = a.quote.selections[0].bank.String()
	}
}

// readSignature decodes the signature and judges its hash.
func (x *examination) readSignature() {
	sig, err := parseSignature(x.item.Signature)
	if err != nil {
		x.failed(err, "TPMT_SIGNATURE")
		return
	}
	x.signature = &sig
	x.claims.SignatureScheme, x.claims.SignatureHash = sig.scheme.String(), sig.hash.String()
	x.checks().Pass(evidence.CodeTPMSignatureFormat, sig.String())
	x.checks().Judge(sig.hash.strong(), evidence.CodeTPMSignatureHash, "sha256, sha384 or sha512", sig.hash.String())
}

// judgeArea judges the attributes of the key's public area, and that area and
// key belong together.
//
// An area is only as good as who vouches for it. Beside a key that the operator gave without
// its area, or that a certificate or a TEE vouches for, the sender can put any area
// that has the key: attributes in it that are wrong refuse the quote, but attributes
// that are right prove nothing. Where the quote itself names the area of such a key,
// a TPM whose key that is vouches for it.
func (x *examination) judgeArea() {
	if x.sent != nil && x.key != nil {
		x.matchArea()
	}
	x.area = x.sent
	vouched := x.issued() && x.hierarchy() != ""
	if x.given != nil && x.given.public != nil {
		x.area, vouched = x.given.public, true
	}
	switch {
	case x.area == nil && x.issued():
		x.checks().NotApplicable(evidence.CodeTPMAKAttributes, "no public area came along; who vouches for the key vouches for what it is")
	case x.area == nil:
		x.checks().NotPerformed(evidence.CodeTPMAKAttributes, wantAttributes, "the key's public area is not known")
	case x.area.attributes.wrong() != "":
		x.checks().Fail(evidence.CodeTPMAKAttributes, wantAttributes, x.area.attributes.String()+": "+x.area.attributes.wrong())
		if vouched {
			x.nameArea()
		}
	case !vouched:
		x.checks().NotPerformed(evidence.CodeTPMAKAttributes, wantAttributes, "nothing vouches for the public area that came along; trust the key by its TPM2B_PUBLIC")
	default:
		x.checks().Pass(evidence.CodeTPMAKAttributes, x.area.attributes.String())
		x.nameArea()
	}
}

// issued reports whether the key is trusted as an attestation key: who issued its
// certificate, or made the TPM and its report, vouches for what it is. An operator
// who gives nothing but a key does not.
func (x *examination) issued() bool {
	return x.chain != nil || x.claims.AKSource == evidence.AKSourceTEE
}

// nameArea sets the claims that rest on the key's public area.
func (x *examination) nameArea() {
	restricted := x.area.attributes&attrRestricted != 0
	x.claims.AKRestricted, x.claims.AKName = &restricted, slices.Clone(x.area.name)
}

// readArea decodes the public area that came along, if one did.
func (x *examination) readArea() {
	if len(x.item.AKPublic) == 0 {
		return
	}
	if given, ok := x.v.areas[string(x.item.AKPublic)]; ok {
		x.sent = given.public
	} else {
		area, err := parsePublic(x.item.AKPublic)
		if err != nil {
			x.failed(err, "TPMT_PUBLIC of an accepted key")
			return
		}
		x.sent = &area
	}
	x.checks().Pass(evidence.CodeTPMAKPublicFormat, fmt.Sprintf("TPMT_PUBLIC of %d bytes", len(x.item.AKPublic)))
}

// matchArea judges whether the area that came along is the key's.
func (x *examination) matchArea() {
	const want = "the public area of the trusted key"
	switch {
	case !equal(x.sent.key, x.key.public):
		x.checks().Fail(evidence.CodeTPMAKPublicMatch, want, "another key's")
	case x.given != nil && x.given.public != nil && string(x.given.area) != string(x.item.AKPublic):
		x.checks().Fail(evidence.CodeTPMAKPublicMatch, want, "the same key with other attributes or parameters than the operator gave")
	default:
		x.checks().Pass(evidence.CodeTPMAKPublicMatch, "same key")
	}
}

// judgeSignature verifies the quote's signature.
func (x *examination) judgeSignature() {
	switch {
	case x.signature == nil:
		x.checks().NotPerformed(evidence.CodeTPMSignature, "", "the signature is malformed")
		return
	case x.key == nil:
		x.checks().NotPerformed(evidence.CodeTPMSignature, "", "the attestation key is not known")
		return
	}
	want, ok := x.wantScheme(*x.signature)
	x.checks().Judge(ok, evidence.CodeTPMSignatureScheme, want, x.signature.String())
	if !x.signature.fits(x.key.public) {
		x.checks().NotPerformed(evidence.CodeTPMSignature, "", "keys of this type make no such signatures")
		return
	}
	if !x.signature.hash.strong() {
		x.checks().NotPerformed(evidence.CodeTPMSignature, "", "the signature's hash is not accepted")
		return
	}
	got := "verifies"
	verified := x.signature.verify(x.key.public, x.item.Attest)
	if !verified {
		got = "does not verify"
	}
	x.checks().Judge(verified, evidence.CodeTPMSignature, fmt.Sprintf("a signature by key %x", x.key.fingerprint), got)
}

// wantScheme says which scheme the key fixes and whether sig is of it. A restricted
// key's area always names one (TPM 2.0 part 1, 25.2).
func (x *examination) wantScheme(sig signature) (want string, ok bool) {
	if x.area != nil {
		want = "as the public area says: " + x.area.scheme.String()
		if x.area.schemeHash != 0 {
			want += " with " + x.area.schemeHash.String()
		}
		return want, sig.fits(x.key.public) && sig.scheme == x.area.scheme && sig.hash == x.area.schemeHash
	}
	return schemesOf(x.key.public), sig.fits(x.key.public)
}

func schemesOf(key crypto.PublicKey) string {
	if _, ok := key.(*rsa.PublicKey); ok {
		return "rsassa or rsapss"
	}
	return "ecdsa"
}
