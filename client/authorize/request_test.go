package authorize_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/evidence"
)

// gated are rules as people write them: a strict one for some requests, and one for the rest.
func gated(t testing.TB, a *authority, strict authorize.Rule) *authorize.Authorizer {
	t.Helper()
	strict.Allow = authorize.Allow{SPIFFEIDs: []string{"spiffe://example.org/admin"}}
	return a.authorizer(t, strict, authorize.Rule{Allow: anybody})
}

// No way to write a path gets around the rule that is for it.
func TestAttack_D15_PathsThatGetAroundRules(t *testing.T) {
	a := newAuthority(t, "example.org")
	z, certificate := gated(t, a, authorize.Rule{Paths: []string{"/admin/*"}}), a.svid(t, web, nil)
	for target, code := range map[string]evidence.Code{
		"/":                            {},
		"/public":                      {},
		"/public/":                     {},
		"/public?next=/admin/../x;y#z": {}, // a query is no path
		"/administrators":              {},
		"/caf%C3%A9/a%20b":             {},
		"/.well-known/x":               {},
		"/a/...":                       {},
		"/Admin":                       {}, // paths tell capitals from small letters

		"/admin":                   evidence.CodeAuthorizeSPIFFEID, // it is the strict rule's
		"/admin/":                  evidence.CodeAuthorizeSPIFFEID,
		"/admin?x=y":               evidence.CodeAuthorizeSPIFFEID,
		"/admin/users":             evidence.CodeAuthorizeSPIFFEID,
		"/%61dmin/users":           evidence.CodeAuthorizeSPIFFEID,
		"/%61%64%6d%69%6E":         evidence.CodeAuthorizeSPIFFEID,
		"/admin%2Fusers":           evidence.CodeAuthorizeRequest,
		"/public/../admin":         evidence.CodeAuthorizeRequest,
		"/public/%2e%2e/admin":     evidence.CodeAuthorizeRequest,
		"/public/%2E./admin":       evidence.CodeAuthorizeRequest,
		"/public/..%2fadmin":       evidence.CodeAuthorizeRequest,
		"/public/..":               evidence.CodeAuthorizeRequest,
		"/public/..;/admin":        evidence.CodeAuthorizeRequest,
		"/public/..%3b/admin":      evidence.CodeAuthorizeRequest,
		"/./admin":                 evidence.CodeAuthorizeRequest,
		"/admin;x=y/users":         evidence.CodeAuthorizeRequest,
		"//admin":                  evidence.CodeAuthorizeRequest,
		"/public//admin":           evidence.CodeAuthorizeRequest,
		"/admin//":                 evidence.CodeAuthorizeRequest,
		"/public/..\\admin":        evidence.CodeAuthorizeRequest,
		"\\admin":                  evidence.CodeAuthorizeRequest,
		"/%5cadmin":                evidence.CodeAuthorizeRequest,
		"/%252e%252e/admin":        evidence.CodeAuthorizeRequest,
		"/%2561dmin":               evidence.CodeAuthorizeRequest,
		"/%c0%ae%c0%ae/admin":      evidence.CodeAuthorizeRequest, // dots in too many bytes
		"/admin%00":                evidence.CodeAuthorizeRequest,
		"/admin%0a":                evidence.CodeAuthorizeRequest,
		"/admin%09":                evidence.CodeAuthorizeRequest,
		"/admin%3f":                evidence.CodeAuthorizeRequest,
		"/admin%23":                evidence.CodeAuthorizeRequest,
		"/admin#x":                 evidence.CodeAuthorizeRequest,
		"/admin%":                  evidence.CodeAuthorizeRequest,
		"/admin%zz":                evidence.CodeAuthorizeRequest,
		"":                         evidence.CodeAuthorizeRequest,
		"*":                        evidence.CodeAuthorizeRequest,
		"admin":                    evidence.CodeAuthorizeRequest,
		"?/admin":                  evidence.CodeAuthorizeRequest,
		"http://example.org/":      evidence.CodeAuthorizeRequest,
		"example.org:443":          evidence.CodeAuthorizeRequest,
		strings.Repeat("/a", 4097): evidence.CodeAuthorizeRequest,
	} {
		if d := z.Decide(get(certificate, target), now); d.Code != code || d.Allowed != code.IsZero() {
			t.Errorf("%q: %+v", target, d)
		}
	}
}

// Nor does a way to write a host or a method.
func TestAttack_D16_HostsAndMethodsThatGetAroundRules(t *testing.T) {
	a := newAuthority(t, "example.org")
	certificate := a.svid(t, web, nil)
	hosts := gated(t, a, authorize.Rule{Hosts: []string{"admin.example.org", "*.internal.example.org", "[::1]"}})
	for host, code := range map[string]evidence.Code{
		"api.example.org": {}, "example.org:8443": {}, "127.0.0.1:80": {}, "internal.example.org": {}, "[::2]:80": {}, "notadmin.example.org": {},

		"admin.example.org":         evidence.CodeAuthorizeSPIFFEID,
		"ADMIN.Example.ORG":         evidence.CodeAuthorizeSPIFFEID,
		"admin.example.org:443":     evidence.CodeAuthorizeSPIFFEID,
		"admin.example.org:":        evidence.CodeAuthorizeSPIFFEID,
		"admin.example.org.":        evidence.CodeAuthorizeSPIFFEID,
		"admin.example.org.:443":    evidence.CodeAuthorizeSPIFFEID,
		"a.b.internal.example.org":  evidence.CodeAuthorizeSPIFFEID,
		"[::1]:8080":                evidence.CodeAuthorizeSPIFFEID,
		"[0:0::0001]":               evidence.CodeAuthorizeSPIFFEID,
		"[1]":                       evidence.CodeAuthorizeRequest,
		"[::1%25lo]":                evidence.CodeAuthorizeRequest,
		"[127.0.0.1]":               evidence.CodeAuthorizeRequest,
		"":                          evidence.CodeAuthorizeRequest,
		"admin.example.org..":       evidence.CodeAuthorizeRequest,
		"admin..example.org":        evidence.CodeAuthorizeRequest,
		".example.org":              evidence.CodeAuthorizeRequest,
		"admin.example.org:x":       evidence.CodeAuthorizeRequest,
		"admin.example.org:443:443": evidence.CodeAuthorizeRequest,
		"x@admin.example.org":       evidence.CodeAuthorizeRequest,
		"admin.example.org/":        evidence.CodeAuthorizeRequest,
		" admin.example.org":        evidence.CodeAuthorizeRequest,
		"a.example.org, admin":      evidence.CodeAuthorizeRequest,
		"admin%2eexample.org":       evidence.CodeAuthorizeRequest,
		"\u212Aa.example.org":       evidence.CodeAuthorizeRequest, // a sign whose small letter is k
		"[::1":                      evidence.CodeAuthorizeRequest,
		"[]":                        evidence.CodeAuthorizeRequest,
		"[::1]x":                    evidence.CodeAuthorizeRequest,
		strings.Repeat("a", 256):    evidence.CodeAuthorizeRequest,
	} {
		r := get(certificate, "/")
		r.Host = host
		if d := hosts.Decide(r, now); d.Code != code || d.Allowed != code.IsZero() {
			t.Errorf("%q: %+v", host, d)
		}
	}
	methods := gated(t, a, authorize.Rule{Methods: []string{"GET", "DELETE"}})
	for method, code := range map[string]evidence.Code{
		"POST": {}, "M-SEARCH": {}, "GET": evidence.CodeAuthorizeSPIFFEID, "HEAD": evidence.CodeAuthorizeSPIFFEID, "DELETE": evidence.CodeAuthorizeSPIFFEID,
		"delete": evidence.CodeAuthorizeRequest, "Delete": evidence.CodeAuthorizeRequest, "": evidence.CodeAuthorizeRequest, "DELETE ": evidence.CodeAuthorizeRequest,
	} {
		r := get(certificate, "/")
		r.Method = method
		if d := methods.Decide(r, now); d.Code != code || d.Allowed != code.IsZero() {
			t.Errorf("%q: %+v", method, d)
		}
	}
	anyHost := a.authorizer(t, authorize.Rule{Allow: anybody})
	if d := anyHost.Decide(authorize.Request{Certificate: certificate, Method: "GET", Target: "/"}, now); !d.Allowed {
		t.Errorf("no host, and no rule that asks for one: %+v", d)
	}
}

// The first rule that a request matches decides; without one it is refused.
func TestFirstRuleDecides(t *testing.T) {
	a := newAuthority(t, "example.org")
	certificate := a.svid(t, web, nil)
	nobody := authorize.Allow{SPIFFEIDs: []string{"spiffe://example.org/nobody"}}
	z := a.authorizer(t,
		authorize.Rule{Paths: []string{"/a"}, Allow: nobody},
		authorize.Rule{Hosts: []string{"api.example.org"}, Paths: []string{"/b/*", "/a/*"}, Methods: []string{"GET"}, Allow: anybody},
		authorize.Rule{Paths: []string{"/b/*"}, Allow: nobody},
	)
	for target, code := range map[string]evidence.Code{
		"/a": evidence.CodeAuthorizeSPIFFEID, "/a/": evidence.CodeAuthorizeSPIFFEID, "/a/b": {}, "/b": {}, "/b/c": {}, "/c": evidence.CodeAuthorizeRule, "/": evidence.CodeAuthorizeRule,
	} {
		if d := z.Decide(get(certificate, target), now); d.Code != code {
			t.Errorf("%s: %+v", target, d)
		}
	}
	post := get(certificate, "/b")
	post.Method = "POST"
	if d := z.Decide(post, now); d.Code != evidence.CodeAuthorizeSPIFFEID {
		t.Errorf("POST: %+v", d)
	}
}

// No host that is let in is a spelling of one that the strict rule is for.
func FuzzHosts(f *testing.F) {
	a := newAuthority(f, "example.org")
	z, certificate := gated(f, a, authorize.Rule{Hosts: []string{"admin.test", "*.admin.test"}}), a.svid(f, web, nil)
	for _, seed := range []string{"", "admin.test", "ADMIN.test:1", "x.admin.test.", "[::1]:2", "a@admin.test"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		r := get(certificate, "/")
		if r.Host = host; !z.Decide(r, now).Allowed {
			return
		}
		u, err := url.Parse("https://" + host + "/")
		if err != nil || u.User != nil {
			t.Fatalf("%q is let in: %v", host, err)
		}
		if name := "." + strings.TrimSuffix(strings.ToLower(u.Hostname()), "."); strings.HasSuffix(name, ".admin.test") {
			t.Errorf("%q is let in", host)
		}
	})
}

// However a server behind decodes and mends a path, what the strict rule is for is not let
// in by the other.
func FuzzPaths(f *testing.F) {
	a := newAuthority(f, "example.org")
	z, certificate := gated(f, a, authorize.Rule{Paths: []string{"/admin/*"}}), a.svid(f, web, nil)
	for _, seed := range []string{"/", "/admin", "/public/../admin", "/%61dmin", "/a/%2e%2e/admin", "//admin", "/admin;x", "/%2561dmin", "/x?y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if !z.Decide(get(certificate, target), now).Allowed {
			return
		}
		raw, _, _ := strings.Cut(target, "?")
		readings := []string{raw}
		for range 3 {
			next, err := url.PathUnescape(readings[len(readings)-1])
			if err != nil {
				break
			}
			readings = append(readings, next)
		}
		for _, reading := range readings {
			for _, mended := range []string{reading, strings.ReplaceAll(reading, "\\", "/"), strings.SplitN(reading, ";", 2)[0], strings.SplitN(reading, "\x00", 2)[0]} {
				if clean := path.Clean("/" + mended); clean == "/admin" || strings.HasPrefix(clean, "/admin/") {
					t.Errorf("%q is let in, and can be read as %q", target, clean)
				}
			}
		}
	})
}
