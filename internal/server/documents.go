package server

import (
	_ "embed"
	"fmt"

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
