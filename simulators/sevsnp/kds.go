package sevsnp

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// KDS is the key distribution service of simulated vendors, at most one for each
// product line, in the form that AMD documents for its own (57230, chapter 4):
//
//	/vcek/v1/{line}/{hwid}?blSPL=…  a VCEK's certificate, DER
//	/vcek/v1/{line}/cert_chain      ASK and ARK, PEM, in that order
//	/vlek/v1/{line}/cert_chain      ASVK and ARK likewise
//	/vcek/v1/{line}/crl             the root's revocation list, DER
//	/vlek/v1/{line}/crl             the same
//
// It has no transport: whoever serves it brings one, and its faults (429, 5xx,
// slowness) too. It knows the VCEKs that its vendors issued, which is one for each
// machine and TCB that was ever made with [Vendor.NewMachine].
type KDS []*Vendor

// Content types of answers. AMD documents the formats, not these.
const (
	contentPEM  = "application/x-pem-file"
	contentCert = "application/pkix-cert"
	contentCRL  = "application/pkix-crl"
	contentText = "text/plain; charset=utf-8"
)

// Statuses of answers (57230, section 4.1; HTTP, RFC 9110).
const (
	statusOK            = 200
	statusBadRequest    = 400 // a parameter is malformed or unknown
	statusUnauthorized  = 401 // a VLEK goes to its provider only
	statusNotFound      = 404
	statusNotAllowed    = 405
	statusInternalError = 500
)

// statusError is an answer that is not what was asked for.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

var errNotFound = &statusError{statusNotFound, "Not Found"}

// Answer returns the response to one request: path without query, query without
// the question mark, both as they stand in the request line.
func (k KDS) Answer(method, path, query string) (status int, contentType string, body []byte) {
	body, contentType, failure := k.answer(method, path, query)
	if failure != nil {
		return failure.status, contentText, fmt.Appendf(nil, "%d - %s", failure.status, failure.text)
	}
	return statusOK, contentType, body
}

func (k KDS) answer(method, path, query string) (body []byte, contentType string, _ *statusError) {
	if method != "GET" {
		return nil, "", &statusError{statusNotAllowed, "Method Not Allowed"}
	}
	parts := strings.Split(path, "/")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "vcek" && parts[1] != "vlek" || parts[2] != "v1" {
		return nil, "", errNotFound
	}
	at := slices.IndexFunc(k, func(v *Vendor) bool { return v.options.Product == parts[3] })
	if at < 0 {
		return nil, "", errNotFound
	}
	return k[at].serve(parts[1] == "vlek", parts[4], query)
}

// serve answers for the vendor's line.
func (v *Vendor) serve(forVLEK bool, resource, query string) (body []byte, contentType string, _ *statusError) {
	switch {
	case resource == "cert_chain":
		issuer := v.ASK()
		if forVLEK {
			var err error
			if issuer, err = v.ASVK(); err != nil {
				return nil, "", &statusError{statusInternalError, err.Error()}
			}
		}
		return encodeChain(issuer.Certificate, v.ark.Certificate), contentPEM, nil
	case resource == "crl":
		return v.newestCRL().Raw, contentCRL, nil
	case forVLEK && resource == "cert":
		return nil, "", &statusError{statusUnauthorized, "Unauthorized"}
	case forVLEK:
		return nil, "", errNotFound
	}
	cert, failure := v.lookUp(resource, query)
	if failure != nil {
		return nil, "", failure
	}
	return cert.Raw, contentCert, nil
}

func encodeChain(certs ...*x509.Certificate) []byte {
	var chain []byte
	for _, cert := range certs {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return chain
}

// lookUp finds the newest VCEK of a chip and TCB.
func (v *Vendor) lookUp(digits, query string) (*x509.Certificate, *statusError) {
	levels, failure := parseLevels(query, hasFMC(v.options.Product))
	if failure != nil {
		return nil, failure
	}
	size := len(hwid(v.options.Product, &[64]byte{}))
	chip, err := hex.DecodeString(digits)
	if err != nil || len(chip) != size {
		return nil, &statusError{statusBadRequest, fmt.Sprintf("Bad Request: hwID has %d hexadecimal digits", 2*size)}
	}
	want := append(levels, KDSExtension(chip, 4))
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, cert := range slices.Backward(v.issued) {
		if !slices.ContainsFunc(want, func(ext pkix.Extension) bool { return !carries(cert, ext) }) {
			return cert, nil
		}
	}
	return nil, errNotFound
}

// splArcs are the last arcs of the extensions that hold a request's security
// patch levels.
var splArcs = map[string]int{"blSPL": 1, "teeSPL": 2, "snpSPL": 3, "ucodeSPL": 8, "fmcSPL": 9}

// parseLevels reads a request's parameters; one that is absent stands for zero.
func parseLevels(query string, hasFMC bool) ([]pkix.Extension, *statusError) {
	levels := map[string]uint8{"blSPL": 0, "teeSPL": 0, "snpSPL": 0, "ucodeSPL": 0}
	if hasFMC {
		levels["fmcSPL"] = 0
	}
	seen := map[string]bool{}
	for parameter := range strings.SplitSeq(query, "&") {
		if query == "" {
			break
		}
		name, value, _ := strings.Cut(parameter, "=")
		level, err := strconv.ParseUint(value, 10, 8)
		if _, known := levels[name]; !known || seen[name] || err != nil {
			return nil, &statusError{statusBadRequest, "Bad Request: " + strconv.Quote(parameter)}
		}
		seen[name], levels[name] = true, uint8(level)
	}
	var extensions []pkix.Extension
	for name, level := range levels {
		extensions = append(extensions, kdsInteger(level, 3, splArcs[name]))
	}
	return extensions, nil
}

// carries reports whether a certificate has an extension of exactly this value.
func carries(cert *x509.Certificate, want pkix.Extension) bool {
	return slices.ContainsFunc(cert.Extensions, func(ext pkix.Extension) bool {
		return ext.Id.Equal(want.Id) && bytes.Equal(ext.Value, want.Value)
	})
}
