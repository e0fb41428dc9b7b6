package ca

import (
	"net"
	"net/netip"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// servicePath is the path of the service's own SPIFFE ID. Neither it nor
// anything below it is granted to a workload.
const servicePath = "/quotary"

// workloadID reads the SPIFFE ID that policy grants.
func (h *hierarchy) workloadID(text string) (spiffeid.ID, error) {
	id, err := spiffeid.FromString(text)
	switch {
	case err != nil || len(text) > maxSPIFFEID || id.String() != text:
		return spiffeid.ID{}, refuseIdentity("%.64q is no SPIFFE ID", text)
	case !id.MemberOf(h.trustDomain):
		return spiffeid.ID{}, refuseIdentity("%.64q is not in the trust domain %s", text, h.trustDomain)
	case id.Path() == "":
		return spiffeid.ID{}, refuseIdentity("%.64q names the trust domain itself, not a workload", text)
	case id.Path() == servicePath || strings.HasPrefix(id.Path(), servicePath+"/"):
		return spiffeid.ID{}, refuseIdentity("%.64q is kept for the service itself", text)
	}
	return id, nil
}

// checkDNSNames refuses names that are not plain host names: wildcards,
// addresses, capitals, other alphabets, stray dots. A name that reads
// differently in two places is two names.
func checkDNSNames(names []string) error {
	if len(names) > maxDNSNames {
		return refuseIdentity("%d DNS names, a certificate has at most %d", len(names), maxDNSNames)
	}
	seen := map[string]bool{}
	for _, name := range names {
		if !isHostName(name) || seen[name] {
			return refuseIdentity("%.64q is no host name in lower case, or stands there twice", name)
		}
		seen[name] = true
	}
	return nil
}

// checkAddresses returns the addresses that policy grants as a certificate has them. Each is
// one of a host that others can reach by it: not of every machine, not of many at once, and not
// in a form that stands for another.
func checkAddresses(addresses []netip.Addr) ([]net.IP, error) {
	if len(addresses) > maxAddresses {
		return nil, refuseIdentity("%d addresses, a certificate has at most %d", len(addresses), maxAddresses)
	}
	var out []net.IP
	seen := map[netip.Addr]bool{}
	for _, a := range addresses {
		if !a.IsGlobalUnicast() || a.Is4In6() || a.Zone() != "" || seen[a] {
			return nil, refuseIdentity("%s is no address of one host, or stands there twice", a)
		}
		seen[a] = true
		out = append(out, a.AsSlice())
	}
	return out, nil
}

// isHostName reports whether name consists of letters, digits and hyphens
// (RFC 1123 §2.1), in lower case, and is no IP address.
func isHostName(name string) bool {
	if name == "" || len(name) > maxHostName {
		return false
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return false
		}
	}
	_, err := netip.ParseAddr(name)
	last := labels[len(labels)-1]
	return err != nil && strings.Trim(last, "0123456789") != "" // no top-level domain is a number
}

func isLabel(label string) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func refuseIdentity(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeIssuingIdentity, "identity", format, args...)
}
