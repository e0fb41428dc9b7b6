package attacks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/quotary/quotary/evidence"
)

// Attempt is an attestation that may lie in each of its parts. What is left out is
// as an honest client has it.
type Attempt struct {
	Purpose evidence.Purpose // empty is for a certificate
	Key     crypto.Signer    // that is to be certified; nil is a new one
	// Binding is what the evidence is made to carry. Nil is the true one.
	Binding func(c Challenge, spki []byte, kinds []evidence.Kind) (evidence.Binding, error)
	// Evidence makes the evidence. Nil has the subject's honest machine make it.
	Evidence func(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error)
	// Kinds are what the binding lists. Nil are the honest machine's.
	Kinds []evidence.Kind
	// Endorsements come with the evidence, each as a vendor publishes it.
	Endorsements [][]byte
	// Members has the last word on the request's members.
	Members func(members map[string]any) error
}

// attestations is where evidence goes.
const attestations = "/v1/attestations"

// Attest takes a challenge, answers it as the attempt says, and keeps what comes back.
func (a *Attacker) Attest(ctx context.Context, t Attempt) (Got, error) {
	_, got, err := a.Attempt(ctx, t)
	return got, err
}

// Attempt is [Attacker.Attest] with the answer as it came.
func (a *Attacker) Attempt(ctx context.Context, t Attempt) (Answer, Got, error) {
	if t.Purpose == "" {
		t.Purpose = evidence.PurposeCertificate
	}
	challenge, err := a.Challenge(ctx, t.Purpose)
	if err != nil {
		return Answer{}, Got{}, err
	}
	members, bundle, err := a.answer(ctx, t, challenge)
	if err != nil {
		return Answer{}, Got{}, err
	}
	answer, err := a.PostMembers(ctx, attestations, members)
	if err != nil {
		return Answer{}, Got{}, err
	}
	got := answer.Got(bundle)
	if got.Accepted {
		got.Faults = append(got.Faults, a.faultsOfGrant(answer.Body, members)...)
	}
	return answer, got, nil
}

// answer makes the members of the request that answers a challenge.
func (a *Attacker) answer(ctx context.Context, t Attempt, c Challenge) (map[string]any, evidence.Bundle, error) {
	var err error
	if t.Key == nil {
		if t.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, nil, err
		}
	}
	spki, err := x509.MarshalPKIXPublicKey(t.Key.Public())
	if err != nil {
		return nil, nil, err
	}
	bundle, err := a.evidence(ctx, t, c, spki)
	if err != nil {
		return nil, nil, err
	}
	encoded, err := bundle.MarshalJSON()
	if err != nil {
		return nil, nil, err
	}
	members := map[string]any{
		"challenge": c.Challenge, "evidence": json.RawMessage(encoded),
		"public_key": base64.StdEncoding.EncodeToString(spki),
	}
	if len(t.Endorsements) > 0 {
		members["endorsements"] = t.Endorsements // base64, as encoding/json has it
	}
	if t.Members != nil {
		err = t.Members(members)
	}
	return members, bundle, err
}

// evidence makes the evidence that carries what the attempt has it carry.
func (a *Attacker) evidence(ctx context.Context, t Attempt, c Challenge, spki []byte) (evidence.Bundle, error) {
	if t.Kinds == nil {
		t.Kinds = a.Machine().Kinds()
	}
	if t.Binding == nil {
		t.Binding = TrueBinding
	}
	if t.Evidence == nil {
		t.Evidence = a.Machine().Attest
	}
	binding, err := t.Binding(c, spki, t.Kinds)
	if err != nil {
		return nil, err
	}
	bundle, err := t.Evidence(ctx, binding)
	if err != nil {
		return nil, fmt.Errorf("cannot make the evidence: %w", err)
	}
	return bundle, nil
}

// TrueBinding is the binding that the service expects.
func TrueBinding(c Challenge, spki []byte, kinds []evidence.Kind) (evidence.Binding, error) {
	nonce, err := c.NonceBytes()
	if err != nil {
		return evidence.Binding{}, err
	}
	return evidence.NewBinding(c.Purpose, nonce, spki, c.Audience, kinds), nil
}
