package evidence

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Challenge is what a workload must answer. It is sealed into an opaque text
// that only the service can open, so the service keeps no table of the open ones.
type Challenge struct {
	ID       [16]byte // random; what is remembered once it is spent
	Nonce    [NonceSize]byte
	Purpose  Purpose
	Audience string // the trust domain that the workload asks to join
	Expires  time.Time
}

// SealKeySize is the size of a sealing key in bytes (AES-256).
const SealKeySize = 32

// challengeVersion is the first byte of a sealed challenge and is authenticated with it.
const challengeVersion = 1

// Sealer seals and opens challenges, and the open halves of enrolments, with one
// key. It is safe for concurrent use.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns a Sealer. The key must be fresh for every process or be
// shared by replicas that also share the set of spent challenges.
func NewSealer(key [SealKeySize]byte) *Sealer {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("evidence: " + err.Error()) // the key's size is in its type
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("evidence: " + err.Error())
	}
	return &Sealer{aead}
}

// challengeWire is a sealed challenge's plaintext, a CBOR array.
type challengeWire struct {
	_        struct{} `cbor:",toarray"`
	ID       []byte
	Nonce    []byte
	Purpose  Purpose
	Audience string
	Expires  int64 // Unix seconds
}

// Seal returns c as base64url text without padding.
func (s *Sealer) Seal(c Challenge) string {
	return s.seal(challengeVersion, challengeWire{
		ID: c.ID[:], Nonce: c.Nonce[:], Purpose: c.Purpose, Audience: c.Audience, Expires: c.Expires.Unix(),
	})
}

// seal encrypts what wire holds. The first byte says what it is and is
// authenticated with it.
func (s *Sealer) seal(version byte, wire any) string {
	plain, err := deterministic.Marshal(wire)
	if err != nil {
		panic("evidence: cannot encode what is to be sealed: " + err.Error()) // texts, numbers and bytes always encode
	}
	header := []byte{version}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(header, nil, plain, header))
}

// open decrypts into wire, a pointer, what seal sealed as this version.
func (s *Sealer) open(version byte, sealed string, wire any) bool {
	raw, ok := canonicalBase64URL(sealed)
	if !ok || len(raw) == 0 || raw[0] != version {
		return false
	}
	plain, err := s.aead.Open(nil, nil, raw[1:], raw[:1])
	return err == nil && cbor.Unmarshal(plain, wire) == nil
}

// Open returns the challenge in sealed, which must be one that this Sealer's key
// sealed. It does not look at the clock and does not know what is spent.
func (s *Sealer) Open(sealed string) (Challenge, error) {
	var wire challengeWire
	if len(sealed) > maxSealed || !s.open(challengeVersion, sealed, &wire) || len(wire.ID) != 16 || len(wire.Nonce) != NonceSize {
		return Challenge{}, errChallenge()
	}
	return Challenge{
		ID: [16]byte(wire.ID), Nonce: [NonceSize]byte(wire.Nonce),
		Purpose: wire.Purpose, Audience: wire.Audience, Expires: time.Unix(wire.Expires, 0),
	}, nil
}

// errChallenge is the same for every way in which a challenge can be wrong: an
// attacker learns nothing from the difference.
func errChallenge() error {
	return Errorf(CodeChallengeMalformed, "challenge", "this service did not seal this challenge, or it restarted since; ask for a new one")
}
