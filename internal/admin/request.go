package admin

import (
	"net/http"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// browserHeaders are what browsers add, and nothing else does. A certificate in
// their key store goes along with requests that another site's page makes.
var browserHeaders = []string{"Origin", "Cookie", "Sec-Fetch-Site", "Sec-Fetch-Dest"}

// RefuseBrowsers returns an *evidence.Error with CodeForbidden for a request that a
// browser made, whatever else it carries.
func RefuseBrowsers(r *http.Request) error {
	for _, name := range browserHeaders {
		if len(r.Header.Values(name)) > 0 {
			return evidence.Errorf(evidence.CodeForbidden, name, "the administrators' interface is not for browsers")
		}
	}
	return nil
}

// bearerScheme is the beginning of a bearer credential (RFC 6750 §2.1), as
// everybody writes it.
const bearerScheme = "Bearer "

// parseBearer reads the one value of an Authorization header.
func parseBearer(value string) (string, error) {
	credential, ok := strings.CutPrefix(value, bearerScheme)
	if !ok || len(credential) > maxBearer || !isToken68(credential) {
		return "", refused("the Authorization header is no bearer credential of up to %d bytes", maxBearer)
	}
	return credential, nil
}

// isToken68 reports whether text is a b64token (RFC 6750 §2.1).
func isToken68(text string) bool {
	rest := strings.TrimRight(text, "=")
	return rest != "" && strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") == ""
}
