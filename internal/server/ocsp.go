package server

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/quotary/quotary/internal/ocsp"
)

// The media types of OCSP over HTTP (RFC 6960 appendix A).
const (
	mediaTypeOCSPRequest  = "application/ocsp-request"
	mediaTypeOCSPResponse = "application/ocsp-response"
)

// ocsp answers POST /v1/ocsp: a question about one certificate.
func (s *Server) ocsp(x *exchange) (reply, error) {
	request, err := x.readAs(mediaTypeOCSPRequest, ocsp.MaxRequest)
	if err != nil {
		return reply{}, err
	}
	return s.answerOCSP(x, request)
}

// ocspOf answers GET /v1/ocsp/{request}: the same in base64, of which slashes are part.
func (s *Server) ocspOf(x *exchange) (reply, error) {
	request, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(x.r.URL.Path, pathOCSP+"/"))
	if err != nil {
		request = nil // which is malformed as well, and said so in the way of OCSP
	}
	return s.answerOCSP(x, request)
}

// answerOCSP has few questions answered at once. No cache keeps an answer: it is about now.
func (s *Server) answerOCSP(x *exchange, request []byte) (reply, error) {
	place, err := s.answers.enter(x.r.Context())
	if err != nil {
		return reply{}, err
	}
	defer place.leave()
	ctx, cancel := context.WithTimeout(x.r.Context(), recordTimeout)
	defer cancel()
	answer, err := s.Revocations.Answer(ctx, request)
	return reply{contentType: mediaTypeOCSPResponse, body: answer}, err
}
