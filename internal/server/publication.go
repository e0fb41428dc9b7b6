package server

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// publish adds the routes of what is signed in itself: whoever passes it on can withhold it, not
// change it.
func (s *Server) publish(r chi.Router) {
	r.Get(pathCRL, s.endpoint(s.crl))
	r.Get(pathCRLOf, s.endpoint(s.crlOf))
	r.Get(pathCRLs, s.endpoint(s.crls))
	r.Post(pathOCSP, s.endpoint(s.ocsp))
	r.Get(pathOCSPOf, s.endpoint(s.ocspOf))
}

// Publication returns an http.Server for plain HTTP, with all bounds set, which answers these
// routes and no other. Its requests and connections take none of the places of the service's own.
func (s *Server) Publication() *http.Server {
	r := chi.NewRouter()
	r.Use(middleware.GetHead)
	s.publish(r)
	r.NotFound(s.endpoint(notFound))
	r.MethodNotAllowed(s.endpoint(methodNotAllowed))
	places := &room{free: maxInFlight}
	return s.http(s.around(func(*http.Request) *room { return places }, r))
}
