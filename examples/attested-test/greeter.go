// Package greeter is a service that greets its callers by their SPIFFE ID, over mutual
// TLS. It knows nothing of Quotary: it takes a certificate and the roots of its trust
// domain, from wherever they come.
package greeter

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
)

// TLS is the configuration of one side of mutual TLS within a trust domain.
func TLS(own tls.Certificate, roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{own}, RootCAs: roots, ClientCAs: roots,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}
}

// Greet greets the caller by the name in its certificate.
func Greet(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "hello, %s", r.TLS.PeerCertificates[0].URIs[0])
}
