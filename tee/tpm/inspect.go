package tpm

import (
	"fmt"

	"github.com/quotary/quotary/evidence"
)

// UnverifiedClaims returns what a quote says of itself, with the PCR values
// that came along for its selection.
//
// SAFETY: nothing in it was checked, neither signature nor digest nor key.
func (v *Verifier) UnverifiedClaims(item evidence.Item) (evidence.Claims, error) {
	quote, ok := item.(*evidence.TPM)
	if !ok || quote == nil {
		return evidence.Claims{}, evidence.Errorf(evidence.CodeTPMKind, "evidence", "%T is no TPM quote", item)
	}
	a, err := parseAttest(quote.Attest)
	if err != nil {
		return evidence.Claims{}, err
	}
	if a.quote == nil {
		return evidence.Claims{}, evidence.Errorf(evidence.CodeTPMType, "attest", "an attestation of type %04x is no quote", a.typ)
	}
	claims := &evidence.TPMClaims{}
	a.describe(claims)
	if sig, err := parseSignature(quote.Signature); err == nil {
		claims.SignatureScheme, claims.SignatureHash = sig.scheme.String(), sig.hash.String()
	}
	if sel, err := a.quote.selected(); err == nil {
		claims.PCRs, _ = sel.values(quote.PCRs)
	}
	if err := describeKey(quote, claims); err != nil {
		return evidence.Claims{}, err
	}
	return evidence.Claims{Kind: evidence.KindTPM, TPM: claims}, nil
}

// describeKey sets what a public area says of the key, if one came along.
func describeKey(quote *evidence.TPM, claims *evidence.TPMClaims) error {
	if len(quote.AKPublic) == 0 {
		return nil
	}
	area, err := parsePublic(quote.AKPublic)
	if err != nil {
		return err
	}
	key, err := newAKKey(area.key)
	if err != nil {
		return fmt.Errorf("tpm: %w", err)
	}
	restricted := area.attributes&attrRestricted != 0
	claims.AKSHA256, claims.AKName, claims.AKRestricted = key.fingerprint[:], area.name, &restricted
	return nil
}
