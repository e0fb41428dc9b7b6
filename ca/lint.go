package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"net"
	"net/netip"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// A rule is one thing that holds for every certificate of a kind that an authority issues.
type rule struct {
	name  string
	holds func(h *hierarchy, c *x509.Certificate) bool
}

// rules say what a leaf of this authority may be at all, beside the common ones.
var rules = []rule{
	{"serial number that this CA gives", func(h *hierarchy, c *x509.Certificate) bool { return h.gave(c.SerialNumber) }},
	{"life of a minute to a day", func(_ *hierarchy, c *x509.Certificate) bool { return lasts(c, maxTTL) }},
	{"extended key usage serverAuth and clientAuth alone", func(_ *hierarchy, c *x509.Certificate) bool {
		return hasBothUsages(c)
	}},
	{"one URI name: a SPIFFE ID with a path in the trust domain", func(h *hierarchy, c *x509.Certificate) bool {
		if len(c.URIs) != 1 {
			return false
		}
		id, err := spiffeid.FromURI(c.URIs[0])
		return err == nil && id.MemberOf(h.trustDomain) && id.Path() != ""
	}},
	{"DNS names that are host names", func(_ *hierarchy, c *x509.Certificate) bool {
		return checkDNSNames(c.DNSNames) == nil
	}},
	{"addresses of hosts, but for the service's own", func(h *hierarchy, c *x509.Certificate) bool {
		return len(c.URIs) == 1 && c.URIs[0].String() == h.service.String() || areHostAddresses(c.IPAddresses)
	}},
	{"no e-mail names", func(_ *hierarchy, c *x509.Certificate) bool { return len(c.EmailAddresses) == 0 }},
	{"subject empty or the mark of simulation", func(_ *hierarchy, c *x509.Certificate) bool {
		s := c.Subject.String()
		return s == "" && len(c.Subject.Names) == 0 || s == "O="+evidence.SimulatedOrganization && len(c.Subject.Names) == 1
	}},
	{"no policies, constraints or locations", func(_ *hierarchy, c *x509.Certificate) bool {
		return len(c.Policies) == 0 &&
			len(c.IssuingCertificateURL) == 0 &&
			len(c.PermittedURIDomains) == 0 && len(c.PermittedDNSDomains) == 0 && len(c.PermittedIPRanges) == 0 && len(c.PermittedEmailAddresses) == 0 &&
			len(c.ExcludedURIDomains) == 0 && len(c.ExcludedDNSDomains) == 0 && len(c.ExcludedIPRanges) == 0 && len(c.ExcludedEmailAddresses) == 0
	}},
	{"no revocation list but the issuing CA's", func(h *hierarchy, c *x509.Certificate) bool {
		return len(c.CRLDistributionPoints) == 0 || slices.Equal(c.CRLDistributionPoints, listOf(h.listURL()))
	}},
	{"no OCSP responder but the issuing CA's", func(h *hierarchy, c *x509.Certificate) bool {
		return len(c.OCSPServer) == 0 || slices.Equal(c.OCSPServer, listOf(h.responder))
	}},
	{"exactly the profile's extensions, critical as they must be", func(h *hierarchy, c *x509.Certificate) bool {
		var more []string
		if h.attest != nil && carried(c) != nil {
			more = append(more, extensionName(oidCMW, false))
		}
		if len(c.CRLDistributionPoints) > 0 {
			more = append(more, extensionName(oidListPoints, false))
		}
		if len(c.OCSPServer) > 0 {
			more = append(more, extensionName(oidInfoAccess, false))
		}
		return hasExactExtensions(c, more...)
	}},
	{"no key of the service", func(h *hierarchy, c *x509.Certificate) bool {
		return !h.reserved[string(c.RawSubjectPublicKeyInfo)]
	}},
}

// lint returns an *evidence.Error that names the first rule that c breaks.
func (h *hierarchy) lint(c *x509.Certificate) error { return h.lintBy(rules, c) }

func (h *hierarchy) lintBy(rules []rule, c *x509.Certificate) error {
	if err := lintCommon(h.issuing, c); err != nil {
		return err
	}
	for _, r := range rules {
		if !r.holds(h, c) {
			return refuseRule(r.name)
		}
	}
	return nil
}

// says reports whether the parsed certificate says exactly what p decided.
func (p *profile) says(c *x509.Certificate) bool {
	return c.SerialNumber.Cmp(p.serial) == 0 &&
		c.NotBefore.Equal(p.notBefore) && c.NotAfter.Equal(p.notAfter) &&
		bytes.Equal(c.RawSubjectPublicKeyInfo, p.spki) &&
		len(c.URIs) == 1 && c.URIs[0].String() == p.id.String() &&
		slices.Equal(c.DNSNames, p.dnsNames) && slices.EqualFunc(c.IPAddresses, p.addresses, net.IP.Equal) &&
		IsSimulated(c) == p.simulated && bytes.Equal(carried(c), p.carries()) && p.saysList(c) && slices.Equal(c.OCSPServer, listOf(p.responder))
}

// areHostAddresses reports whether a workload's certificate may have these addresses.
func areHostAddresses(ips []net.IP) bool {
	addresses := make([]netip.Addr, len(ips))
	for i, ip := range ips {
		addresses[i], _ = netip.AddrFromSlice(ip) // of 4 or 16 bytes, as parsed
	}
	_, err := checkAddresses(addresses)
	return err == nil
}

// carried is the value of the extension with an attestation result; nil without one.
func carried(c *x509.Certificate) []byte {
	for _, e := range c.Extensions {
		if e.Id.Equal(oidCMW) {
			return e.Value
		}
	}
	return nil
}

// carries is what p decided for it.
func (p *profile) carries() []byte {
	if p.result == nil {
		return nil
	}
	return tlv(tagOctetString, p.result)
}

func hasBothUsages(c *x509.Certificate) bool {
	return len(c.UnknownExtKeyUsage) == 0 &&
		slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth})
}

// The extensions of a leaf (RFC 5280 §4.2.1, draft-ietf-rats-msg-wrap §5).
var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidListNumber       = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidListPoints       = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidInfoAccess       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidCMW              = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 35} // id-pe-cmw
)

// hasExactExtensions reports whether c has the extensions that all leaves have, and these more.
func hasExactExtensions(c *x509.Certificate, more ...string) bool {
	return hasExtensions(c, append(more,
		extensionName(oidSubjectKeyID, false), extensionName(oidKeyUsage, true),
		extensionName(oidSubjectAltName, len(c.Subject.Names) == 0), extensionName(oidBasicConstraints, true),
		extensionName(oidAuthorityKeyID, false), extensionName(oidExtKeyUsage, false),
	)...)
}
