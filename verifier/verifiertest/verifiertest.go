// Package verifiertest gives tests of what is issued real results: each comes
// out of the real verifier.Verifier.Appraise, with a technology of package
// teetest and a small policy. There is no other way to a result, for tests either.
//
// Start at [Accepted].
package verifiertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
)

// TrustDomain is the trust domain of results, unless an option says otherwise.
const TrustDomain = "example.org"

// Now returns the time of results, unless a request says otherwise. It is fixed.
func Now() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }

// Request describes an appraisal. Its zero value is that of a genuine SEV-SNP
// machine that asks for a certificate.
type Request struct {
	// Kinds are the kinds of evidence; none means SEV-SNP alone.
	Kinds []evidence.Kind
	// Purpose is the challenge's; empty means a certificate. A background check
	// has Background set instead: its report data, or an empty non-nil slice to
	// have the freshness not judged.
	Purpose    evidence.Purpose
	Background []byte
	// Key is the attested key; the zero Key means a new P-256 key.
	Key evidence.Key
	// Claims change what is found in each item.
	Claims func(*evidence.Claims)
	// Outcome changes each item's outcome.
	Outcome func(*tee.Outcome)
	// Simulated has the evidence rest on a simulated root, with everybody's consent.
	Simulated bool
	// SPIFFEID, DNSNames and TTL are what policy grants; an empty SPIFFEID means
	// spiffe://example.org/workload.
	SPIFFEID string
	DNSNames []string
	// IPAddresses likewise.
	IPAddresses []string
	TTL         time.Duration
	// Allow lists what the policy relaxes, in each technology's words.
	Allow []string
	// Policy replaces the whole policy document.
	Policy string
	// TrustDomain replaces [TrustDomain].
	TrustDomain string
	// At is the time of the appraisal; zero means [Now].
	At time.Time
}

// Accepted returns the result of an appraisal that must be accepted.
func Accepted(tb testing.TB, r Request) verifier.Result {
	tb.Helper()
	result := Appraise(tb, r)
	if !result.Accepted() {
		tb.Fatalf("verifiertest: the verdict is %s: %v", result.Verdict(), result.Checks().Failed())
	}
	return result
}

// Rejected returns the result of an appraisal of evidence that is not genuine.
func Rejected(tb testing.TB, r Request) verifier.Result {
	tb.Helper()
	change := r.Outcome
	r.Outcome = func(o *tee.Outcome) {
		if change != nil {
			change(o)
		}
		o.Checks.Fail(evidence.CodeEvidenceMalformed, "good evidence", "bad evidence")
	}
	result := Appraise(tb, r)
	if result.Verdict() != verifier.Rejected {
		tb.Fatalf("verifiertest: the verdict is %s", result.Verdict())
	}
	return result
}

// Appraise returns the result of the appraisal that r describes, whatever its verdict.
func Appraise(tb testing.TB, r Request) verifier.Result {
	tb.Helper()
	r = r.withDefaults(tb)
	challenges := verifier.NewChallenges(&verifier.SpentSet{})
	v := r.verifier(tb, challenges)
	result, err := v.Appraise(r.request(tb, challenges))
	if err != nil {
		tb.Fatalf("verifiertest: %v", err)
	}
	return result
}

func (r Request) withDefaults(tb testing.TB) Request {
	tb.Helper()
	if len(r.Kinds) == 0 {
		r.Kinds = []evidence.Kind{evidence.KindSEVSNP}
	}
	if r.Purpose == "" {
		r.Purpose = evidence.PurposeCertificate
	}
	if r.Key.IsZero() {
		r.Key = NewKey(tb)
	}
	if r.TrustDomain == "" {
		r.TrustDomain = TrustDomain
	}
	if r.SPIFFEID == "" {
		r.SPIFFEID = "spiffe://" + r.TrustDomain + "/workload"
	}
	if r.At.IsZero() {
		r.At = Now()
	}
	return r
}

func (r Request) verifier(tb testing.TB, challenges *verifier.Challenges) *verifier.Verifier {
	tb.Helper()
	set, err := policies.Load(policies.File{Name: "policy.yaml", Data: []byte(r.policy())})
	if err != nil {
		tb.Fatalf("verifiertest: %v", err)
	}
	v, err := verifier.New(verifier.Config{
		Technologies: r.technologies(), Policies: func() *policies.Set { return set },
		TrustDomain: r.TrustDomain, AcceptSimulated: r.Simulated, Challenges: challenges,
		Now: func() time.Time { return r.At },
	})
	if err != nil {
		tb.Fatalf("verifiertest: %v", err)
	}
	return v
}

func (r Request) technologies() []tee.Verifier {
	var out []tee.Verifier
	for _, kind := range r.Kinds {
		claims := teetest.Claims(kind)
		if r.Simulated {
			claims = teetest.Simulated(claims)
		}
		if r.Claims != nil {
			r.Claims(&claims)
		}
		out = append(out, &teetest.Technology{Of: kind, Judge: func(item evidence.Item, _ *tee.Endorsements, _ tee.Params) tee.Outcome {
			o := teetest.Genuine(claims, teetest.ReportData(item))
			if r.Outcome != nil {
				r.Outcome(&o)
			}
			return o
		}})
	}
	return out
}

// request makes the evidence and what it is to be bound to.
func (r Request) request(tb testing.TB, challenges *verifier.Challenges) verifier.Request {
	tb.Helper()
	if r.Background != nil {
		check := verifier.BackgroundCheck{ReportData: r.Background}
		if len(r.Background) == 0 {
			check.ReportData = nil
		}
		data := func(evidence.Kind) []byte { return r.Background }
		if len(r.Background) == len(evidence.Binding{}) {
			covering := teetest.Bound(evidence.Binding(r.Background), r.Kinds)
			data = func(kind evidence.Kind) []byte {
				if kind == evidence.KindTPM {
					return r.Background
				}
				return covering(kind)
			}
		}
		return verifier.Request{Bundle: r.bundle(tb, data), Freshness: check}
	}
	challenge, sealed := challenges.Issue(r.Purpose, r.TrustDomain, r.At)
	kinds := r.bundle(tb, func(evidence.Kind) []byte { return nil }).Kinds()
	binding := evidence.NewBinding(r.Purpose, challenge.Nonce, r.Key.SPKI(), r.TrustDomain, kinds)
	return verifier.Request{
		Bundle:    r.bundle(tb, teetest.Bound(binding, kinds)),
		Freshness: verifier.Answer{Challenge: sealed, PublicKey: r.Key.SPKI()},
	}
}

func (r Request) bundle(tb testing.TB, reportData func(evidence.Kind) []byte) evidence.Bundle {
	tb.Helper()
	var items []evidence.Item
	for _, kind := range r.Kinds {
		items = append(items, teetest.Item(kind, reportData(kind)))
	}
	bundle, err := evidence.NewBundle(items...)
	if err != nil {
		tb.Fatalf("verifiertest: %v", err)
	}
	return bundle
}

// NewKey returns a new P-256 key for a workload.
func NewKey(tb testing.TB) evidence.Key {
	tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := evidence.NewKey(&private.PublicKey)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// policy is a workload that the machine of [teetest.Claims] earns.
func (r Request) policy() string {
	if r.Policy != "" {
		return r.Policy
	}
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: quotary.dev/v1\nkind: Workload\nname: workload\nidentity:\n  spiffe_id: %q\n", r.SPIFFEID)
	if len(r.DNSNames) > 0 {
		fmt.Fprintf(&b, "  dns_names: [%s]\n", strings.Join(r.DNSNames, ", "))
	}
	if len(r.IPAddresses) > 0 {
		fmt.Fprintf(&b, "  ip_addresses: ['%s']\n", strings.Join(r.IPAddresses, "', '"))
	}
	if r.TTL > 0 {
		fmt.Fprintf(&b, "  ttl: %s\n", r.TTL)
	}
	if r.Simulated {
		b.WriteString("allow_simulated: true\n")
	}
	b.WriteString("any_of:\n  - name: machine\n")
	for _, kind := range r.Kinds {
		b.WriteString(requirement(kind))
		if len(r.Allow) > 0 {
			fmt.Fprintf(&b, "      allow: [%s]\n", strings.Join(r.Allow, ", "))
		}
	}
	return b.String()
}

func requirement(kind evidence.Kind) string {
	digest, pcr := teetest.Measurement(48), teetest.Measurement(32)
	switch kind {
	case evidence.KindSEVSNP:
		return fmt.Sprintf("    sev_snp:\n      measurements: [%q]\n      minimum_tcb: {bootloader: 4, tee: 0, snp: 24, microcode: 219}\n", digest)
	case evidence.KindTDX:
		return fmt.Sprintf("    tdx:\n      mrtd: [%q]\n      rtmr0: [%q]\n      rtmr1: [%q]\n      rtmr2: [%q]\n      rtmr3: any\n", digest, digest, digest, digest)
	default:
		return fmt.Sprintf("    tpm:\n      pcrs: {sha256: {0: [%q], 7: [%q]}}\n", pcr, pcr)
	}
}
