package policies

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/veraison/go-cose"

	"github.com/quotary/quotary/evidence"
)

// ReferenceKey is a key that may sign reference values.
type ReferenceKey struct {
	// Name says whose the key is, and may be the key ID of signatures. It has the form
	// of a document's name.
	Name string
	// Public is an ECDSA key on P-256 or P-384, an Ed25519 key, or an RSA key of 2048 to 8192 bits.
	Public crypto.PublicKey
}

// ID is the key's own key ID: "sha256:" and the hash of its SubjectPublicKeyInfo
// in hex. It is empty for a key that has none.
func (k ReferenceKey) ID() string {
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ParseReferenceKey reads a public key in PEM (SubjectPublicKeyInfo, "PUBLIC KEY").
// The error is an *evidence.Error with CodePolicyReferenceKey.
func ParseReferenceKey(name string, text []byte) (ReferenceKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
		return ReferenceKey{}, errReferenceKey(name, "it is not one PEM block PUBLIC KEY")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return ReferenceKey{}, errReferenceKey(name, err.Error())
	}
	key := ReferenceKey{Name: name, Public: public}
	return key, checkReferenceKeys([]ReferenceKey{key})
}

func errReferenceKey(name, why string) error {
	return evidence.Errorf(evidence.CodePolicyReferenceKey, "reference key "+clip(name), "the key cannot be used: %s", why)
}

// checkReferenceKeys refuses keys that two signers could share or that are too weak.
func checkReferenceKeys(keys []ReferenceKey) error {
	if len(keys) > maxReferenceKeys {
		return errReferenceKey(keys[maxReferenceKeys].Name, fmt.Sprintf("at most %d keys may sign reference values", maxReferenceKeys))
	}
	seen := map[string]bool{}
	for _, key := range keys {
		_, err := algorithmOf(key.Public)
		switch {
		case len(key.Name) > maxName || !nameForm.MatchString(key.Name):
			return errReferenceKey(key.Name, "a name has lower-case letters, digits and hyphens, at most 63")
		case err != nil:
			return errReferenceKey(key.Name, err.Error())
		case seen[key.Name]:
			return errReferenceKey(key.Name, "another key has this name")
		case seen[key.ID()]:
			return errReferenceKey(key.Name, "the key is there under another name already")
		}
		seen[key.Name], seen[key.ID()] = true, true
	}
	return nil
}

// algorithmOf is the one algorithm that a key signs with, in both forms.
func algorithmOf(public crypto.PublicKey) (cose.Algorithm, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return cose.AlgorithmES256, nil
		case elliptic.P384():
			return cose.AlgorithmES384, nil
		}
		return 0, fmt.Errorf("of ECDSA keys those on P-256 and P-384 are accepted")
	case ed25519.PublicKey:
		if len(key) == ed25519.PublicKeySize {
			return cose.AlgorithmEdDSA, nil
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return 0, fmt.Errorf("an RSA key has %d to %d bits, this one has %d", minRSABits, maxRSABits, bits)
		}
		return cose.AlgorithmPS256, nil
	}
	return 0, fmt.Errorf("a key of type %T is not accepted; use ECDSA on P-256 or P-384, Ed25519 or RSA", public)
}

// SigningAlgorithm is the algorithm that a key signs messages of [VerifySign1] with.
// The error is an *evidence.Error with CodePolicyReferenceKey.
func SigningAlgorithm(public crypto.PublicKey) (cose.Algorithm, error) {
	algorithm, err := algorithmOf(public)
	if err != nil {
		return 0, errReferenceKey("", err.Error())
	}
	return algorithm, nil
}

// digestOf hashes a message as the algorithm does; Ed25519 takes it as it is.
func digestOf(algorithm cose.Algorithm, message []byte) ([]byte, crypto.SignerOpts) {
	hash := crypto.SHA256
	switch algorithm {
	case cose.AlgorithmEdDSA:
		return message, crypto.Hash(0)
	case cose.AlgorithmES384:
		hash = crypto.SHA384
	case cose.AlgorithmPS256:
		h := hash.New()
		h.Write(message)
		return h.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	h := hash.New()
	h.Write(message)
	return h.Sum(nil), hash
}

// verifies reports whether signature is the key's over message: ECDSA in ASN.1
// with the hash of the curve's size, Ed25519, or RSASSA-PSS with SHA-256.
func (k ReferenceKey) verifies(message, signature []byte) bool {
	algorithm, err := algorithmOf(k.Public)
	if err != nil {
		return false
	}
	digest, _ := digestOf(algorithm, message)
	switch key := k.Public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(key, digest, signature)
	case *rsa.PublicKey:
		return rsa.VerifyPSS(key, crypto.SHA256, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	return false
}

// named returns the keys that a key ID may mean: that of the name or the ID, and
// all of them where a signature names none.
func named(keys []ReferenceKey, keyID string) []ReferenceKey {
	if keyID == "" {
		return keys
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k ReferenceKey) bool { return k.Name != keyID && k.ID() != keyID })
}
