package authz

import (
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/client/authorize"
)

// The headers that tell the server behind a proxy who calls. Whatever a client sends under
// these names is removed.
const (
	headerSPIFFEID   = "x-quotary-spiffe-id"
	headerAttestedAt = "x-quotary-attested-at" // RFC 3339
	headerWorkload   = "x-quotary-workload"
	headerStatus     = "x-quotary-status"    // of the attestation result
	headerSimulated  = "x-quotary-simulated" // "true", or not there
	headerCode       = "x-quotary-code"      // why a request was denied
)

// identityHeaders are all of them that an allowed request can have.
var identityHeaders = []string{headerSPIFFEID, headerAttestedAt, headerWorkload, headerStatus, headerSimulated}

// headers are those of an allowed request. What is not known is left out.
func headers(d authorize.Decision) map[string]string {
	out := map[string]string{headerSPIFFEID: d.SPIFFEID}
	if !d.AttestedAt.IsZero() {
		out[headerAttestedAt] = d.AttestedAt.UTC().Format(time.RFC3339)
		out[headerStatus] = string(d.Status)
		if d.Workload != "" {
			out[headerWorkload] = d.Workload
		}
	}
	if d.Simulated {
		out[headerSimulated] = "true"
	}
	return out
}

// poses reports whether a header that a client sent could be taken for one of these: some
// servers do not tell a hyphen from an underscore, and CGI from no other sign (RFC 3875 §4.1.18).
func poses(name string) bool {
	return slices.Contains(identityHeaders, strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, strings.ToLower(name)))
}

// clip keeps foreign text in the log short.
func clip(text string) string {
	if len(text) > maxLogged {
		return text[:maxLogged] + "…"
	}
	return text
}
