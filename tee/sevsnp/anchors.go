package sevsnp

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-sev-guest/verify/trust"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// anchor is a root key (ARK) that is trusted for one product line.
type anchor struct {
	cert    *x509.Certificate
	product *product
	origin  evidence.Origin
	name    string              // the subject, as claims name it
	id      digest              // SHA-256 of the certificate
	issuer  [2][]byte           // by signing key: the DER subject of the keys' issuer
	issuers []*x509.Certificate // the ASK and ASVK that this build carries
}

// pinned names AMD's root keys by the SHA-256 of their certificates. The bytes
// come from a dependency; these digests are why they are trusted.
var pinned = []struct {
	product *product
	sha256  string
	chains  func() [][]byte // PEM, the issuer before the root: for VCEKs, and for VLEKs
}{
	{milan, "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
		func() [][]byte { return [][]byte{trust.AskArkMilanVcekBytes, trust.AskArkMilanVlekBytes} }},
	{genoa, "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
		func() [][]byte { return [][]byte{trust.AskArkGenoaVcekBytes, trust.AskArkGenoaVlekBytes} }},
	{turin, "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
		func() [][]byte { return [][]byte{trust.AskArkTurinVcekBytes, trust.AskArkTurinVlekBytes} }},
}

// pinnedAnchors returns AMD's root keys with the issuers under them. It fails if
// the embedded certificates are not the ones that were pinned.
func pinnedAnchors() ([]*anchor, error) {
	var anchors []*anchor
	for _, pin := range pinned {
		a := &anchor{product: pin.product, origin: evidence.OriginPinned}
		for _, chain := range pin.chains() {
			issuer, root, err := parseChain(chain)
			if err != nil {
				return nil, fmt.Errorf("sevsnp: the embedded certificates of %s: %w", pin.product.name, err)
			}
			if sum := sha256.Sum256(root.Raw); hex.EncodeToString(sum[:]) != pin.sha256 {
				return nil, fmt.Errorf("sevsnp: the embedded root of %s is %x, not the pinned %s", pin.product.name, sum, pin.sha256)
			}
			a.cert = root
			a.issuers = append(a.issuers, issuer)
		}
		anchors = append(anchors, a)
	}
	return anchors, nil
}

// parseChain reads an issuer and its root from PEM.
func parseChain(chain []byte) (issuer, root *x509.Certificate, err error) {
	first, rest := pem.Decode(chain)
	second, rest := pem.Decode(rest)
	if first == nil || second == nil || len(bytes.TrimSpace(rest)) != 0 {
		return nil, nil, fmt.Errorf("want two PEM blocks")
	}
	if issuer, err = x509.ParseCertificate(first.Bytes); err != nil {
		return nil, nil, err
	}
	root, err = x509.ParseCertificate(second.Bytes)
	return issuer, root, err
}

// newAnchor admits a further root. Only simulated and test roots can be added:
// AMD's are pinned.
func newAnchor(given tee.Anchor) (*anchor, error) {
	if given.Origin != evidence.OriginSimulated {
		return nil, evidence.Errorf(evidence.CodeSNPAnchor, "anchor", "a further root must be marked %q, got %q", evidence.OriginSimulated, given.Origin)
	}
	if len(given.DER) > evidence.MaxCertificate {
		return nil, evidence.Errorf(evidence.CodeSNPAnchor, "anchor", "%d bytes are more than the bound of %d", len(given.DER), evidence.MaxCertificate)
	}
	cert, err := x509.ParseCertificate(given.DER)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeSNPAnchor, "anchor", "cannot parse the certificate: %w", err)
	}
	p := productOfRoot(cert)
	if p == nil {
		return nil, evidence.Errorf(evidence.CodeSNPAnchor, "anchor", "the subject %q names no AMD root key of a product line that this build can verify", cert.Subject.CommonName)
	}
	if err := isRoot(cert); err != nil {
		return nil, evidence.Errorf(evidence.CodeSNPAnchor, "anchor", "%s: %w", cert.Subject.CommonName, err)
	}
	return &anchor{cert: cert, product: p, origin: given.Origin}, nil
}

// IsRoot reports whether a certificate is, by its name, the root key of a
// product line that this package can verify: its common name is "ARK-Milan",
// "ARK-Genoa" or "ARK-Turin", and it issued itself.
// [New] takes exactly these as anchors; nothing else is told by the name.
func IsRoot(cert *x509.Certificate) bool {
	return productOfRoot(cert) != nil && bytes.Equal(cert.RawSubject, cert.RawIssuer)
}

// productOfRoot returns the line that a root's common name stands for, or nil. That a
// root is simulated stands in another attribute, and its issuers' names have it too.
func productOfRoot(cert *x509.Certificate) *product {
	for _, p := range products {
		if cert.Subject.CommonName == p.names(vcek).root {
			return p
		}
	}
	return nil
}

// subjectLike returns the DER subject of a root with another common name: roots
// and issuers differ in nothing else.
func subjectLike(root *x509.Certificate, commonName string) ([]byte, error) {
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	type relativeSET []attribute // the suffix is how package asn1 tells a SET
	var subject []relativeSET
	if rest, err := asn1.Unmarshal(root.RawSubject, &subject); err != nil || len(rest) != 0 {
		return nil, fmt.Errorf("cannot read the subject: %w", err)
	}
	for _, relative := range subject {
		for i := range relative {
			if relative[i].Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}) {
				relative[i].Value = asn1.RawValue{Tag: relative[i].Value.Tag, Bytes: []byte(commonName)}
			}
		}
	}
	return asn1.Marshal(subject)
}

// isRoot checks the form of a root: like AMD's, whoever made it.
func isRoot(cert *x509.Certificate) error {
	if err := isAuthority(cert); err != nil {
		return err
	}
	if !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		return errors.New("it did not issue itself")
	}
	return signedBy(cert, cert)
}

// trustAnchor is how claims name the anchor.
func (a *anchor) trustAnchor() *evidence.TrustAnchor {
	return &evidence.TrustAnchor{Name: a.name, SHA256: slices.Clone(a.id[:]), Origin: a.origin}
}
