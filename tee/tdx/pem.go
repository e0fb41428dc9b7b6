package tdx

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"

	"github.com/quotary/quotary/evidence"
)

const (
	pemBegin = "-----BEGIN CERTIFICATE-----"
	pemEnd   = "-----END CERTIFICATE-----"
)

// pckChain is the chain of a PCK certificate as a quote carries it.
type pckChain struct{ leaf, ca, root *x509.Certificate }

// parseChain reads exactly three PEM certificates with nothing but line breaks
// between and behind them; one NUL at the end, which quoting libraries add, is
// tolerated. encoding/pem is not used because it skips whatever it does not know.
// A known root, byte for byte, is not parsed again.
func parseChain(data []byte, known ...*anchor) (pckChain, error) {
	if len(data) > maxChain {
		return pckChain{}, chainError("%d bytes; at most %d are read", len(data), maxChain)
	}
	rest := bytes.TrimSuffix(data, []byte{0})
	var certs [3]*x509.Certificate
	for i := range certs {
		der, behind, ok := nextPEM(rest)
		if !ok {
			return pckChain{}, chainError("certificate %d of 3 is not PEM", i+1)
		}
		cert, err := parseCertificate(der, known)
		if err != nil {
			return pckChain{}, chainError("certificate %d of 3: %w", i+1, err)
		}
		certs[i], rest = cert, behind
	}
	if len(rest) > 0 {
		return pckChain{}, chainError("%d bytes behind the third certificate", len(rest))
	}
	return pckChain{certs[0], certs[1], certs[2]}, nil
}

// isPlain reports whether data is the chain as everybody writes it. No signature
// covers its line breaks: whoever has one quote can write it in any number of ways,
// which are all good but not worth remembering.
func (c pckChain) isPlain(data []byte) bool {
	var plain []byte
	for _, cert := range []*x509.Certificate{c.leaf, c.ca, c.root} {
		plain = append(plain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	written, _ := bytes.CutSuffix(bytes.TrimSuffix(data, []byte{0}), []byte("\n"))
	return bytes.Equal(written, bytes.TrimSuffix(plain, []byte("\n")))
}

func parseCertificate(der []byte, known []*anchor) (*x509.Certificate, error) {
	for _, a := range known {
		if bytes.Equal(a.cert.Raw, der) {
			return a.cert, nil
		}
	}
	return x509.ParseCertificate(der)
}

func chainError(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTDXChainFormat, "quote", format, args...)
}

// nextPEM decodes the PEM certificate that data starts with.
func nextPEM(data []byte) (der, rest []byte, ok bool) {
	text, ok := bytes.CutPrefix(data, []byte(pemBegin))
	if !ok {
		return nil, nil, false
	}
	text, rest, ok = bytes.Cut(text, []byte(pemEnd))
	if !ok {
		return nil, nil, false
	}
	der = make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(der, text) // line breaks are skipped, all else refused
	return der[:n], bytes.TrimLeft(rest, "\r\n"), err == nil
}
