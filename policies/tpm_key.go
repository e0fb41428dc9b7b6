package policies

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// akRequirement is what is asked of the attestation key. Nil values ask nothing.
type akRequirement struct {
	sources   *choice         // nil where the document does not say
	vouchers  []evidence.Kind // whose requirements the alternative has, so that their word counts
	providers []string        // clouds whose software TPMs will do
	keys      *values
	anchors   *values
	eks       *accessList
	hierarchy *choice
}

// The hierarchies of keys, as claims name them.
const (
	hierarchyEndorsement = "endorsement"
	hierarchyPlatform    = "platform"
)

var (
	akSources = []string{evidence.AKSourceCertificate, evidence.AKSourceGiven, evidence.AKSourceEnrolled, evidence.AKSourceTEE}
	// ownSources are those that need no report beside the quote. Any guest whose launch was
	// measured without what booted behind it can have a report name a key of its own
	// software; that there is a layer below the guest that runs a TPM, only the document can say.
	ownSources  = newChoice(evidence.AKSourceCertificate, evidence.AKSourceGiven, evidence.AKSourceEnrolled)
	allSources  = newChoice(akSources...)
	akProviders = []string{"google", "azure"}
	hierarchies = []string{hierarchyEndorsement, hierarchyPlatform, "owner"}
)

// readAK reads ak, or the defaults for a nil node.
func (l *loader) readAK(s source, n *yaml.Node, t *tpmRequirement, a *alternative) {
	q := &t.key
	q.vouchers = nil
	if a.snp != nil {
		q.vouchers = append(q.vouchers, snp)
	}
	if a.tdx != nil {
		q.vouchers = append(q.vouchers, tdx)
	}
	f := s.mapping(n, "ak")
	if f == nil {
		return
	}
	sources := f.take("sources")
	if words := s.words(sources, "ak.sources", akSources); len(words) > 0 {
		q.sources = newChoice(words...)
		if len(q.vouchers) == 0 && slices.Equal(words, []string{evidence.AKSourceTEE}) {
			s.problem(sources, evidence.CodePolicyUnsafe, "ak.sources: a report or quote vouches for the key only if the alternative says what it must show, in sev_snp or tdx")
		}
	}
	q.providers = s.words(f.take("providers"), "ak.providers", akProviders)
	for _, provider := range q.providers {
		a.relax("tpm.ak-provider." + provider)
	}
	q.keys = l.readValues(s, f.take("sha256"), valueSpec{key: "ak.sha256", size: keyDigestSize})
	q.anchors = l.readValues(s, f.take("anchors"), valueSpec{key: "ak.anchors", size: keyDigestSize})
	q.eks = l.readAccess(s, f.take("eks"), valueSpec{key: "ak.eks", size: keyDigestSize})
	if word := s.word(f.take("hierarchy"), "ak.hierarchy", hierarchies); word != "" {
		q.hierarchy = newChoice(word)
	}
	f.done()
}

// judge judges why the attestation key is trusted and what it can sign.
func (q *akRequirement) judge(r *report, c *evidence.TPMClaims, b *bundle, allow []string) {
	r.member(tpm, evidence.CodePolicyTPMAKSource, q.accepted(b), c.AKSource)
	q.judgeVoucher(r, c, b)
	q.judgeProvider(r, c)
	r.values(tpm, evidence.CodePolicyTPMAK, q.keys, c.AKSHA256)
	if q.anchors != nil {
		var root evidence.Hex
		if c.AKSource == evidence.AKSourceCertificate || c.AKSource == evidence.AKSourceEnrolled {
			root = b.tpmAnchor.SHA256
		}
		r.values(tpm, evidence.CodePolicyTPMAKAnchor, q.anchors, root)
	}
	r.access(tpm, evidence.CodePolicyTPMEK, q.eks, c.EKSHA256)
	r.member(tpm, evidence.CodePolicyTPMAKHierarchy, q.hierarchy, c.AKHierarchy)
	r.judge(restrictedOK(c, allow), tpm, evidence.CodePolicyTPMAKRestricted, "a restricted signing key", func() string {
		switch {
		case c.AKRestricted != nil:
			return yesNo(*c.AKRestricted, "restricted", "not restricted: it signs whatever it is given")
		case isCertified(c):
			return "whoever vouches for it says that it is an attestation key"
		}
		return absent + " (the key's public area is not known)"
	})
}

// accepted returns the sources that will do. A paravisor is a layer that runs a TPM; that the
// alternative expects one is judged apart.
func (q *akRequirement) accepted(b *bundle) *choice {
	switch {
	case q.sources != nil:
		return q.sources
	case b.paravisor != nil:
		return allSources
	}
	return ownSources
}

// judgeVoucher judges whose report or quote vouches for the key: one that the
// alternative holds against a requirement, in the same bundle.
func (q *akRequirement) judgeVoucher(r *report, c *evidence.TPMClaims, b *bundle) {
	if c.AKSource != evidence.AKSourceTEE {
		return
	}
	ok := b.has(c.AKVouchedBy) && slices.Contains(q.vouchers, c.AKVouchedBy)
	r.judge(ok, tpm, evidence.CodePolicyTPMAKVouched, "a report or quote that the same alternative judges", func() string {
		return shownText(string(c.AKVouchedBy))
	})
}

// judgeProvider refuses a TPM that a cloud provider runs in software, unless the
// policy names the provider: its quotes are the provider's word. Where a report or quote
// vouches for the key, the TPM runs inside of what that measured.
func (q *akRequirement) judgeProvider(r *report, c *evidence.TPMClaims) {
	if c.AKProvider == "" || c.AKSource == evidence.AKSourceTEE {
		return
	}
	want := "no TPM that a cloud provider runs in software"
	if len(q.providers) > 0 {
		want += ", but for those of " + join(q.providers)
	}
	r.judge(slices.Contains(q.providers, c.AKProvider), tpm, evidence.CodePolicyTPMAKProvider, want, func() string { return c.AKProvider })
}

// isCertified reports whether somebody who knows vouches for the key's attributes.
func isCertified(c *evidence.TPMClaims) bool {
	switch c.AKSource {
	case evidence.AKSourceCertificate, evidence.AKSourceEnrolled, evidence.AKSourceTEE:
		return true
	}
	return false
}

// restrictedOK reports whether the key signs only what the TPM made itself. Its
// issuer vouches for that in a certificate, and the firmware that was measured
// for the TPM that it runs; of a key that was merely given, the public area has to show it.
func restrictedOK(c *evidence.TPMClaims, allow []string) bool {
	if c.AKRestricted != nil {
		return *c.AKRestricted
	}
	return isCertified(c) || c.AKSource == evidence.AKSourceGiven && slices.Contains(allow, allowAKUnknown)
}
