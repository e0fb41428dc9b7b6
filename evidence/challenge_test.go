package evidence

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"
)

func sampleChallenge() Challenge {
	return Challenge{
		ID: [16]byte{1, 2, 3}, Nonce: [NonceSize]byte{4, 5, 6},
		Purpose: PurposeCertificate, Audience: "example.org", Expires: time.Unix(1_800_000_000, 0),
	}
}

func TestChallengeRoundTrip(t *testing.T) {
	s := NewSealer([SealKeySize]byte{1})
	long := sampleChallenge()
	long.Audience = strings.Repeat("a", MaxAudience)
	for _, want := range []Challenge{sampleChallenge(), long, {Expires: time.Unix(0, 0)}} {
		sealed := s.Seal(want)
		got, err := s.Open(sealed)
		if err != nil {
			t.Fatalf("%d characters: %v", len(sealed), err)
		}
		if got != want {
			t.Errorf("opened %+v, sealed %+v", got, want)
		}
		if again := s.Seal(want); again == sealed {
			t.Error("two seals of one challenge are equal")
		}
	}
}

// TestChallengeHidesItsNonce: the sealed text says nothing.
func TestChallengeHidesItsNonce(t *testing.T) {
	c := sampleChallenge()
	raw, err := base64.RawURLEncoding.DecodeString(NewSealer([SealKeySize]byte{1}).Seal(c))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, c.Nonce[:3]) || bytes.Contains(raw, []byte(c.Audience)) {
		t.Error("the challenge is readable")
	}
}

// refusesChallenge expects the one error that every bad challenge gets.
func refusesChallenge(t *testing.T, s *Sealer, name, sealed string) {
	t.Helper()
	c, err := s.Open(sealed)
	if err == nil || err.Error() != errChallenge().Error() || c != (Challenge{}) {
		t.Errorf("%s: opened %+v, %v", name, c, err)
	}
}

func TestAttack_H06_ChallengesOfOtherForms(t *testing.T) {
	key := [SealKeySize]byte{1}
	s := NewSealer(key)
	sealed := s.Seal(sampleChallenge())
	raw, _ := base64.RawURLEncoding.DecodeString(sealed)
	version := slices.Clone(raw)
	version[0] = 2
	for name, text := range map[string]string{
		"empty":           "",
		"version alone":   "AQ",
		"other version":   base64.RawURLEncoding.EncodeToString(version),
		"other key":       NewSealer([SealKeySize]byte{2}).Seal(sampleChallenge()),
		"cut short":       sealed[:len(sealed)-4],
		"longer":          sealed + "AAAA",
		"padded":          sealed + "=",
		"not base64url":   "+" + sealed[1:],
		"line break":      sealed[:8] + "\r\n" + sealed[8:],
		"oversized":       strings.Repeat("A", 1<<20),
		"doubled":         sealed + sealed,
		"nonce too short": sealRaw(t, key, challengeWire{ID: make([]byte, 16), Nonce: make([]byte, 31)}),
		"id too long":     sealRaw(t, key, challengeWire{ID: make([]byte, 17), Nonce: make([]byte, 32)}),
		"no array":        sealRaw(t, key, map[string]int{"a": 1}),
	} {
		refusesChallenge(t, s, name, text)
	}
}

// sealRaw seals any plaintext, as only the holder of the key can.
func sealRaw(t *testing.T, key [SealKeySize]byte, plain any) string {
	t.Helper()
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := deterministic.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	header := []byte{challengeVersion}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(header, nil, encoded, header))
}

// TestChallengeFlips flips every bit of a sealed challenge.
func TestChallengeFlips(t *testing.T) {
	s := NewSealer([SealKeySize]byte{1})
	raw, _ := base64.RawURLEncoding.DecodeString(s.Seal(sampleChallenge()))
	for i := range raw {
		for bit := range 8 {
			flipped := slices.Clone(raw)
			flipped[i] ^= 1 << bit
			refusesChallenge(t, s, "flipped", base64.RawURLEncoding.EncodeToString(flipped))
		}
	}
}

// FuzzOpen holds Open to this: no panic, and nothing opens but the one challenge
// that was sealed under the key.
func FuzzOpen(f *testing.F) {
	s := NewSealer([SealKeySize]byte{1})
	sealed := s.Seal(sampleChallenge())
	f.Add("")
	f.Add("AQ")
	f.Add(sealed)
	f.Add(sealed[:len(sealed)/2])
	f.Add(NewSealer([SealKeySize]byte{2}).Seal(sampleChallenge()))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := s.Open(text)
		if err == nil && c != sampleChallenge() {
			t.Fatalf("%q opened as %+v", text, c)
		}
		if err != nil && CodeOf(err) != CodeChallengeMalformed {
			t.Fatalf("refused with %v", err)
		}
	})
}

func BenchmarkChallenge(b *testing.B) {
	s := NewSealer([SealKeySize]byte{1})
	c := sampleChallenge()
	for b.Loop() {
		if _, err := s.Open(s.Seal(c)); err != nil {
			b.Fatal(err)
		}
	}
}
