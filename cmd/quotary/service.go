package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
)

// serviceHelp explains the flags of serviceFlags.
const serviceHelp = `  --url URL              the service: https://HOST:PORT
  --root FILE            the root of its authority (ca/root.crt of its data directory), PEM
  --root-sha256 HEX      or that root's SHA-256, as the service prints it when it starts
  --trust-domain NAME    its trust domain; by default the one in the root
`

// serviceFlags say which service to talk to, and how to know it.
type serviceFlags struct {
	url, root, trustDomain string
	digest                 hexBytes
}

func (f *serviceFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.url, "url", "", "")
	fs.StringVar(&f.root, "root", "", "")
	fs.Var(&f.digest, "root-sha256", "")
	fs.StringVar(&f.trustDomain, "trust-domain", "", "")
}

// dial returns a client of the service, which is authenticated by its root and by
// nothing else.
func (f *serviceFlags) dial(ctx context.Context) (*client.Client, error) {
	switch {
	case f.url == "":
		return nil, usage("which service?", "give --url https://HOST:PORT")
	case (f.root == "") == (f.digest == nil):
		return nil, usage("how is the service to be known?", "give --root FILE or --root-sha256 HEX, which the service prints when it starts; there is no way without")
	case f.digest != nil && len(f.digest) != sha256.Size:
		return nil, usage("--root-sha256 is no SHA-256", "it has 64 hex digits")
	}
	root, err := f.authority(ctx)
	if err != nil {
		return nil, err
	}
	if f.trustDomain == "" {
		if len(root.URIs) != 1 || root.URIs[0].Scheme != "spiffe" || root.URIs[0].Host == "" {
			return nil, usage("the root names no trust domain", "give --trust-domain NAME")
		}
		f.trustDomain = root.URIs[0].Host
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return client.New(client.Config{URL: f.url, TrustDomain: f.trustDomain, Roots: roots})
}

// authority returns the root of the service's authority.
func (f *serviceFlags) authority(ctx context.Context) (*x509.Certificate, error) {
	if f.root == "" {
		return client.FetchRoot(ctx, f.url, [sha256.Size]byte(f.digest))
	}
	data, err := readFile(f.root, evidence.MaxCertificate)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, withHint(errors.New(f.root+" is no certificate in PEM"), "the root is ca/root.crt in the service's data directory")
	}
	return x509.ParseCertificate(block.Bytes)
}

// explainService adds to an error of the service what can be done about it.
func explainService(err error) error {
	var p *client.Problem
	switch {
	case errors.As(err, &p) && p.Temporary():
		return withHint(err, "the service cannot say now; try again in "+max(p.RetryAfter, time.Second).String())
	case errors.As(err, &p):
		return withHint(err, "the service's log has the cause under request "+p.RequestID)
	case evidence.CodeOf(err) == evidence.CodeServiceUnreached:
		return withHint(err, "is the service running at this URL, and is this its root?")
	}
	return err
}
