package attacks

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"

	"github.com/quotary/quotary/evidence"
)

// requestRows ask for more than a certificate for the key. Identity is policy's, so
// that there is nothing in a request to judge: whatever it asks for is refused.
func requestRows() []Row {
	const decoded = "a request is decoded before evidence is looked at"
	asking := func(name string, template x509.CertificateRequest) Case {
		return Case{
			Name: name, Subject: snpPlain, Want: codes(evidence.CodeRequestedNames), Proof: ByService, Why: decoded,
			Try: requesting(template, func(csr []byte) []byte { return csr }),
		}
	}
	extension := func(critical bool, arcs ...int) x509.CertificateRequest {
		return x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: arcs, Critical: critical, Value: []byte{0x30, 0x03, 0x01, 0x01, 0xff}}}}
	}
	key := func(name string, want evidence.Code, make func() (crypto.Signer, error)) Case {
		return Case{
			Name: name, Subject: snpPlain, Want: codes(want), Proof: ByService, Why: "a key is judged before evidence is looked at",
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				weak, err := make()
				if err != nil {
					return Got{}, err
				}
				return a.Attest(ctx, Attempt{Key: weak})
			},
		}
	}
	return []Row{
		{"A01", "request that asks for names", []Case{
			asking("a DNS name", x509.CertificateRequest{DNSNames: []string{"admin.example.org"}}),
			asking("a wildcard", x509.CertificateRequest{DNSNames: []string{"*.example.org"}}),
			asking("an address", x509.CertificateRequest{IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}}),
			asking("a mail address", x509.CertificateRequest{EmailAddresses: []string{"admin@example.org"}}),
			asking("another identity", x509.CertificateRequest{URIs: []*url.URL{{Scheme: "spiffe", Host: "example.org", Path: "/admin"}}}),
			asking("a common name", x509.CertificateRequest{Subject: pkix.Name{CommonName: "admin"}}),
		}},
		{"A02", "request that asks for powers", []Case{
			asking("to be an authority", extension(true, 2, 5, 29, 19)),
			asking("any use", extension(false, 2, 5, 29, 37)),
		}},
		{"A03", "odd requests", []Case{
			asking("an unknown critical extension", extension(true, 1, 3, 6, 1, 4, 1, 99999, 1)),
		}},
		{"A04", "request by another key", []Case{
			{
				Name: "signature that does not verify", Subject: snpPlain, Want: codes(evidence.CodeKeyMalformed), Proof: ByService, Why: decoded,
				Try: requesting(x509.CertificateRequest{}, func(csr []byte) []byte {
					changed := bytes.Clone(csr)
					changed[len(changed)-1] ^= 1
					return changed
				}),
			},
			{
				Name: "trailing bytes", Subject: snpPlain, Want: codes(evidence.CodeKeyMalformed), Proof: ByService, Why: decoded,
				Try: requesting(x509.CertificateRequest{}, func(csr []byte) []byte { return append(csr, 0) }),
			},
		}},
		{"A05", "weak keys", []Case{
			key("P-224", evidence.CodeKeyUnsupported, func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P224(), rand.Reader) }),
			key("P-521", evidence.CodeKeyUnsupported, func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) }),
			key("RSA of 1024 bits", evidence.CodeKeyUnsupported, func() (crypto.Signer, error) { return rsaOf(1024, 65537) }),
			key("RSA of 8192 bits", evidence.CodeKeyMalformed, func() (crypto.Signer, error) { return rsaOf(8192, 65537) }),
			key("RSA with exponent 3", evidence.CodeKeyUnsupported, func() (crypto.Signer, error) { return rsaOf(2048, 3) }),
		}},
		{"A06", "key of the service itself", []Case{{
			Name: "the root's", Subject: snpPlain, Want: codes(evidence.CodeIssuingKey), Proof: ByService, Why: "it is refused when all checks are done",
			Try: ownKey,
		}}},
		{"A10", "life of the requester's choosing", []Case{{
			Name: "asked for", Subject: snpPlain, Want: codes(evidence.CodeRequestMalformed), Proof: ByService, Why: "the request has no such member",
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				return a.Attest(ctx, Attempt{Members: func(members map[string]any) error { members["ttl"] = "87600h"; return nil }})
			},
		}}},
	}
}

// requesting attests honestly, with a certificate request in place of the public key.
func requesting(template x509.CertificateRequest, change func(csr []byte) []byte) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		key, _, err := newKey()
		if err != nil {
			return Got{}, err
		}
		csr, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
		if err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, Attempt{Key: key, Members: func(members map[string]any) error {
			delete(members, "public_key")
			members["csr"] = base64.StdEncoding.EncodeToString(change(csr))
			return nil
		}})
	}
}

// others is a key of which nobody here has more than the public half.
type others struct{ crypto.PublicKey }

func (o others) Public() crypto.PublicKey { return o.PublicKey }

func (others) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the key is somebody else's")
}

// rsaOf is a public key of this size: a number that looks like a modulus, which is
// all that a service can see.
func rsaOf(bits, exponent int) (crypto.Signer, error) {
	modulus := make([]byte, bits/8)
	rand.Read(modulus)
	modulus[0] |= 0x80
	modulus[len(modulus)-1] |= 1
	return others{&rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: exponent}}, nil
}

// ownKey has evidence made for the key of the service's root.
func ownKey(ctx context.Context, a *Attacker) (Got, error) {
	answer, err := a.get(ctx, "/v1/bundle")
	if err != nil {
		return Got{}, err
	}
	var bundle struct {
		Keys []struct {
			X5C [][]byte `json:"x5c"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(answer.Body, &bundle); err != nil {
		return Got{}, err
	}
	for _, key := range bundle.Keys {
		if len(key.X5C) == 0 {
			continue
		}
		root, err := x509.ParseCertificate(key.X5C[0])
		if err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, Attempt{Key: others{root.PublicKey}})
	}
	return Got{}, errors.New("the bundle has no root")
}
