package verifier

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/hcl"
)

// A bundle of a TEE's report or quote with a TPM's quote is one machine's only if
// the TEE says which TPM is its own. It can in three ways, all by REPORT_DATA:
//
//   - it is the binding, covering the TPM's attestation key: the guest asked for it
//     now, and names the TPM that it uses;
//   - it is the SHA-256 of the attestation key's public area, and zeros: the layer
//     below the guest named its virtual TPM when the guest started;
//   - it is the SHA-256 of runtime data, and zeros, and the runtime data names the
//     key: likewise, in the way of Azure's confidential VMs.
//
// In the second and third way the TPM is trusted because the TEE is, and the
// quote alone is fresh. See docs/binding.md.
type composite struct {
	tpm     *evidence.TPM                     // nil if the bundle has no quote of a TPM
	vouched *tee.VouchedKey                   // the key that a TEE's item names, if one does
	links   map[evidence.Kind]evidence.Digest // the key that each such item names
}

func newComposite(bundle evidence.Bundle) *composite {
	c := &composite{links: map[evidence.Kind]evidence.Digest{}}
	for _, item := range bundle {
		if quote, ok := item.(*evidence.TPM); ok {
			c.tpm = quote
		}
	}
	return c
}

// runtimeData returns what REPORT_DATA of an item is said to be the digest of.
func runtimeData(item evidence.Item) []byte {
	switch i := item.(type) {
	case *evidence.SNP:
		return i.RuntimeData
	case *evidence.TDX:
		return i.RuntimeData
	}
	return nil
}

// vouch finds the attestation key that an item of a TEE names, if it names one.
func (v *Verifier) vouch(c *composite, item evidence.Item, outcome *tee.Outcome) {
	key := (*tee.VouchedKey)(nil)
	switch raw := runtimeData(item); {
	case outcome.ReportData == nil: // nothing can be said
	case len(raw) > 0:
		key = vouchedAtRuntime(raw, outcome)
	case c.tpm != nil && namesDigestOf(outcome.ReportData, c.tpm.AKPublic):
		key = v.vouchedByArea(c.tpm)
	}
	if key == nil {
		return
	}
	key.By, key.Missing = item.Kind(), outcome.Missing
	if outcome.Genuine() {
		key.Anchor = outcome.Claims.Clone().TrustAnchor
	}
	c.links[item.Kind()] = key.SHA256
	if c.vouched == nil {
		c.vouched = key
	}
}

// namesDigestOf reports whether REPORT_DATA is the SHA-256 of content, and zeros.
func namesDigestOf(reportData, content []byte) bool {
	sum := sha256.Sum256(content)
	return len(content) > 0 && len(reportData) == len(evidence.Binding{}) && bytes.Equal(reportData, append(sum[:], make([]byte, len(reportData)-len(sum))...))
}

// vouchedAtRuntime judges runtime data and returns the key that it names, or nil.
func vouchedAtRuntime(raw []byte, outcome *tee.Outcome) *tee.VouchedKey {
	const want = "runtime data that REPORT_DATA is the SHA-256 of"
	if !namesDigestOf(outcome.ReportData, raw) {
		outcome.Checks.Fail(evidence.CodeCompositeRuntime, want, evidence.Hex(outcome.ReportData).String())
		return nil
	}
	data, err := hcl.ParseRuntimeData(raw)
	if err != nil {
		outcome.Checks.Fail(evidence.CodeCompositeRuntime, want, err.Error())
		return nil
	}
	outcome.Checks.Pass(evidence.CodeCompositeRuntime, "names attestation key "+evidence.Hex(data.AKSHA256[:]).String())
	claims := data.Claims
	outcome.Claims.Paravisor = &claims
	return &tee.VouchedKey{SHA256: data.AKSHA256, Public: data.AK}
}

// vouchedByArea returns the key of the public area that came with a quote, or nil.
// Its logs are not looked at: nothing was verified yet that makes them worth the work.
func (v *Verifier) vouchedByArea(quote *evidence.TPM) *tee.VouchedKey {
	inspector, ok := v.technologies[evidence.KindTPM].(tee.Inspector)
	if !ok {
		return nil
	}
	bare := *quote
	bare.EventLog, bare.IMALog, bare.IMAOffset = nil, nil, 0
	claims, err := inspector.UnverifiedClaims(&bare)
	if err != nil || claims.TPM == nil || len(claims.TPM.AKSHA256) != sha256.Size {
		return nil
	}
	return &tee.VouchedKey{SHA256: evidence.Digest(claims.TPM.AKSHA256)}
}

// bind judges that an item carries the caller's data, and that it belongs to the
// others. All items were verified.
func (c *composite) bind(a appraisal, n int, outcome *tee.Outcome, items []Item) {
	kind := items[n].Kind
	named, vouches := c.links[kind]
	switch {
	case kind == evidence.KindTPM:
		compare(outcome, kind, a.expected)
		judgeKeyInTPM(outcome, a.key)
	case c.tpm == nil && len(runtimeData(a.bundle[n])) > 0:
		bindRuntimeAlone(outcome, kind, a.expected)
	case c.tpm == nil:
		compare(outcome, kind, a.expected)
	case vouches:
		outcome.Checks.NotApplicable(evidence.CodeBinding, "the quote of the TPM carries it; REPORT_DATA vouches for the TPM's key")
		ak, _ := attestationKey(items)
		outcome.Checks.Judge(ak == named, evidence.CodeCompositeLink, "the quote of attestation key "+evidence.Hex(named[:]).String(), evidence.Hex(ak[:]).String())
	default:
		bindCovering(outcome, kind, a.expected, items)
	}
}

// bindRuntimeAlone judges a report that a paravisor made, with no quote beside it:
// it says what the machine is, but not that it is so now.
func bindRuntimeAlone(outcome *tee.Outcome, kind evidence.Kind, expected *expectation) {
	if expected == nil {
		compare(outcome, kind, nil)
		return
	}
	outcome.Checks.Fail(evidence.CodeCompositeTPMNeeded, "the quote of the TPM whose key the runtime data names", "none in the bundle")
}

// bindCovering judges REPORT_DATA that is to cover the attestation key.
func bindCovering(outcome *tee.Outcome, kind evidence.Kind, expected *expectation, items []Item) {
	const want = "REPORT_DATA that covers the attestation key of the TPM"
	ak, known := attestationKey(items)
	switch {
	case expected == nil:
		compare(outcome, kind, nil)
		outcome.Checks.NotPerformed(evidence.CodeCompositeLink, want, "no report data to compare with was given")
	case !known || expected.covering == nil:
		compare(outcome, kind, expected)
		outcome.Checks.Fail(evidence.CodeCompositeLink, want, "the attestation key is not known, or the caller's data is no binding of 64 bytes")
	default:
		holds := compare(outcome, kind, expected.covering(ak))
		outcome.Checks.Judge(holds, evidence.CodeCompositeLink, want, evidence.Hex(ak[:]).String())
	}
}

// attestationKey returns the key that the TPM's quote was verified with.
func attestationKey(items []Item) (ak evidence.Digest, known bool) {
	n := slices.IndexFunc(items, func(i Item) bool { return i.Kind == evidence.KindTPM })
	if n < 0 || items[n].Outcome.Claims.TPM == nil || len(items[n].Outcome.Claims.TPM.AKSHA256) != len(ak) {
		return ak, false
	}
	return evidence.Digest(items[n].Outcome.Claims.TPM.AKSHA256), true
}

// judgeKeyInTPM judges whether the key that the TPM certifies is the one that is
// to be certified.
func judgeKeyInTPM(outcome *tee.Outcome, key evidence.Key) {
	if outcome.Claims.TPM == nil || outcome.Claims.TPM.CertifiedKey == nil {
		return
	}
	if key.IsZero() {
		outcome.Checks.NotApplicable(evidence.CodeCompositeKeyInTPM, "no key is to be certified")
		return
	}
	want := sha256.Sum256(key.SPKI())
	got := outcome.Claims.TPM.CertifiedKey.SHA256
	outcome.Checks.Judge(bytes.Equal(want[:], got), evidence.CodeCompositeKeyInTPM, evidence.Hex(want[:]).String(), got.String())
}
