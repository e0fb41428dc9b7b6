package tokens

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"time"

	"github.com/quotary/quotary/evidence"
)

// idPeCMW is the extension with a conceptual message wrapper (draft-ietf-rats-msg-wrap §5).
var idPeCMW = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 35}

// attestationResults is the indicator of a wrapper's content (draft-ietf-rats-msg-wrap §3.1).
const attestationResults = 8

// cmwRecord is a conceptual message wrapper: a record in CBOR.
type cmwRecord struct {
	_          struct{} `cbor:",toarray"`
	Type       string
	Value      []byte
	Indicators uint64
}

// CMW returns the token, which must have a CWT, as a conceptual message wrapper in
// CBOR, for the extension of a certificate.
func (t Token) CMW() ([]byte, error) {
	if t.CWT == nil {
		return nil, errMalformed("only a CWT is wrapped")
	}
	return deterministic.Marshal(cmwRecord{Type: MediaTypeCWT, Value: t.CWT, Indicators: attestationResults})
}

// VerifyCertificate returns the claims of the EAR that a certificate carries: what
// the machine was like when the certificate was issued. The certificate itself must
// have been verified before. The EAR must be for its key and its SPIFFE ID and of the
// time that it begins at; it counts for as long as the certificate does, past its own exp.
// The error is an *evidence.Error with a token code; CodeTokenMissing if there is none.
func (v *Verifier) VerifyCertificate(cert *x509.Certificate) (Claims, error) {
	token, err := carriedToken(cert)
	if err != nil {
		return Claims{}, err
	}
	then := *v
	then.config.Now = func() time.Time { return cert.NotBefore.Add(certificateBackdate) }
	claims, err := then.VerifyCWT(token)
	if err != nil {
		return Claims{}, err
	}
	switch {
	case claims.Confirmation == nil || !bytes.Equal(claims.Confirmation.Key().SPKI(), cert.RawSubjectPublicKeyInfo):
		return Claims{}, errClaim("cnf", "the token is not for the certificate's key")
	case len(cert.URIs) != 1 || cert.URIs[0].String() != claims.Subject:
		return Claims{}, errClaim("sub", "the token is not for the certificate's SPIFFE ID")
	}
	return claims, nil
}

// carriedToken is the CWT in a certificate.
func carriedToken(cert *x509.Certificate) ([]byte, error) {
	for _, e := range cert.Extensions {
		if !e.Id.Equal(idPeCMW) {
			continue
		}
		var wrapper []byte
		if rest, err := asn1.Unmarshal(e.Value, &wrapper); err != nil || len(rest) > 0 {
			return nil, errMalformed("the certificate's extension holds no wrapper in CBOR")
		}
		var record cmwRecord
		if err := exactCBOR.Unmarshal(wrapper, &record); err != nil {
			return nil, errMalformed("the certificate's wrapper is refused: %w", err)
		}
		if record.Type != MediaTypeCWT || record.Indicators != attestationResults {
			return nil, errMalformed("the certificate's wrapper holds %.64q, want an attestation result in %q", record.Type, MediaTypeCWT)
		}
		return record.Value, nil
	}
	return nil, evidence.Errorf(evidence.CodeTokenMissing, "", "the certificate carries no attestation result")
}
