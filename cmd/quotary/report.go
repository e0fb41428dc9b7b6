package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
	"unicode/utf16"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/verifier"
)

// report is verify's answer, as JSON has it.
type report struct {
	Verdict verifier.Verdict `json:"verdict"`
	// Kind and Claims are those of the first item; Items lists them all where
	// there are several. Both are always there: empty if the kind is not known,
	// null if the claims are not proven.
	Kind evidence.Kind `json:"kind"`
	At   time.Time     `json:"at"` // the time as of which was judged
	// ValidUntil is the earliest end of validity of what the verdict rests on.
	ValidUntil time.Time `json:"valid_until,omitzero"`
	Simulated  bool      `json:"simulated"`
	// TrustAnchors are the roots that genuine items rest on.
	TrustAnchors []evidence.TrustAnchor `json:"trust_anchors,omitempty"`
	Claims       *evidence.Claims       `json:"claims"`
	// UnverifiedClaims are what an item that is not genuine says of itself.
	UnverifiedClaims *evidence.Claims `json:"unverified_claims,omitempty"`
	Items            []reportItem     `json:"items,omitempty"`
	Checks           evidence.Checks  `json:"checks"`
	Missing          []reportMissing  `json:"missing,omitempty"`
	Policy           *reportPolicy    `json:"policy,omitempty"`
	Error            *reportError     `json:"error,omitempty"`
}

// reportItem is one item of a bundle of several.
type reportItem struct {
	Kind             evidence.Kind    `json:"kind"`
	Genuine          bool             `json:"genuine"`
	Claims           *evidence.Claims `json:"claims,omitempty"`
	UnverifiedClaims *evidence.Claims `json:"unverified_claims,omitempty"`
}

// reportMissing is an endorsement that is missing, and where its vendor has it.
type reportMissing struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	URL  string `json:"url,omitempty"`
	// Error says why it was not fetched, where that was asked for.
	Error *reportError `json:"error,omitempty"`
}

// reportPolicy is what the policy said.
type reportPolicy struct {
	Digest   string   `json:"digest"`
	Workload string   `json:"workload,omitempty"`
	Relaxed  []string `json:"relaxed,omitempty"`
	// Advisories are the security bulletins that the platform is behind.
	Advisories []policies.Advisory `json:"advisories,omitempty"`
	Identity   *reportIdentity     `json:"identity,omitempty"` // only if accepted
}

type reportIdentity struct {
	SPIFFEID    string       `json:"spiffe_id"`
	DNSNames    []string     `json:"dns_names,omitempty"`
	IPAddresses []netip.Addr `json:"ip_addresses,omitempty"`
	TTL         string       `json:"ttl"`
}

// reportError is why something could not be read as evidence.
type reportError struct {
	Code   evidence.Code `json:"code"`
	Field  string        `json:"field,omitempty"`
	Detail string        `json:"detail"`
}

// examined reports on genuineness.
func examined(e verifier.Examination) report { return newReport(e.Verdict, e.Checks, e.Items) }

func newReport(verdict verifier.Verdict, checks evidence.Checks, items []verifier.Item) report {
	r := report{Verdict: verdict, Checks: checks}
	for _, item := range items {
		r.add(item)
	}
	if len(r.Items) > 0 {
		first := r.Items[0]
		r.Kind, r.Claims, r.UnverifiedClaims = first.Kind, first.Claims, first.UnverifiedClaims
	}
	if len(r.Items) == 1 {
		r.Items = nil
	}
	return r
}

func (r *report) add(item verifier.Item) {
	claims := item.Outcome.Claims
	out := reportItem{Kind: item.Kind, Genuine: item.Outcome.Genuine()}
	switch {
	case out.Genuine:
		out.Claims = &claims
		if claims.TrustAnchor != nil {
			r.TrustAnchors = append(r.TrustAnchors, *claims.TrustAnchor)
		}
	case claims.SEVSNP != nil || claims.TDX != nil || claims.TPM != nil:
		out.UnverifiedClaims = &claims
	}
	r.Items = append(r.Items, out)
	r.Simulated = r.Simulated || claims.Simulated
	for _, m := range item.Outcome.Missing {
		r.Missing = append(r.Missing, reportMissing{Type: m.Type, ID: m.ID, URL: urlOf(m)})
	}
	if until := item.Outcome.ValidUntil; !until.IsZero() && (r.ValidUntil.IsZero() || until.Before(r.ValidUntil)) {
		r.ValidUntil = until
	}
}

// appraised reports on an appraisal: genuineness, and what the policy says.
func appraised(result verifier.Result) report {
	r := newReport(result.Verdict(), result.Checks(), result.Items())
	r.Simulated, r.ValidUntil = result.Simulated(), result.ValidUntil()
	r.Missing = nil
	for _, m := range result.Missing() {
		r.Missing = append(r.Missing, reportMissing{Type: m.Type, ID: m.ID, URL: urlOf(m)})
	}
	r.Policy = &reportPolicy{Digest: result.PolicyDigest(), Workload: result.Workload(), Relaxed: result.Relaxed(), Advisories: result.Advisories()}
	if result.Accepted() {
		identity := result.Identity()
		r.Policy.Identity = &reportIdentity{identity.SPIFFEID, identity.DNSNames, identity.IPAddresses, identity.TTL.String()}
	}
	return r
}

// write writes the report in one of the output formats.
func (r report) write(s streams, format string) error {
	if format == "json" {
		return writeJSON(s, r)
	}
	r.writeText(s.out)
	return nil
}

// writeJSON writes value as JSON. Foreign text in it is as safe to show on a
// terminal as the text output: JSON leaves some controls as they are.
func writeJSON(s streams, value any) error {
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	writeEscaped(s.out, plain.String())
	return nil
}

// writeEscaped writes JSON, with unprintable characters escaped.
func writeEscaped(out *bytes.Buffer, encoded string) {
	for _, r := range encoded {
		if r == '\n' || !unprintable(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) { // only texts have such runes, and may have them escaped
			fmt.Fprintf(out, "\\u%04x", unit)
		}
	}
}
