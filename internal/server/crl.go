package server

import (
	"context"

	"github.com/go-chi/chi/v5"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
)

// Revocations publishes what was revoked: a *revocation.Publisher.
type Revocations interface {
	// Lists are those that were signed last; nobody's request has them signed.
	Lists() *ca.RevocationLists
	// Changed is closed when the lists of now are signed anew.
	Changed() <-chan struct{}
	// Answer answers a question about one certificate (OCSP).
	Answer(ctx context.Context, request []byte) ([]byte, error)
	// Renew signs lists of what is revoked by now.
	Renew(context.Context) error
}

const mediaTypeCRL = "application/pkix-crl" // RFC 2585 §4.2

// crl answers GET /v1/crl: the list of the issuing CA that issues now.
func (s *Server) crl(*exchange) (reply, error) {
	lists := s.Revocations.Lists()
	return reply{contentType: mediaTypeCRL, cache: bundleCache, body: lists.Issuing[lists.Active]}, nil
}

// crlOf answers GET /v1/crl/{authority}: that of the issuing CA of an authority by name.
func (s *Server) crlOf(x *exchange) (reply, error) {
	list, ok := s.Revocations.Lists().Issuing[chi.URLParam(x.r, "authority")]
	if !ok {
		return reply{}, evidence.Errorf(evidence.CodeNotFound, "", "no authority of this name is in the trust bundle")
	}
	return reply{contentType: mediaTypeCRL, cache: bundleCache, body: list}, nil
}

// crls answers GET /v1/crls: all lists, those of roots included, in PEM.
func (s *Server) crls(*exchange) (reply, error) {
	return reply{contentType: "application/x-pem-file", cache: bundleCache, body: s.Revocations.Lists().PEM()}, nil
}
