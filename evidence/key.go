package evidence

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
)

// Key is the public key that a workload asks to have certified. Its only
// constructors are [ParseKey], [ParseCSR] and [NewKey], which refuse weak keys.
// The zero Key is no key.
type Key struct {
	spki string // DER; a string, so that nobody changes it
}

// NewKey returns the Key of a public key: ECDSA P-256 or P-384, Ed25519, or RSA
// of 2048 to 4096 bits with exponent 65537.
func NewKey(public crypto.PublicKey) (Key, error) {
	if err := acceptable(public, "public_key"); err != nil {
		return Key{}, err
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, Errorf(CodeKeyMalformed, "public_key", "the public key cannot be encoded")
	}
	return Key{string(spki)}, nil
}

// ParseKey reads a DER SubjectPublicKeyInfo. Encodings that do not round-trip
// byte for byte are refused, so that one key has one digest.
func ParseKey(spki []byte) (Key, error) {
	if len(spki) > MaxKey {
		return Key{}, Errorf(CodeKeyMalformed, "public_key", "a public key takes at most %d bytes", MaxKey)
	}
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return Key{}, Errorf(CodeKeyMalformed, "public_key", "this is no DER SubjectPublicKeyInfo")
	}
	key, err := NewKey(public)
	if err != nil {
		return Key{}, err
	}
	if key.spki != string(spki) {
		return Key{}, Errorf(CodeKeyMalformed, "public_key", "the SubjectPublicKeyInfo is not encoded canonically")
	}
	return key, nil
}

// ParseCSR takes the key out of a DER PKCS #10 request and nothing else. A
// request whose self-signature does not verify, or that asks for names or
// extensions, is refused: identity comes from policy alone, and a requester who
// asks for more should know.
func ParseCSR(der []byte) (Key, error) {
	if len(der) > MaxCSR {
		return Key{}, Errorf(CodeKeyMalformed, "csr", "a certificate request takes at most %d bytes", MaxCSR)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return Key{}, Errorf(CodeKeyMalformed, "csr", "this is no DER PKCS #10 certificate request")
	}
	if err := acceptable(csr.PublicKey, "csr"); err != nil { // before its size costs a verification
		return Key{}, err
	}
	if err := csr.CheckSignature(); err != nil {
		return Key{}, Errorf(CodeKeyMalformed, "csr", "the request's self-signature does not verify")
	}
	if asked := requestedNames(csr); asked != "" {
		return Key{}, Errorf(CodeRequestedNames, "csr", "the request asks for %s; leave subject, names and extensions empty, they come from policy", asked)
	}
	return ParseKey(csr.RawSubjectPublicKeyInfo)
}

// Public returns the key as the standard library has it, decoded anew, since
// that form can be altered; or nil for the zero Key.
func (k Key) Public() crypto.PublicKey {
	public, err := x509.ParsePKIXPublicKey([]byte(k.spki))
	if err != nil {
		return nil // the zero Key; any other was encoded by NewKey
	}
	return public
}

// SPKI returns the DER SubjectPublicKeyInfo.
func (k Key) SPKI() []byte { return []byte(k.spki) }

// IsZero reports whether k is no key.
func (k Key) IsZero() bool { return k.spki == "" }

// Equal reports whether both are the same key.
func (k Key) Equal(other Key) bool { return k.spki == other.spki }

// acceptable refuses weak keys; field is where the key came from.
func acceptable(public crypto.PublicKey, field string) error {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= 2048 && bits <= 4096 && key.N.Bit(0) == 1 && key.E == 65537 {
			return nil
		}
	}
	return Errorf(CodeKeyUnsupported, field, "keys of this type, size or curve are not accepted; use ECDSA P-256")
}

// requestInfo is CertificationRequestInfo (RFC 2986 §4.1).
type requestInfo struct {
	Version    int
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
}

// requestedNames says what a CSR asks for beyond its key, or "". The standard
// library drops attributes that it cannot parse, so they are looked at here.
func requestedNames(csr *x509.CertificateRequest) string {
	var info requestInfo
	rest, err := asn1.Unmarshal(csr.RawTBSCertificateRequest, &info)
	switch {
	case err != nil || len(rest) > 0:
		return "something that cannot be decoded"
	case len(info.Subject.Bytes) > 0:
		return "a subject"
	case len(csr.Extensions) > 0:
		return fmt.Sprintf("the extension %s", csr.Extensions[0].Id)
	case len(info.Attributes.Bytes) > 0:
		return "attributes"
	}
	return ""
}
