package policies

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // names a key, and protects nothing
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// imaKeys are the public keys that sign files, by the ID that a signature names
// its key with: the last 4 bytes of the SHA-1 of the subject public key.
type imaKeys struct {
	byID map[[4]byte][]crypto.PublicKey
	want string
}

// readIMAKeys reads a list of public keys in PEM.
func (s source) readIMAKeys(n *yaml.Node) imaKeys {
	keys := imaKeys{byID: map[[4]byte][]crypto.PublicKey{}}
	var names []string
	entries := s.sequence(n, "ima.keys")
	if len(entries) > maxIMAKeys {
		s.problem(n, evidence.CodePolicyTooLarge, "ima.keys has more than %d entries", maxIMAKeys)
		return keys
	}
	seen := map[string]bool{}
	for _, entry := range entries {
		if entry.Kind != yaml.ScalarNode {
			s.problem(entry, evidence.CodePolicyType, "ima.keys: expected a public key in PEM, not %s", describe(entry))
			continue
		}
		public, spki, err := parsePublicKey(entry.Value)
		if err != nil {
			s.problem(entry, evidence.CodePolicyValue, "ima.keys: %s", err)
			continue
		}
		if seen[string(spki)] {
			s.problem(entry, evidence.CodePolicyValue, "ima.keys has this key twice")
			continue
		}
		seen[string(spki)] = true
		id := keyID(spki)
		keys.byID[id] = append(keys.byID[id], public)
		names = append(names, "key "+hex.EncodeToString(id[:]))
	}
	keys.want = wantOneOf(names)
	return keys
}

// parsePublicKey reads one PEM block with an RSA or ECDSA key and nothing around it.
func parsePublicKey(text string) (public crypto.PublicKey, spki []byte, err error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" || len(block.Headers) > 0 ||
		strings.TrimSpace(string(rest)) != "" || !strings.HasPrefix(text, "-----BEGIN") {
		return nil, nil, errors.New("expected one PEM block PUBLIC KEY and nothing around it")
	}
	if public, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		return nil, nil, errors.New("the PEM block is no public key in DER")
	}
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= 2048 && bits <= 4096 && key.N.Bit(0) == 1 && key.E == 65537 {
			return public, block.Bytes, nil
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() || key.Curve == elliptic.P521() {
			return public, block.Bytes, nil
		}
	}
	return nil, nil, errors.New("the key is neither RSA of 2048 to 4096 bits with exponent 65537 nor ECDSA on P-256, P-384 or P-521")
}

// keyID computes the ID of a key in DER.
func keyID(spki []byte) (id [4]byte) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return id // cannot be: the standard library parsed it
	}
	sum := sha1.Sum(info.Key.Bytes)
	copy(id[:], sum[len(sum)-len(id):])
	return id
}

// The signature of a file (security.ima; Linux, security/integrity/integrity.h, signature_v2_hdr):
// type, version, hash algorithm, key ID and the size of the signature behind it, big-endian.
const (
	imaDigitalSignature = 3 // EVM_IMA_XATTR_DIGSIG
	imaSignatureVersion = 2 // over the digest of the contents; version 3 is fs-verity's
	imaSignatureHeader  = 9
)

// imaHashes are the hash algorithms that count, as entries and signatures name
// them (Linux, include/uapi/linux/hash_info.h).
var imaHashes = map[string]struct {
	hash crypto.Hash
	id   byte
}{"sha256": {crypto.SHA256, 4}, "sha384": {crypto.SHA384, 5}, "sha512": {crypto.SHA512, 6}}

// signed reports whether one of the keys signed a file's digest.
func (k *imaKeys) signed(file *evidence.IMAFile) bool {
	raw, algorithm := file.Signature, imaHashes[file.Algorithm]
	if len(raw) <= imaSignatureHeader || algorithm.hash == 0 || len(file.Digest) != algorithm.hash.Size() {
		return false
	}
	signature := raw[imaSignatureHeader:]
	if raw[0] != imaDigitalSignature || raw[1] != imaSignatureVersion || raw[2] != algorithm.id ||
		int(binary.BigEndian.Uint16(raw[7:])) != len(signature) {
		return false
	}
	for _, public := range k.byID[[4]byte(raw[3:7])] {
		switch key := public.(type) {
		case *rsa.PublicKey:
			if rsa.VerifyPKCS1v15(key, algorithm.hash, file.Digest, signature) == nil {
				return true
			}
		case *ecdsa.PublicKey:
			if ecdsa.VerifyASN1(key, file.Digest, signature) {
				return true
			}
		}
	}
	return false
}
