package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync"
	"time"

	"github.com/quotary/quotary/evidence"
)

// ServiceID is the SPIFFE ID in the service's own certificate,
// "spiffe://<trust domain>/quotary". No workload can be granted it.
func (a *Authority) ServiceID() string { return a.realm.service.String() }

// ServerCertificate makes a certificate for the service itself, with a new key
// that is only in memory. hosts are DNS names in lower case and IP addresses. It
// ends after a day: prefer [Authority.ServerCertificates], which renews.
func (a *Authority) ServerCertificate(hosts []string) (*tls.Certificate, error) {
	names, addresses, err := parseHosts(hosts)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	now := a.now()
	h := a.force.Load().serving(now)
	notBefore, notAfter, err := validity(h.issuing, now, min(serviceTTL, h.maxTTL), time.Time{})
	if err != nil {
		return nil, err
	}
	leaf, err := h.sign(&profile{
		serial: h.newSerial(), id: h.service, dnsNames: names, addresses: addresses,
		spki: spki, notBefore: notBefore, notAfter: notAfter,
	})
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, h.issuing.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// CheckHosts returns the *evidence.Error that [Authority.ServerCertificates]
// would refuse hosts with.
func CheckHosts(hosts []string) error {
	_, _, err := parseHosts(hosts)
	return err
}

// parseHosts sorts hosts into DNS names and addresses.
func parseHosts(hosts []string) (names []string, addresses []net.IP, err error) {
	if len(hosts) > maxHosts {
		return nil, nil, refuseIdentity("%d hosts, the service's certificate has at most %d", len(hosts), maxHosts)
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			addresses = append(addresses, ip)
		} else {
			names = append(names, host)
		}
	}
	return names, addresses, checkDNSNames(names)
}

// ServerCertificates gives a TLS server its certificate and renews it at half
// of its life. It is safe for concurrent use.
type ServerCertificates struct {
	authority *Authority
	hosts     []string

	mu      sync.Mutex
	current *tls.Certificate
	by      *hierarchy // that certified it
	renewAt time.Time
}

// ServerCertificates makes the first certificate, so that bad hosts are found at once.
func (a *Authority) ServerCertificates(hosts []string) (*ServerCertificates, error) {
	s := &ServerCertificates{authority: a, hosts: append([]string(nil), hosts...)}
	_, err := s.Get(nil)
	return s, err
}

// Get is a tls.Config's GetCertificate. While renewal fails, it returns the
// certificate at hand until that ends. When the authority that certifies the service
// changes, it makes another at once.
func (s *ServerCertificates) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.authority.now()
	serving := s.authority.force.Load().serving(now)
	if s.current != nil && s.by.issuing.Equal(serving.issuing) && now.Before(s.renewAt) {
		return s.current, nil
	}
	next, err := s.authority.ServerCertificate(s.hosts)
	if err == nil {
		s.current, s.by, s.renewAt = next, serving, renewAt(now, next.Leaf.NotAfter)
		return next, nil
	}
	if s.current != nil && now.Before(s.current.Leaf.NotAfter) {
		return s.current, nil
	}
	return nil, evidence.Errorf(evidence.CodeIssuingValidity, "", "the service has no valid certificate of its own: %w", err)
}
