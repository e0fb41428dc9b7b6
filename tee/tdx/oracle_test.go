package tdx

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-tdx-guest/pcs"
	"github.com/google/go-tdx-guest/verify"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// oracle judges a quote by an independent implementation: nil says that it is
// genuine and its TCB up to date.
func oracle(quote []byte, service pcsStub, now time.Time, root *x509.Certificate) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("fault: %v", fault)
		}
	}()
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return verify.RawTdxQuote(quote, &verify.Options{
		GetCollateral: true, CheckRevocations: true, Getter: service, Now: now, TrustedRoots: roots,
	})
}

// pcsStub hands out collateral in the form of Intel's service.
type pcsStub map[string]answer

type answer struct {
	header map[string][]string
	body   []byte
}

func (p pcsStub) Get(address string) (map[string][]string, []byte, error) {
	a, ok := p[address]
	if !ok {
		return nil, nil, fmt.Errorf("nothing at %s", address)
	}
	return maps.Clone(a.header), a.body, nil
}

// newStub hands out the newest of what e holds under an anchor: a document for
// each address, as the service does.
func newStub(a *anchor, e *tee.Endorsements) pcsStub {
	stub := pcsStub{}
	chain := func(name string, subject []byte) map[string][]string {
		certs := e.BySubject(subject)
		if len(certs) == 0 {
			return nil
		}
		return map[string][]string{name: {url.QueryEscape(string(simulated.EncodeChain(certs[0], a.cert)))}}
	}
	for _, d := range e.AllDocuments() {
		if d.Type == tee.DocumentTCBInfo {
			stub[pcs.TcbInfoURL(d.Key)] = answer{chain("Tcb-Info-Issuer-Chain", a.signing), d.Raw}
		} else {
			stub[pcs.QeIdentityURL()] = answer{chain("Sgx-Enclave-Identity-Issuer-Chain", a.signing), d.Raw}
		}
	}
	for name, subject := range map[string][]byte{"platform": a.platform, "processor": a.processor} {
		for _, crl := range e.CRLs(subject) {
			stub[pcs.PckCrlURL(name)] = answer{chain("Sgx-Pck-Crl-Issuer-Chain", subject), crl.Raw}
		}
	}
	for _, crl := range e.CRLs(a.cert.RawSubject) {
		stub[a.cert.CRLDistributionPoints[0]] = answer{nil, crl.Raw}
	}
	return stub
}

// disagreement is a difference between the implementations that is meant.
type disagreement struct {
	code evidence.Code // only we refuse, by this check, which got something with got in it
	got  string
	says string // only the oracle refuses, with an error that has this in it
	why  string
}

var disagreements = []disagreement{
	{code: evidence.CodeTDXQEVendor, why: "the oracle compares the vendor where its caller names one"},
	{code: evidence.CodeTDXReserved, why: "the oracle reads the reserved fields of the QE report as they are"},
	{code: evidence.CodeTDXPadding, why: "the oracle does not read behind a quote; what nobody signed is no part of evidence"},
	{code: evidence.CodeTDXCollateralNotYet, why: "the oracle compares when collateral ends; what is issued tomorrow is nothing to judge by today"},
	{code: evidence.CodeTDXModuleSigner, why: "the oracle holds a module to the general identity, we to that of its version, as Intel's library does"},
	{code: evidence.CodeTDXTCBInfoFormat, got: "TCB type", why: "components of another type cannot be compared"},
	{code: evidence.CodeTDXTCBInfoFormat, got: "same versions", why: "of two levels for the same versions none is the one; Intel's library refuses them, too"},
	{code: evidence.CodeTDXQEIdentityFormat, got: "same versions", why: "likewise"},
	{code: evidence.CodeTDXChainProfile, got: "usage", why: "we hold certificates to Intel's profile; the oracle compares names, keys and signatures"},
	{code: evidence.CodeTDXChainProfile, got: "end entity", why: "likewise"},
	{code: evidence.CodeTDXSigningChain, why: "likewise"},
	{code: evidence.CodeTDXPCKCRL, got: "critical", why: "a list of which a part is not understood does not say who is not revoked"},
	{says: "Intel SGX PCK Processor CA", why: "the oracle knows one of Intel's two PCK CAs"},
	{says: "quote format not supported", why: "the oracle reads quotes of version 4"},
	{says: "MRSIGNERSEAM", why: "the general identity is for modules without a version; the oracle holds every module to it"},
	{code: evidence.CodeTDXPCKExtensions, got: "value 1", why: "a certificate that does not name its machine passes no list of machines; the oracle names what is there"},
	{code: evidence.CodeTDXPCKExtensions, got: "SGX type", why: "the profile has it in every certificate; the oracle has no use for it"},
	{says: "FMSPC", why: "the oracle compares digits, and Intel writes them in either case"},
	{says: "TCB Status is not", why: "the oracle takes the first level that is listed, we the highest, as Intel's library does"},
}

// explained returns the disagreement that a difference is, or -1; it is false
// where there is no difference.
func explained(out tee.Outcome, theirs error) (index int, differ bool) {
	ours := out.Genuine() && out.Claims.TDX.TCB.Status == "UpToDate"
	if ours == (theirs == nil) {
		return -1, false
	}
	for i, d := range disagreements {
		if ours && d.says != "" && strings.Contains(theirs.Error(), d.says) {
			return i, true
		}
		for _, check := range out.Checks.Failed() {
			if d.says == "" && !ours && check.Code == d.code && strings.Contains(check.Got, d.got) {
				return i, true
			}
		}
	}
	return -1, true
}

// comparison counts how often each disagreement is met.
type comparison struct {
	agreed, accepted int
	met              map[int]int
}

// judge judges by both.
func (c *comparison) judge(t *testing.T, name string, s *scene, quote []byte) {
	t.Helper()
	e := &tee.Endorsements{}
	s.collateral.AddTo(e)
	a := s.verifier.anchorOf(s.vendor.Root.Certificate)
	c.count(t, name, s.verify(quote), oracle(quote, newStub(a, e), s.now, s.vendor.Root.Certificate))
}

func (c *comparison) count(t *testing.T, name string, out tee.Outcome, theirs error) {
	t.Helper()
	switch i, differ := explained(out, theirs); {
	case !differ:
		c.agreed++
		if theirs == nil {
			c.accepted++
		}
	case i >= 0:
		if c.met == nil {
			c.met = map[int]int{}
		}
		c.met[i]++
	default:
		t.Errorf("%s: ours: genuine %v, failed %v, TCB %+v; theirs: %v", name, out.Genuine(), out.Checks.Failed(), out.Claims.TDX.TCB, theirs)
	}
}
