package verifier

import (
	"crypto/rand"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Spender remembers which challenges were used. One node uses [SpentSet];
// replicas share one that is durable.
type Spender interface {
	// Spend records id until expires. It returns an error with
	// evidence.CodeChallengeSpent if id was recorded before, exactly one caller
	// succeeding however many try at once, and with evidence.CodeOverloaded if it
	// cannot remember more.
	Spend(id [16]byte, expires, now time.Time) error
}

// Challenges issues challenges and accepts each once.
type Challenges struct {
	sealer  *evidence.Sealer
	spender Spender
}

// NewChallenges returns Challenges with a fresh sealing key, which dies with the
// process, and with it every open challenge.
func NewChallenges(spender Spender) *Challenges {
	var key [evidence.SealKeySize]byte
	rand.Read(key[:]) // never fails (crypto/rand)
	return &Challenges{evidence.NewSealer(key), spender}
}

// Issue returns a new challenge and its sealed form.
func (c *Challenges) Issue(purpose evidence.Purpose, audience string, now time.Time) (evidence.Challenge, string) {
	challenge := evidence.Challenge{Purpose: purpose, Audience: audience, Expires: now.Add(ChallengeTTL).Truncate(time.Second)}
	rand.Read(challenge.ID[:])
	rand.Read(challenge.Nonce[:])
	return challenge, c.sealer.Seal(challenge)
}

// consume opens a sealed challenge, checks what it was sealed for, and spends it.
// A challenge that was presented is spent, whatever becomes of the attestation.
func (c *Challenges) consume(sealed, audience string, now time.Time) (evidence.Challenge, error) {
	challenge, err := c.sealer.Open(sealed)
	if err != nil {
		return evidence.Challenge{}, err
	}
	if !now.Before(challenge.Expires) {
		return evidence.Challenge{}, evidence.Errorf(evidence.CodeChallengeExpired, "challenge",
			"the challenge expired at %s; ask for a new one", challenge.Expires.UTC().Format(time.RFC3339))
	}
	if challenge.Audience != audience {
		return evidence.Challenge{}, evidence.Errorf(evidence.CodeChallengeAudience, "challenge",
			"the challenge is for %q, this service is %q", challenge.Audience, audience)
	}
	if err := c.spender.Spend(challenge.ID, challenge.Expires, now); err != nil {
		return evidence.Challenge{}, err
	}
	return challenge, nil
}
