package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/quotary/quotary/client"
)

// A server for workloads of the trust domain: it refuses those that were revoked, and closes their
// connections within seconds.
func ExampleRevocations() {
	ctx := context.Background()
	root, err := os.ReadFile("/etc/quotary/root.crt")
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	revocations, err := client.NewRevocations(ctx, client.Config{
		URL: "https://attest.example.org:8443", TrustDomain: "example.org", Roots: roots,
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		log.Fatal(revocations.Run(ctx, func(err error) { log.Print(err) }))
	}()

	listener, err := net.Listen("tcp", ":8443")
	if err != nil {
		log.Fatal(err)
	}
	guarded := revocations.Listener(listener, &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { // the agent renews the file
			certificate, err := tls.LoadX509KeyPair("/run/quotary/web/tls.pem", "/run/quotary/web/tls.pem")
			return &certificate, err
		},
	})
	log.Fatal(http.Serve(guarded, nil))
}
