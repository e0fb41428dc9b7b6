package tpm

import (
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/ima"
)

// UnverifiedClaims returns what a quote says of itself, with the PCR values
// that came along for its selection and what logs say that can be read.
//
// SAFETY: nothing in it was checked, neither signature nor digest nor key. Logs are
// held to the PCR values that came along, which anybody can compute.
func (v *Verifier) UnverifiedClaims(item evidence.Item) (evidence.Claims, error) {
	quote, ok := item.(*evidence.TPM)
	if !ok || quote == nil {
		return evidence.Claims{}, evidence.Errorf(evidence.CodeTPMKind, "evidence", "%T is no TPM quote", item)
	}
	a, err := parseAttest(quote.Attest, typeQuote)
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
	if err := describeArea(quote, claims); err != nil {
		return evidence.Claims{}, err
	}
	describeLogs(quote, claims)
	return evidence.Claims{Kind: evidence.KindTPM, TPM: claims}, nil
}

// describeLogs sets what the logs say, as far as they can be read.
func describeLogs(quote *evidence.TPM, claims *evidence.TPMClaims) {
	if len(quote.EventLog) > 0 {
		if compared, err := compareLog(quote.EventLog, claims.Bank, withoutIMA(claims.PCRs)); err == nil {
			claims.Boot, _ = compared.Claims()
		}
	}
	if list, err := ima.Parse(quote.IMALog); err == nil && len(list.Entries) > 0 {
		entries := len(list.Entries)
		claims.IMA = &evidence.IMAClaims{Bank: claims.Bank, Offset: quote.IMAOffset, Entries: quote.IMAOffset + uint64(entries)}
		claims.IMA.Files, claims.IMA.Unread, claims.IMA.Violations = list.Claims(entries)
	}
}

// describeArea sets what a public area says of the key, if one came along.
func describeArea(quote *evidence.TPM, claims *evidence.TPMClaims) error {
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
