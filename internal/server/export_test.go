package server

import "github.com/go-chi/chi/v5"

// Routes returns the router within the handler.
func Routes(s *Server) chi.Routes { return s.router() }

// Statuses is the mapping of codes.
var Statuses = statuses

// TryShadow tries the shadow set on a request without an appraisal.
func TryShadow(s *Server) { s.tryShadow(&exchange{}) }
