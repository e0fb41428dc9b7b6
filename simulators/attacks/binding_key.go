package attacks

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"

	"github.com/quotary/quotary/evidence"
)

// boundKeyRows answer with evidence that covers something else than it should.
func boundKeyRows() []Row {
	return []Row{
		{"B08", "challenge of one machine, key of another", []Case{{
			Name: "evidence for another challenge, with its own key", Subject: snpPlain, Want: codes(evidence.CodeBinding), Try: onAnotherChallenge,
		}}},
		{"B10", "another key than the attested one", []Case{
			{
				Name: "the key alone", Subject: snpPlain, Want: codes(evidence.CodeBinding),
				Try: bound(func(c Challenge, _ []byte, kinds []evidence.Kind) (evidence.Binding, error) {
					_, other, err := newKey()
					if err != nil {
						return evidence.Binding{}, err
					}
					return TrueBinding(c, other, kinds)
				}),
			},
			{
				Name: "a request by another key beside the attested one", Subject: snpPlain, Want: codes(evidence.CodeKeyMismatch),
				Proof: ByService, Why: "keys are compared before evidence is looked at",
				Try: func(ctx context.Context, a *Attacker) (Got, error) {
					return a.Attest(ctx, Attempt{Members: func(members map[string]any) error {
						csr, err := request()
						members["csr"] = base64.StdEncoding.EncodeToString(csr)
						return err
					}})
				},
			},
			{
				Name: "a request by another key in its place", Subject: snpPlain, Want: codes(evidence.CodeBinding),
				Try: func(ctx context.Context, a *Attacker) (Got, error) {
					return a.Attest(ctx, Attempt{Members: func(members map[string]any) error {
						csr, err := request()
						delete(members, "public_key")
						members["csr"] = base64.StdEncoding.EncodeToString(csr)
						return err
					}})
				},
			},
		}},
		{"B11", "two inputs with one hash", []Case{
			{
				Name: "nonce and key without their lengths", Subject: snpPlain, Want: codes(evidence.CodeBinding),
				Try: bound(func(c Challenge, spki []byte, _ []evidence.Kind) (evidence.Binding, error) {
					nonce, err := c.NonceBytes()
					return sha512.Sum512(append(nonce[:], spki...)), err
				}),
			},
			{
				Name: "nonce as it is", Subject: snpPlain, Want: codes(evidence.CodeBinding),
				Try: bound(func(c Challenge, _ []byte, _ []evidence.Kind) (b evidence.Binding, err error) {
					nonce, err := c.NonceBytes()
					copy(b[:], nonce[:])
					return b, err
				}),
			},
		}},
		{"B12", "evidence for another purpose, service or protocol", []Case{
			{
				Name: "another purpose", Subject: snpPlain, Want: codes(evidence.CodeBinding),
				Try: bound(func(c Challenge, spki []byte, kinds []evidence.Kind) (evidence.Binding, error) {
					c.Purpose = evidence.PurposeToken
					return TrueBinding(c, spki, kinds)
				}),
			},
			{
				Name: "another service", Subject: snpPlain, Want: codes(evidence.CodeBinding),
				Try: bound(func(c Challenge, spki []byte, kinds []evidence.Kind) (evidence.Binding, error) {
					c.Audience = "elsewhere.test"
					return TrueBinding(c, spki, kinds)
				}),
			},
			{
				Name: "another kind of evidence", Subject: snpPlain, Want: codes(evidence.CodeBinding),
				Try: bound(func(c Challenge, spki []byte, _ []evidence.Kind) (evidence.Binding, error) {
					return TrueBinding(c, spki, []evidence.Kind{evidence.KindTDX})
				}),
			},
			{Name: "a challenge for a token, redeemed for a certificate", Subject: snpPlain, Proof: ByAcceptance,
				Why: "it is served for what its challenge was for", Try: tokenChallenge},
		}},
	}
}

// bound attests with evidence that carries another binding.
func bound(binding func(c Challenge, spki []byte, kinds []evidence.Kind) (evidence.Binding, error)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) { return a.Attest(ctx, Attempt{Binding: binding}) }
}

// tokenChallenge attests for a token, and finds fault if a certificate comes back.
func tokenChallenge(ctx context.Context, a *Attacker) (Got, error) {
	answer, got, err := a.Attempt(ctx, Attempt{Purpose: evidence.PurposeToken})
	if err == nil && got.Accepted && hasMember(answer.Body, "svid") {
		got.fault("a challenge for a token brought a certificate")
	}
	return got, err
}

// newKey makes a key of the attacker's own.
func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	return key, spki, err
}

// request is a certificate request by a new key, without anything in it.
func request() ([]byte, error) {
	key, _, err := newKey()
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
}
