package policies

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// readIdentity reads what a workload earns.
func (s source) readIdentity(n *yaml.Node, w *workload) {
	f := s.mapping(n, "identity")
	if f == nil {
		return
	}
	s.readSPIFFEID(f.need("spiffe_id", "write spiffe_id: spiffe://TRUST-DOMAIN/PATH"), w)
	if names := f.take("dns_names"); names != nil {
		w.identity.DNSNames = s.readDNSNames(names)
	}
	if addresses := f.take("ip_addresses"); addresses != nil {
		w.identity.IPAddresses = s.readIPAddresses(addresses)
	}
	w.identity.TTL = s.readTTL(f.take("ttl"))
	f.done()
}

// servicePath is the path of the service's own SPIFFE ID, by which its clients
// know it; no certificate is issued for it or anything below, whatever policy says.
const servicePath = "/quotary"

// readSPIFFEID reads a workload's SPIFFE ID, which has a path: the ID without
// one stands for the trust domain's authority itself.
func (s source) readSPIFFEID(n *yaml.Node, w *workload) {
	value := s.text(n)
	if value == "" {
		return
	}
	id, err := spiffeid.FromString(value)
	switch {
	case err != nil:
		s.problem(n, evidence.CodePolicyValue, "%q is no SPIFFE ID: %s", clip(value), err)
	case id.Path() == "":
		s.problem(n, evidence.CodePolicyValue, "%q is the trust domain itself; a workload's SPIFFE ID has a path", clip(value))
	case id.Path() == servicePath || strings.HasPrefix(id.Path(), servicePath+"/"):
		s.problem(n, evidence.CodePolicyValue, "%q is kept for the service itself", clip(value))
	default:
		w.identity.SPIFFEID = id.String()
		w.trustDomain = id.TrustDomain().Name()
	}
}

func (s source) readDNSNames(n *yaml.Node) []string {
	return readNames(s, n, "dns_names", maxDNSNames, func(text string) (string, error) {
		if !isDNSName(text) {
			return "", errors.New("is no DNS name for a certificate: lower-case letters, digits and hyphens in labels, no wildcard, no address")
		}
		return text, nil
	})
}

func (s source) readIPAddresses(n *yaml.Node) []netip.Addr {
	return readNames(s, n, "ip_addresses", maxIPAddresses, func(text string) (netip.Addr, error) {
		a, err := netip.ParseAddr(text)
		if err != nil || a.String() != text || a.Zone() != "" || a.Is4In6() || !a.IsGlobalUnicast() {
			return a, errors.New("is no address of one host, in its shortest form and without zone or prefix")
		}
		return a, nil
	})
}

// readNames reads a list of names that stand there once each. What parse says goes behind the name.
func readNames[T comparable](s source, n *yaml.Node, key string, most int, parse func(string) (T, error)) []T {
	var names []T
	for _, entry := range s.sequence(n, key) {
		text := s.text(entry)
		if text == "" {
			continue
		}
		name, err := parse(text)
		switch {
		case err != nil:
			s.problem(entry, evidence.CodePolicyValue, "%q %s", clip(text), err)
		case slices.Contains(names, name):
			s.problem(entry, evidence.CodePolicyValue, "%s has %q twice", key, clip(text))
		default:
			names = append(names, name)
		}
	}
	if len(names) > most {
		s.problem(n, evidence.CodePolicyTooLarge, "%s has more than %d entries", key, most)
	}
	return names
}

// isDNSName reports whether name is a host name in preferred form (RFC 1034,
// 3.5, in lower case) and no IPv4 address.
func isDNSName(name string) bool {
	const most, mostLabel = 253, 63
	if len(name) > most {
		return false
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if len(label) > mostLabel || !nameForm.MatchString(label) {
			return false
		}
	}
	last := labels[len(labels)-1]
	return strings.ContainsFunc(last, func(r rune) bool { return r < '0' || r > '9' })
}

func (s source) readTTL(n *yaml.Node) time.Duration {
	if n == nil {
		return DefaultTTL
	}
	return s.duration(n, "ttl", MinTTL, MaxTTL)
}
