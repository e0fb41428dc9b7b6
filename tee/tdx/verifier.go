// Package tdx verifies Intel TDX quotes: the quote's form, its signature by an
// attestation key, that key's endorsement by a quoting enclave and a PCK
// certificate up to Intel's root, revocation, and Intel's collateral (TCB info
// and QE identity), from which it evaluates the platform's TCB status.
//
// Start at [New] and [Verifier.Verify]; run.go has the steps in their order.
// Quotes of version 4 (TD report 1.0) and 5 (1.0 and 1.5) are read; SGX quotes
// and everything else are refused with a code of their own.
//
// A TCB status is a claim, even Revoked: policy judges it. What fails a quote is
// form, signatures, certificates, bindings, the wrong quoting enclave or module
// signer, and collateral that is forged, for another platform, or out of date.
// Collateral that is absent leaves the verdict open.
//
// An event log beside the quote must be well-formed and lead to the quoted RTMRs
// that it has events for; then package eventlog draws claims of the boot from it.
//
// All formats are parsed here; no vendor library is linked.
package tdx

import (
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/lru"
	"github.com/quotary/quotary/tee"
)

// Verifier verifies TDX quotes. It remembers, within bounds, chains, attestation
// keys and collateral whose signatures held; times and revocation are looked at
// on every call. It is safe for concurrent use.
type Verifier struct {
	anchors   []*anchor
	chains    *lru.Cache[string, *chain]
	keys      *lru.Cache[string, attestationKey]
	crls      *lru.Cache[crlKey, *revocations]
	signers   *lru.Cache[signerKey, struct{}]
	documents *lru.Cache[documentID, *document]
}

var (
	_ tee.Verifier  = (*Verifier)(nil)
	_ tee.Inspector = (*Verifier)(nil)
)

// New returns a Verifier that trusts the Intel SGX Root CA, which is pinned in
// this build, and the further anchors: roots of simulators and test hierarchies,
// marked [evidence.OriginSimulated]. Anchors that are not named like an Intel SGX
// Root CA belong to other technologies and are left out, as is Intel's own root.
// An anchor with that name that cannot be one is an [*evidence.Error].
func New(anchors ...tee.Anchor) (*Verifier, error) {
	pinned, err := intelAnchor()
	if err != nil {
		return nil, err
	}
	v := &Verifier{
		anchors:   []*anchor{pinned},
		chains:    lru.New[string, *chain](maxKeys),
		keys:      lru.New[string, attestationKey](maxKeys),
		crls:      lru.New[crlKey, *revocations](maxDocuments),
		signers:   lru.New[signerKey, struct{}](maxDocuments),
		documents: lru.New[documentID, *document](maxDocuments),
	}
	for _, further := range slices.DeleteFunc(slices.Clone(anchors), func(a tee.Anchor) bool { return !isIntelNamed(a) }) {
		a, err := newAnchor(further.DER, further.Origin)
		switch {
		case err != nil:
			return nil, err
		case v.anchorOf(a.cert) != nil:
			continue
		case further.Origin != evidence.OriginSimulated:
			return nil, unsuited("it is not Intel's and not marked simulated")
		}
		v.anchors = append(v.anchors, a)
	}
	return v, nil
}

// Kind returns [evidence.KindTDX].
func (*Verifier) Kind() evidence.Kind { return evidence.KindTDX }

// UnverifiedClaims returns what a quote says of itself, with FMSPC, PCEID and
// PPID of the certificate in it, and what its event log says by the registers in
// it. SAFETY: nothing is checked.
func (*Verifier) UnverifiedClaims(item evidence.Item) (evidence.Claims, error) {
	q, err := parseItem(item)
	if err != nil {
		return evidence.Claims{}, err
	}
	claims := evidence.Claims{Kind: evidence.KindTDX, TDX: quoteClaims(q)}
	if certs, err := parseChain(q.chain); err == nil {
		if p, err := parsePCK(certs.leaf); err == nil {
			p.addTo(claims.TDX)
		}
	}
	if boot, err := compareLog(logOf(item), q.body); err == nil {
		claims.TDX.Boot, _ = boot.Claims()
	}
	return claims, nil
}

// parseItem reads the quote of a TDX item.
func parseItem(item evidence.Item) (*quote, error) {
	t, ok := item.(*evidence.TDX)
	if !ok || t == nil {
		return nil, refuse(evidence.CodeKindUnsupported, "this verifier reads TDX quotes only")
	}
	return parseQuote(t.Quote)
}
