package tdx

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/url"
	"strconv"
	"strings"
)

// Services are the services of a simulated Intel, in the form that Intel documents
// for its own (PCS API v4) and has in its caching service (Intel SGX DCAP, PCCS):
//
//	[Services.PCS]    /tdx/certification/v4/tcb?fmspc={12 hex digits}[&update={standard|early}]
//	                  /tdx/certification/v4/qe/identity[?update={standard|early}]
//	                  /sgx/certification/v4/pckcrl?ca={platform|processor}[&encoding={pem|der}]
//	[Services.Roots]  /IntelSGXRootCA.der
//	[Services.PCCS]   those of the PCS, and /sgx/certification/v4/rootcacrl
//
// A document can be asked for by its tcbEvaluationDataNumber instead of a channel.
// What is handed out is dated by the vendor's clock; all else follows from its seed
// and from what was published, revoked and rotated since, so that the same
// requests have the same answers.
//
// It has no transport: whoever serves it brings one, and its faults (429, 5xx,
// slowness) too. It is safe for concurrent use.
type Services struct{ publications }

// NewServices returns the services of a vendor, which has published what
// [Vendor.Collateral] has, on both channels, and revoked nothing.
func NewServices(v *Vendor) *Services {
	s := &Services{publications{vendor: v, signer: v.Signing}}
	s.PublishTCBInfo(Standard, v.TCBInfo())
	s.PublishQEIdentity(Standard, v.QEIdentity())
	return s
}

// Answer is the response to a request.
type Answer struct {
	Status int
	Header map[string]string
	Body   []byte
}

// Names of header fields (PCS API v4).
const (
	headerContentType   = "Content-Type"
	headerRequestID     = "Request-ID"
	headerTCBInfoChain  = "TCB-Info-Issuer-Chain"
	headerIdentityChain = "SGX-Enclave-Identity-Issuer-Chain"
	headerPCKCRLChain   = "SGX-PCK-CRL-Issuer-Chain"
)

// Content types (PCS API v4).
const (
	contentJSON = "application/json"
	contentPEM  = "application/x-pem-file"
	contentCRL  = "application/pkix-crl"
)

// Statuses (PCS API v4; HTTP, RFC 9110).
const (
	statusOK         = 200
	statusBadRequest = 400
	statusNotFound   = 404
	statusGone       = 410 // an evaluation data number that is handed out no longer
)

// PCS answers as Intel's provisioning certification service does: path without
// query, query without the question mark, both as they stand in the request line.
func (s *Services) PCS(method, path, query string) Answer {
	a := s.certification(path, query)
	if method != "GET" {
		a = Answer{Status: statusNotFound}
	}
	return a.identified(method, path, query)
}

// Roots answers as the service with Intel's root does, which has the root's
// revocation list as DER.
func (s *Services) Roots(method, path, query string) Answer {
	if method != "GET" || path != "/IntelSGXRootCA.der" || query != "" {
		return Answer{Status: statusNotFound, Header: map[string]string{}}
	}
	return Answer{statusOK, map[string]string{headerContentType: contentCRL}, s.list(s.vendor.Root).Raw}
}

// PCCS answers as a caching service does: it knows the root's revocation list, in
// hex, and sends PCK revocation lists in hex unless it is asked for DER; it does
// not look at the case of parameters, takes the first of several, and says in the
// body what is wrong.
func (s *Services) PCCS(method, path, query string) Answer {
	var a Answer
	switch {
	case method == "GET" && path == "/sgx/certification/v4/rootcacrl":
		a = Answer{statusOK, map[string]string{headerContentType: contentCRL}, hexText(s.list(s.vendor.Root).Raw)}
	case method == "GET":
		a = s.cached(path, query)
	default:
		a = Answer{Status: statusNotFound}
	}
	switch a.Status {
	case statusBadRequest:
		a.Body = []byte("Invalid request parameters.")
	case statusNotFound, statusGone:
		a.Status, a.Body = statusNotFound, []byte("No cache data for this platform.")
	}
	return a.identified(method, path, query)
}

// cached puts a request as the PCS takes it, and its answer as a PCCS gives it.
func (s *Services) cached(path, query string) Answer {
	given, _ := url.ParseQuery(query)
	asked := url.Values{}
	for _, name := range []string{"fmspc", "update", "ca"} {
		if given.Has(name) {
			asked.Set(name, strings.ToLower(given.Get(name)))
		}
	}
	list := path == pathPCKCRL
	if list {
		asked.Set("encoding", "der")
	}
	a := s.certification(path, asked.Encode())
	if list && a.Status == statusOK && !strings.EqualFold(given.Get("encoding"), "der") {
		a.Body, a.Header[headerContentType] = hexText(a.Body), contentPEM // although it is none
	}
	return a
}

func hexText(der []byte) []byte { return []byte(hex.EncodeToString(der)) }

// identified gives an answer its request identifier.
func (a Answer) identified(method, path, query string) Answer {
	id := sha256.Sum256([]byte(method + " " + path + "?" + query))
	if a.Header == nil {
		a.Header = map[string]string{}
	}
	a.Header[headerRequestID] = hex.EncodeToString(id[:16])
	return a
}

// Paths of the certification service.
const (
	pathTCBInfo    = "/tdx/certification/v4/tcb"
	pathQEIdentity = "/tdx/certification/v4/qe/identity"
	pathPCKCRL     = "/sgx/certification/v4/pckcrl"
)

// certification answers what the PCS and a PCCS have in common.
func (s *Services) certification(path, query string) Answer {
	switch path {
	case pathTCBInfo:
		return s.answerTCBInfo(query)
	case pathQEIdentity:
		return s.answerQEIdentity(query)
	case pathPCKCRL:
		return s.answerPCKCRL(query)
	}
	return Answer{Status: statusNotFound}
}

func (s *Services) answerTCBInfo(query string) Answer {
	p, ok := parseParameters(query, "fmspc", "update", "tcbEvaluationDataNumber")
	fmspc, err := hex.DecodeString(p["fmspc"])
	which, valid := p.edition()
	if !ok || !valid || err != nil || len(fmspc) != 6 {
		return Answer{Status: statusBadRequest}
	}
	info, status := s.tcbInfo(upperHex(fmspc), which)
	if status != statusOK {
		return Answer{Status: status}
	}
	info.IssueDate, info.NextUpdate = s.dates()
	document, signer := s.sign("tcbInfo", info)
	return answer(contentJSON, document, headerTCBInfoChain, signer, s.vendor.Root)
}

func (s *Services) answerQEIdentity(query string) Answer {
	p, ok := parseParameters(query, "update", "tcbEvaluationDataNumber")
	which, valid := p.edition()
	if !ok || !valid {
		return Answer{Status: statusBadRequest}
	}
	id, status := s.qeIdentity(which)
	if status != statusOK {
		return Answer{Status: status}
	}
	id.IssueDate, id.NextUpdate = s.dates()
	document, signer := s.sign("enclaveIdentity", id)
	return answer(contentJSON, document, headerIdentityChain, signer, s.vendor.Root)
}

func (s *Services) answerPCKCRL(query string) Answer {
	p, ok := parseParameters(query, "ca", "encoding")
	ca, known := map[string]Issuer{"platform": s.vendor.Platform, "processor": s.vendor.Processor}[p["ca"]]
	if !ok || !known {
		return Answer{Status: statusBadRequest}
	}
	list := s.list(ca).Raw
	switch p["encoding"] {
	case "der":
		return answer(contentCRL, list, headerPCKCRLChain, ca, s.vendor.Root)
	case "", "pem":
		text := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list})
		return answer(contentPEM, text, headerPCKCRLChain, ca, s.vendor.Root)
	}
	return Answer{Status: statusBadRequest}
}

// answer is an answer with the chain of who signed it in its header.
func answer(contentType string, body []byte, chainHeader string, chain ...Issuer) Answer {
	var certs []*x509.Certificate
	for _, issuer := range chain {
		certs = append(certs, issuer.Certificate)
	}
	escaped := strings.ReplaceAll(url.QueryEscape(string(EncodeChain(certs...))), "+", "%20")
	return Answer{statusOK, map[string]string{headerContentType: contentType, chainHeader: escaped}, body}
}

// parameters are those of a request.
type parameters map[string]string

// parseParameters reads a query with no parameters but these, each at most once.
func parseParameters(query string, known ...string) (parameters, bool) {
	given, err := url.ParseQuery(query)
	if err != nil {
		return nil, false
	}
	p := parameters{}
	for _, name := range known {
		if values := given[name]; len(values) == 1 {
			p[name] = values[0]
		}
	}
	return p, len(p) == len(given)
}

// edition reads which issue of a document is asked for.
func (p parameters) edition() (edition, bool) {
	number, numbered := p["tcbEvaluationDataNumber"]
	update, updated := p["update"]
	if numbered {
		n, err := strconv.Atoi(number)
		return edition{number: n}, err == nil && n > 0 && !updated
	}
	if !updated {
		return edition{channel: Standard}, true
	}
	return edition{channel: Channel(update)}, update == string(Standard) || update == string(Early)
}
