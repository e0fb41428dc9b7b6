package server

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/quotary/quotary/evidence"
)

// observe stands around everything: it gives the request its name, sets the
// headers that all responses have, and writes log line and metrics at the end.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{id: rand.Text(), started: s.Now(), route: "other"}
		x.w = &recorder{ResponseWriter: w, x: x}
		x.r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		header := w.Header()
		header.Set("X-Request-Id", x.id)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Referrer-Policy", "no-referrer")
		s.metrics.inFlight.Inc()
		defer func() {
			s.metrics.inFlight.Dec()
			s.metrics.request(x)
			s.log(x)
		}()
		next.ServeHTTP(x.w, x.r)
	})
}

// recorder notes the status of handlers that write for themselves.
type recorder struct {
	http.ResponseWriter
	x *exchange
}

func (r *recorder) WriteHeader(status int) {
	r.x.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (n int, err error) {
	if r.x.status == 0 {
		r.x.status = http.StatusOK
	}
	r.x.place.waits(cutResponse(r.ResponseWriter), func() { n, err = r.ResponseWriter.Write(b) })
	r.x.sent += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// roomOf is where a request has its place. Who follows revocations waits for news most of the
// time, in any number, and only others who do so lose a place to them.
func (s *Server) roomOf(r *http.Request) *room {
	if r.URL.Path == pathFeed {
		return &s.feedRoom
	}
	return &s.room
}

// bounded refuses requests beyond maxInFlight at once. Health is answered always.
func (s *Server) bounded(roomOf func(*http.Request) *room, next http.Handler) http.Handler {
	full := s.endpoint(func(*exchange) (reply, error) {
		return reply{}, evidence.Errorf(evidence.CodeOverloaded, "", "too many requests at once; try again later")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pathHealth {
			next.ServeHTTP(w, r)
			return
		}
		x := exchangeOf(r.Context())
		if x.place = roomOf(r).enter(); x.place == nil {
			full(w, r)
			return
		}
		defer x.place.leave()
		next.ServeHTTP(w, r)
	})
}
