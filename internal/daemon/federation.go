package daemon

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"path/filepath"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/federation"
	"github.com/quotary/quotary/internal/store"
)

// Partner is another trust domain whose bundle is fetched for workloads.
type Partner struct {
	// TrustDomain is its name.
	TrustDomain string `yaml:"trust_domain"`
	// URL is its bundle endpoint's.
	URL string `yaml:"url"`
	// Profile says how the endpoint authenticates itself: "https_spiffe" or "https_web".
	Profile string `yaml:"profile"`
	// EndpointID is its SPIFFE ID, for https_spiffe.
	EndpointID string `yaml:"endpoint_id"`
	// Bundle is a file with the first bundle (JSON), for https_spiffe.
	Bundle string `yaml:"bundle"`
	// Roots is a file with the roots (PEM) that verify the endpoint, for https_web;
	// without it the system's do.
	Roots string `yaml:"roots"`
}

// openFederation reads what is configured and kept of other trust domains.
func (d *Daemon) openFederation(o Options) error {
	var partners []federation.Partner
	for _, p := range d.Config.Federation {
		partner := federation.Partner{
			TrustDomain: p.TrustDomain, URL: p.URL, Profile: federation.Profile(p.Profile), EndpointID: p.EndpointID,
		}
		var err error
		if p.Bundle != "" {
			if partner.First, err = readBounded(p.Bundle, "trust bundle", maxBundle); err != nil {
				return err
			}
		}
		if p.Roots != "" {
			if partner.Roots, err = readRoots(p.Roots); err != nil {
				return err
			}
		}
		partners = append(partners, partner)
	}
	var err error
	d.federation, err = federation.Open(federation.Config{
		Dir: filepath.Join(o.Data, federationDir), Own: d.Config.TrustDomain, Partners: partners,
		Record: d.recordBundle, Notify: d.notifyFederation,
	})
	return err
}

// readRoots reads certificates in PEM.
func readRoots(path string) (*x509.CertPool, error) {
	text, err := readBounded(path, "file of roots", maxBundle)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, path, "this file has no certificate in PEM")
	}
	return pool, nil
}

// recordBundle records that another trust domain's bundle changed, before it counts.
func (d *Daemon) recordBundle(ctx context.Context, b federation.Bundle) error {
	sum := sha256.Sum256(b.Raw)
	detail, err := json.Marshal(map[string]any{
		"trust_domain": b.TrustDomain, "sequence": b.Sequence, "sha256": hex.EncodeToString(sum[:]),
		"x509_authorities": b.Roots, "jwt_authorities": b.Keys,
	})
	if err != nil {
		return err
	}
	event := d.own("federation")
	event.Detail = detail
	d.logger.Info("federation", "trust_domain", b.TrustDomain, "sequence", b.Sequence, "x509_authorities", b.Roots, "jwt_authorities", b.Keys)
	return d.ledger.Record(ctx, store.Entry{Event: event})
}

// notifyFederation logs that another trust domain's bundle cannot be had, and that
// it can again.
func (d *Daemon) notifyFederation(trustDomain string, err error) {
	if err != nil {
		d.logger.Warn("the bundle of another trust domain cannot be renewed; the one at hand stays", "trust_domain", trustDomain, "cause", err.Error(), "code", evidence.CodeOf(err).String())
		return
	}
	d.logger.Info("the bundle of another trust domain can be renewed again", "trust_domain", trustDomain)
}
