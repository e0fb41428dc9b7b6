package authorize

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/quotary/quotary/evidence"
)

// asked is a request in the one way in which rules see it.
type asked struct{ method, host, path string }

// canonical returns the request as rules see it. One that proxy and server behind it might
// read in different ways is refused: a rule that is for the one reading says nothing of the
// other.
func canonical(r Request) (*asked, error) {
	if !isMethod(r.Method) {
		return nil, refuse(evidence.CodeAuthorizeRequest, "the method is none in capitals")
	}
	out := &asked{method: r.Method}
	if r.Method == "HEAD" { // which gets what GET gets
		out.method = "GET"
	}
	var ok bool
	if out.path, ok = canonicalPath(r.Path()); !ok {
		return nil, refuse(evidence.CodeAuthorizeRequest, "the path has dot segments, empty segments or characters that are not read alike everywhere")
	}
	if r.Host == "" {
		return out, nil
	}
	if out.host, ok = canonicalHost(r.Host); !ok {
		return nil, refuse(evidence.CodeAuthorizeRequest, "the host is no name or address")
	}
	return out, nil
}

// isMethod reports whether text is a method (RFC 9110 §9.1) in capitals, as all that are
// registered are.
func isMethod(text string) bool {
	return text != "" && len(text) <= maxMethod && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == ""
}

// canonicalPath decodes a path, and takes a slash from its end. Nothing is mended: dot
// segments and empty ones, slashes, percent signs, question marks and semicolons that
// were escaped or that servers give a meaning of their own, have no such form.
func canonicalPath(raw string) (string, bool) {
	if len(raw) == 0 || len(raw) > maxPath || raw[0] != '/' {
		return "", false
	}
	decoded, err := url.PathUnescape(raw)
	if err != nil || !utf8.ValidString(decoded) || strings.Count(decoded, "/") != strings.Count(raw, "/") || strings.ContainsFunc(decoded, isAmbiguous) {
		return "", false
	}
	if decoded == "/" {
		return decoded, true
	}
	decoded = strings.TrimSuffix(decoded, "/")
	for segment := range strings.SplitSeq(decoded[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return "", false
		}
	}
	return decoded, true
}

// isAmbiguous reports what some servers take for a separator, an end or an escape.
func isAmbiguous(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || strings.ContainsRune(`\%?#;`, r)
}

// canonicalHost returns a host name or address in small letters, without port and without a
// dot at its end.
func canonicalHost(text string) (string, bool) {
	if strings.ContainsFunc(text, func(r rune) bool { return r > '~' }) { // some have small letters in ASCII
		return "", false
	}
	host := strings.ToLower(text)
	at := strings.LastIndexByte(host, ':')
	if at > strings.LastIndexByte(host, ']') {
		if port := host[at+1:]; len(port) > 5 || strings.Trim(port, "0123456789") != "" {
			return "", false
		}
		host = host[:at]
	}
	name := strings.TrimSuffix(host, ".")
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		address, err := netip.ParseAddr(inner)
		return "[" + address.String() + "]", closed && err == nil && address.Is6() && address.Zone() == "" // of many spellings
	}
	if name == "" || len(name) > maxHost || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return "", false
	}
	return name, name[0] != '.' && !strings.Contains(name, "..") && name[len(name)-1] != '.'
}

// isHost and isPath report whether a pattern is for the request.
func (a *asked) isHost(p pattern) bool {
	if p.all {
		return strings.HasSuffix(a.host, "."+p.name)
	}
	return a.host == p.name
}

func (a *asked) isPath(p pattern) bool {
	path := strings.TrimSuffix(a.path, "/")
	return path == p.name || p.all && strings.HasPrefix(path, p.name+"/")
}
