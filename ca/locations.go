package ca

import (
	"crypto/x509"
	"net/url"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// CheckListURL returns the *evidence.Error that [Open] would refuse [Config.ListURL] with.
func CheckListURL(text string) error { return checkURL("authority.crl_url", text) }

// CheckResponderURL returns the *evidence.Error that [Open] would refuse [Config.ResponderURL] with.
func CheckResponderURL(text string) error { return checkURL("authority.ocsp_url", text) }

// checkURL holds a URL that certificates are to name to what every client of it can use.
func checkURL(field, text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	plain := !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" ||
		strings.HasSuffix(text, "/") || strings.HasSuffix(text, "#") || len(text) > maxListURL || !plain {
		return evidence.Errorf(evidence.CodeConfigMalformed, field, "%.64q is no http or https URL of at most %d characters, without query and a slash at its end", text, maxListURL)
	}
	return nil
}

// listURL is where the issuing CA's list is; empty if leaves do not say.
func (h *hierarchy) listURL() string {
	if h.list == "" {
		return ""
	}
	return h.list + "/" + h.id()
}

// distributionPoint is the extension of that name (RFC 5280 §4.2.1.13), or nothing.
func (p *profile) distributionPoint() []byte {
	if p.list == "" {
		return nil
	}
	name := tlv(tagFullName, tlv(tagURI, []byte(p.list)))
	return extension(oidListPoints, false, sequence(sequence(tlv(tagDistributionPoint, name))))
}

// saysList reports whether the certificate names the list that p decided, and no other.
func (p *profile) saysList(c *x509.Certificate) bool {
	return slices.Equal(c.CRLDistributionPoints, listOf(p.list))
}

func listOf(address string) []string {
	if address == "" {
		return nil
	}
	return []string{address}
}

// responderAccess is the extension that says where the OCSP responder is (RFC 5280 §4.2.2.1), or nothing.
func (p *profile) responderAccess() []byte {
	if p.responder == "" {
		return nil
	}
	return extension(oidInfoAccess, false, sequence(sequence(oidOCSPAccess, tlv(tagURI, []byte(p.responder)))))
}

var oidOCSPAccess = oid(1, 3, 6, 1, 5, 5, 7, 48, 1)
