package authz

import (
	"net/http"
	"slices"

	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/evidence"
)

// The headers of a question by HTTP, and no others: a client's own headers must not come
// along, or it could say what the proxy forgot to say.
const (
	askedCertificate = "X-Ssl-Client-Cert"   // $ssl_client_escaped_cert
	askedVerify      = "X-Ssl-Client-Verify" // $ssl_client_verify
	askedMethod      = "X-Original-Method"   // $request_method
	askedTarget      = "X-Original-Uri"      // $request_uri
)

var askedHeaders = []string{askedCertificate, askedVerify, askedMethod, askedTarget, "Connection", "Content-Length"}

// verified is what $ssl_client_verify says of a certificate that nginx verified itself.
const verified = "SUCCESS"

// authRequest answers GET /authorize: 200 and who calls, 401 without a certificate, else 403.
// Any other status means that the proxy is configured wrong, and is no permission either.
func (s *Service) authRequest(w http.ResponseWriter, r *http.Request) {
	asked, lack, wrong := question(r)
	if wrong != "" {
		s.config.Logger.Error("a question that a proxy must not ask", "cause", wrong)
		http.Error(w, wrong, http.StatusInternalServerError)
		return
	}
	d := s.decide(asked, lack)
	if !d.Allowed {
		w.Header().Set(headerCode, d.Code.String())
		w.WriteHeader(statusOf(d))
		return
	}
	for name, value := range headers(d) {
		w.Header().Set(name, value)
	}
	w.WriteHeader(http.StatusOK)
}

// question reads what a proxy asks; lack says why it has no certificate, and wrong what is wrong
// with how it asks.
func question(r *http.Request) (asked authorize.Request, lack, wrong string) {
	for name, values := range r.Header {
		if !slices.Contains(askedHeaders, name) {
			return asked, "", "the header " + clip(name) + " does not belong here: set proxy_pass_request_headers off"
		}
		if len(values) != 1 {
			return asked, "", "the header " + name + " is there more than once"
		}
	}
	if r.ContentLength != 0 {
		return asked, "", "a body does not belong here: set proxy_pass_request_body off, and proxy_set_header Content-Length to an empty text"
	}
	asked = authorize.Request{
		Certificate: r.Header.Get(askedCertificate), Method: r.Header.Get(askedMethod), Host: r.Host, Target: r.Header.Get(askedTarget),
	}
	if shown := r.Header.Get(askedVerify); shown != verified {
		asked.Certificate = "" // the proxy itself does not believe it
		lack = "the proxy's own verification of the peer's certificate says " + clip(shown)
	}
	return asked, lack, ""
}

// unknown answers whatever else is asked.
func unknown(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(headerCode, evidence.CodeNotFound.String())
	http.Error(w, "there is GET /authorize here, and gRPC", http.StatusNotFound)
}
