package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"os"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
)

// serviceHelp explains the flags of serviceFlags.
const serviceHelp = `  --profile NAME         the service of this profile, instead of the current one's
                         (quotary login makes profiles); or $QUOTARY_PROFILE
  --url URL              the service: https://HOST:PORT; or $QUOTARY_URL
  --root FILE            the root of its authority (ca/root.crt of its data directory), PEM;
                         or $QUOTARY_ROOT
  --root-sha256 HEX      or that root's SHA-256, as the service prints it when it starts
  --trust-domain NAME    its trust domain; by default the one in the root
`

// serviceFlags say which service to talk to, and how to know it. What they leave
// out a profile says.
type serviceFlags struct {
	profile, url, root, trustDomain string
	digest                          hexBytes
}

func (f *serviceFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.profile, "profile", "", "")
	fs.StringVar(&f.url, "url", "", "")
	fs.StringVar(&f.root, "root", "", "")
	fs.Var(&f.digest, "root-sha256", "")
	fs.StringVar(&f.trustDomain, "trust-domain", "", "")
}

// service is a service and how to know it.
type service struct {
	url, trustDomain string
	root             *x509.Certificate
}

// roots returns the one root there is.
func (s *service) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.root)
	return pool
}

// environment completes the flags.
func (f *serviceFlags) environment() {
	for _, v := range []struct {
		flag *string
		name string
	}{{&f.profile, "QUOTARY_PROFILE"}, {&f.url, "QUOTARY_URL"}} {
		if *v.flag == "" {
			*v.flag = os.Getenv(v.name)
		}
	}
	if f.root == "" && f.digest == nil {
		f.root = os.Getenv("QUOTARY_ROOT")
	}
}

// complete reports whether the flags say everything without a profile.
func (f *serviceFlags) complete() bool { return f.url != "" && (f.root != "" || f.digest != nil) }

// chosen returns the profile that is meant; the zero profile if there is none.
func (f *serviceFlags) chosen(c *userConfig) (name string, p profile, err error) {
	name = f.profile
	if name == "" {
		name = c.Current
	}
	p, ok := c.Profiles[name]
	if !ok && f.profile != "" {
		return "", p, c.absent(name)
	}
	return name, p, nil
}

// find returns the service that flags and profile say.
func (f *serviceFlags) find(ctx context.Context, p profile) (*service, error) {
	if f.url == "" {
		f.url = p.URL
	}
	given := f.root != "" || f.digest != nil
	switch {
	case f.url == "":
		return nil, usage("which service?", "log in (quotary login --help), choose a profile (quotary profile list), or give --url https://HOST:PORT")
	case f.root != "" && f.digest != nil, !given && p.Root == "":
		return nil, usage("how is the service to be known?", "give --root FILE or --root-sha256 HEX, which the service prints when it starts; there is no way without")
	case f.digest != nil && len(f.digest) != sha256.Size:
		return nil, usage("--root-sha256 is no SHA-256", "it has 64 hex digits")
	}
	if !given {
		root, err := p.root()
		if f.trustDomain == "" {
			f.trustDomain = p.TrustDomain
		}
		return &service{f.url, f.trustDomain, root}, err
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
	return &service{f.url, f.trustDomain, root}, nil
}

// dial returns a client of the service, which is authenticated by its root and by
// nothing else.
func (f *serviceFlags) dial(ctx context.Context) (*client.Client, error) {
	f.environment()
	var p profile
	if !f.complete() {
		config, err := readUserConfig()
		if err != nil {
			return nil, err
		}
		if _, p, err = f.chosen(config); err != nil {
			return nil, err
		}
	}
	s, err := f.find(ctx, p)
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{URL: s.url, TrustDomain: s.trustDomain, Roots: s.roots()})
}

// authority returns the root of the service's authority.
func (f *serviceFlags) authority(ctx context.Context) (*x509.Certificate, error) {
	if f.root == "" {
		return client.FetchRoot(ctx, f.url, [sha256.Size]byte(f.digest))
	}
	const hint = "the root is ca/root.crt in the service's data directory"
	data, err := readFile(f.root, evidence.MaxCertificate)
	if err != nil {
		return nil, withHint(err, hint)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, withHint(errors.New(f.root+" is no certificate in PEM"), hint)
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
