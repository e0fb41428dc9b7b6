package admin

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/strictjson"
)

// algorithms are those that tokens may be signed with: no MAC, whose key both ends
// have, and not none.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.ES384, jose.EdDSA}

// providerKey is a key that a provider signs tokens with.
type providerKey struct {
	public     crypto.PublicKey
	algorithms []jose.SignatureAlgorithm // that it may be used with
}

// keySet holds a provider's keys by their identifier.
type keySet map[string]providerKey

// privateMembers are those of private and symmetric keys (RFC 7518 §6). A provider
// that publishes one has no secret left.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// parseKeySet reads a JWK set (RFC 7517 §5). Keys for other things than signatures,
// and of kinds that are not known here, are left out. Two keys with one
// identifier, weak keys and private ones have the whole set refused: whoever
// published it did not look.
func parseKeySet(data []byte) (keySet, error) {
	if len(data) > maxKeySet {
		return nil, errKeySet("it is larger than %d bytes", maxKeySet)
	}
	v, err := strictjson.Parse(data, strictjson.Rules{Depth: maxKeySetDepth, Elements: maxKeySetMembers, Text: maxKeySetText})
	if err != nil {
		return nil, errKeySet("%w", err)
	}
	list := v.Get("keys")
	if list == nil || list.Kind != strictjson.Array || len(list.Items) > maxKeys {
		return nil, errKeySet("it is no object with a list of up to %d keys", maxKeys)
	}
	set, seen := keySet{}, map[string]bool{}
	for _, item := range list.Items {
		kid, key, err := parseKey(item.Value)
		if err != nil {
			return nil, errKeySet("%w", err)
		}
		if kid != "" && seen[kid] {
			return nil, errKeySet("two keys have one kid")
		}
		seen[kid] = true
		if key != nil && kid != "" { // no token can name a key without identifier
			set[kid] = *key
		}
	}
	if len(set) == 0 {
		return nil, errKeySet("it has no key that verifies signatures")
	}
	return set, nil
}

// parseKey reads one JWK. key is nil if it is for something else.
func parseKey(v strictjson.Value) (kid string, key *providerKey, err error) {
	if v.Kind != strictjson.Object {
		return "", nil, errNoObject
	}
	for _, member := range v.Items {
		if slices.Contains(privateMembers, member.Name) {
			return "", nil, errors.New("it has a private or symmetric key")
		}
	}
	if v.Get("kid") != nil {
		var ok bool
		if kid, ok = textOf(v, "kid"); !ok || kid == "" || len(kid) > maxKeyID {
			return "", nil, fmt.Errorf("a kid is no text of 1 to %d bytes", maxKeyID)
		}
	}
	if !forSignatures(v) {
		return kid, nil, nil
	}
	key, err = newProviderKey(v)
	return kid, key, err
}

// forSignatures judges use and key_ops (RFC 7517 §4.2, §4.3).
func forSignatures(v strictjson.Value) bool {
	if use, ok := textOf(v, "use"); v.Get("use") != nil && (!ok || use != "sig") {
		return false
	}
	if v.Get("key_ops") == nil {
		return true
	}
	operations, err := textsOf(v.Get("key_ops"))
	return err == nil && slices.Contains(operations, "verify")
}

// keyMembers are those that make up a public key.
var keyMembers = []string{"kty", "crv", "x", "y", "n", "e"}

// newProviderKey decodes the key. It is nil for kinds and algorithms that are not
// used here.
func newProviderKey(v strictjson.Value) (*providerKey, error) {
	kty, _ := textOf(v, "kty")
	crv, _ := textOf(v, "crv")
	if kty != "RSA" && !slices.Contains([]string{"EC P-256", "EC P-384", "OKP Ed25519"}, kty+" "+crv) {
		return nil, nil
	}
	members := map[string]string{}
	for _, name := range keyMembers {
		if text, ok := textOf(v, name); ok {
			members[name] = text
		}
	}
	public, err := decodeKey(members)
	if err != nil {
		return nil, err
	}
	key := &providerKey{public: public, algorithms: algorithmsOf(public)}
	if v.Get("alg") == nil {
		return key, nil
	}
	alg, _ := textOf(v, "alg")
	if !slices.Contains(key.algorithms, jose.SignatureAlgorithm(alg)) {
		return nil, nil
	}
	key.algorithms = []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)}
	return key, nil
}

// decodeKey has the library decode a key of these members alone, and refuses weak keys.
func decodeKey(members map[string]string) (public crypto.PublicKey, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			public, err = nil, errors.New("a key cannot be decoded")
		}
	}()
	data, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(data); err != nil {
		return nil, errors.New("a key cannot be decoded")
	}
	if _, err := evidence.NewKey(key.Key); err != nil {
		return nil, errors.New("a key is weak")
	}
	return key.Key, nil
}

// algorithmsOf says what a key can be used with: the key decides, not the token.
func algorithmsOf(public crypto.PublicKey) []jose.SignatureAlgorithm {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return []jose.SignatureAlgorithm{jose.ES256}
		}
		return []jose.SignatureAlgorithm{jose.ES384}
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}
	}
	return nil
}

// verifies reports whether the key made the token's signature over what was read.
func (k providerKey) verifies(t token) (ok bool) {
	defer func() {
		if fault := recover(); fault != nil {
			ok = false
		}
	}()
	if !slices.Contains(k.algorithms, t.algorithm) {
		return false
	}
	signed, err := jose.ParseSignedCompact(t.text, []jose.SignatureAlgorithm{t.algorithm})
	if err != nil {
		return false
	}
	payload, err := signed.Verify(k.public)
	return err == nil && string(payload) == t.payload
}

func errKeySet(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTokenKeySet, "", "the identity provider's key set is refused: %w", fmt.Errorf(format, args...))
}
