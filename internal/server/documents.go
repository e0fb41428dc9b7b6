package server

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/quotary/quotary/evidence"
)

// openAPI describes the interface (OpenAPI 3.1). It is written by hand; tests
// hold it and the handlers to each other.
//
//go:embed openapi.json
var openAPI []byte

// document is a public document that does not change while the service runs.
type document struct {
	contentType string
	body        []byte
}

// publicCache lets clients keep documents for as long as the bundle's refresh hint.
const publicCache = "public, max-age=300"

// bundleCache keeps the trust bundle for less than its refresh hint, so that
// whoever looks in time sees a change in time.
const bundleCache = "public, max-age=60"

// bundle answers GET /v1/bundle (SPIFFE Trust Domain and Bundle §5.2).
func (s *Server) bundle(*exchange) (reply, error) {
	bundle, err := s.Authority.Bundle()
	return reply{cache: bundleCache, body: bundle}, err
}

// BundleMap is the answer to GET /v1/bundles: a SPIFFE bundle map.
type BundleMap struct {
	TrustDomains map[string]json.RawMessage `json:"trust_domains"`
}

// bundles answers GET /v1/bundles: the service's own bundle and those of others.
func (s *Server) bundles(*exchange) (reply, error) {
	own, err := s.Authority.Bundle()
	if err != nil {
		return reply{}, err
	}
	answer := BundleMap{map[string]json.RawMessage{s.TrustDomain: own}}
	if s.Federation != nil {
		maps.Copy(answer.TrustDomains, s.Federation.Bundles())
		answer.TrustDomains[s.TrustDomain] = own // which nobody else decides
	}
	return reply{cache: bundleCache, body: answer}, nil
}

// documents gathers the public documents that do not change.
func (s *Server) documents() (map[string]document, error) {
	if _, err := s.Authority.Bundle(); err != nil {
		return nil, fmt.Errorf("server: trust bundle: %w", err)
	}
	jwks, err := s.Tokens.Keys().JSON()
	if err != nil {
		return nil, fmt.Errorf("server: JWK set: %w", err)
	}
	coseKeys, err := s.Tokens.Keys().CBOR()
	if err != nil {
		return nil, fmt.Errorf("server: COSE key set: %w", err)
	}
	return map[string]document{
		pathJWKS:     {"application/jwk-set+json", jwks},
		pathCOSEKeys: {"application/cose-key-set", coseKeys},
		pathOpenAPI:  {"application/json", openAPI},
	}, nil
}

// document answers GET for all of them.
func (s *Server) document(x *exchange) (reply, error) {
	d, ok := s.static[x.r.URL.Path]
	if !ok {
		return reply{}, evidence.Errorf(evidence.CodeNotFound, "", "there is no such document")
	}
	return reply{contentType: d.contentType, cache: publicCache, body: d.body}, nil
}
