package verifier_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
)

func TestAppraise(t *testing.T) {
	s := newService()
	a := s.answer(t, evidence.KindSEVSNP)
	result := appraise(t, s.verifier(t), a.request(t))
	key, ok := result.CertificateKey()
	switch {
	case !result.Valid() || !result.Accepted() || result.Verdict() != verifier.Accepted:
		t.Errorf("the verdict is %s", result.Verdict())
	case !ok || !key.Equal(a.key) || !result.Key().Equal(a.key):
		t.Error("the attested key is not the result's")
	case !bytes.Equal(result.Nonce(), a.challenge.Nonce[:]):
		t.Error("the nonce is not the result's")
	case result.Identity().SPIFFEID != "spiffe://example.org/any" || result.Workload() != "any":
		t.Errorf("identity %v of %s", result.Identity(), result.Workload())
	case result.Purpose() != evidence.PurposeCertificate || result.Audience() != domain:
		t.Errorf("for %s at %s", result.Purpose(), result.Audience())
	case len(result.ID()) != 32 || !result.AppraisedAt().Equal(s.at) || result.Simulated() || result.PolicyDigest() == "":
		t.Errorf("ID %s, at %s, policy %s", result.ID(), result.AppraisedAt(), result.PolicyDigest())
	}
	for _, check := range result.Checks() {
		if check.Status == evidence.Fail || check.Code.IsZero() {
			t.Error(check)
		}
	}
}

func TestKeyAsCertificateRequest(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		t.Fatal(err)
	}
	s := newService()
	a := s.answer(t, evidence.KindSEVSNP)
	if a.key, err = evidence.NewKey(&private.PublicKey); err != nil {
		t.Fatal(err)
	}
	r := a.request(t)
	r.Freshness = verifier.Answer{Challenge: a.sealed, CSR: csr}
	if !appraise(t, s.verifier(t), r).Accepted() {
		t.Error("a certificate request is not accepted for its key")
	}
	a = s.answer(t, evidence.KindSEVSNP)
	r.Freshness = verifier.Answer{Challenge: a.sealed, CSR: csr, PublicKey: a.key.SPKI()}
	refusedWith(t, s.verifier(t), r, evidence.CodeKeyMismatch)
}

// A result for a token, or of a background check, never leads to a certificate.
func TestPurposes(t *testing.T) {
	for name, r := range map[string]verifiertest.Request{
		"token":                   {Purpose: evidence.PurposeToken},
		"background check":        {Background: make([]byte, 64)},
		"background, unjudged":    {Background: []byte{}},
		"background, of all data": {Background: make([]byte, 64), Kinds: []evidence.Kind{evidence.KindSEVSNP, evidence.KindTDX}},
	} {
		result := verifiertest.Accepted(t, r)
		if _, ok := result.CertificateKey(); ok {
			t.Errorf("%s: the key may be certified", name)
		}
	}
	if _, ok := verifiertest.Rejected(t, verifiertest.Request{}).CertificateKey(); ok {
		t.Error("a rejected result's key may be certified")
	}
}

func TestBackgroundCheck(t *testing.T) {
	data := bytes.Repeat([]byte{5}, 64)
	sum := sha256.Sum256(data)
	for name, c := range map[string]struct {
		kind   evidence.Kind
		found  []byte
		asked  []byte
		status evidence.Status
	}{
		"equal":                {evidence.KindSEVSNP, data, data, evidence.Pass},
		"other":                {evidence.KindSEVSNP, data, make([]byte, 64), evidence.Fail},
		"shorter":              {evidence.KindSEVSNP, data, data[:63], evidence.Fail},
		"empty":                {evidence.KindSEVSNP, data, []byte{}, evidence.Fail},
		"nobody asks":          {evidence.KindSEVSNP, data, nil, evidence.NotPerformed},
		"TPM, equal":           {evidence.KindTPM, data[:20], data[:20], evidence.Pass},
		"TPM, digest":          {evidence.KindTPM, sum[:], data, evidence.Pass},
		"SNP has no digest":    {evidence.KindSEVSNP, sum[:], data, evidence.Fail},
		"TPM, digest of other": {evidence.KindTPM, sum[:], make([]byte, 64), evidence.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			v := newService().verifier(t)
			bundle := evidence.Bundle{teetest.Item(c.kind, c.found)}
			result := appraise(t, v, verifier.Request{Bundle: bundle, Freshness: verifier.BackgroundCheck{ReportData: c.asked}})
			check, _ := result.Checks().Get(evidence.CodeBinding)
			if check.Status != c.status {
				t.Errorf("the binding is %s", check.Status)
			}
			if (result.Nonce() != nil) != (c.status == evidence.Pass) {
				t.Errorf("a nonce is echoed: %x", result.Nonce())
			}
			if c.status == evidence.Fail && result.Verdict() != verifier.Rejected {
				t.Errorf("the verdict is %s", result.Verdict())
			}
			if got := v.Examine(bundle, c.asked).Verdict; (got == verifier.Genuine) != (c.status != evidence.Fail) {
				t.Errorf("examined as %s", got)
			}
		})
	}
}

func TestAttack_D05_TechnologyThatPanics(t *testing.T) {
	s := newService()
	s.technology = []tee.Verifier{&teetest.Technology{
		Of: evidence.KindSEVSNP, Judge: func(evidence.Item, *tee.Endorsements, tee.Params) tee.Outcome { panic("index out of range") },
	}}
	v, a := s.verifier(t), s.answer(t, evidence.KindSEVSNP)
	result := appraise(t, v, a.request(t))
	if check, ok := result.Checks().Get(evidence.CodeVerifierFault); !ok || check.Status != evidence.Fail || result.Verdict() != verifier.Rejected {
		t.Errorf("%s: %v", result.Verdict(), result.Checks())
	}
	refusedWith(t, v, a.request(t), evidence.CodeChallengeSpent)
	if e := v.Examine(a.request(t).Bundle, nil); e.Verdict != verifier.Rejected {
		t.Errorf("examined as %s", e.Verdict)
	}
}

func TestVerdicts(t *testing.T) {
	missing := func(o *tee.Outcome) { o.Missing = []tee.EndorsementName{{Type: "vcek", ID: "Milan"}} }
	for name, c := range map[string]struct {
		outcome func(*tee.Outcome)
		want    verifier.Verdict
	}{
		"genuine":                      {func(*tee.Outcome) {}, verifier.Accepted},
		"an endorsement is missing":    {missing, verifier.Undecided},
		"missing, and something fails": {func(o *tee.Outcome) { missing(o); o.Checks.Fail(evidence.CodeEvidenceMalformed, "", "") }, verifier.Rejected},
		"a check fails":                {func(o *tee.Outcome) { o.Checks.Fail(evidence.CodeEvidenceMalformed, "", "") }, verifier.Rejected},
		"no report data":               {func(o *tee.Outcome) { o.ReportData = nil }, verifier.Rejected},
		"nothing at all":               {func(o *tee.Outcome) { *o = tee.Outcome{} }, verifier.Rejected},
	} {
		result := verifiertest.Appraise(t, verifiertest.Request{Outcome: c.outcome})
		if result.Verdict() != c.want {
			t.Errorf("%s: %s, want %s", name, result.Verdict(), c.want)
		}
		if result.Accepted() != (c.want == verifier.Accepted) || result.Identity().SPIFFEID != "" != result.Accepted() {
			t.Errorf("%s: accepted %v with identity %q", name, result.Accepted(), result.Identity().SPIFFEID)
		}
		if c.want != verifier.Accepted && result.Nonce() != nil {
			t.Errorf("%s: a nonce is echoed", name)
		}
	}
	if got := verifiertest.Appraise(t, verifiertest.Request{Outcome: missing}).Missing(); len(got) != 1 || got[0].Type != "vcek" {
		t.Errorf("missing: %v", got)
	}
}

// The worst item decides, wherever it stands.
func TestWorstItemDecides(t *testing.T) {
	for _, bad := range evidence.Kinds() {
		result := verifiertest.Appraise(t, verifiertest.Request{Kinds: evidence.Kinds(), Outcome: func(o *tee.Outcome) {
			if o.Claims.Kind == bad {
				o.Checks.Fail(evidence.CodeEvidenceMalformed, "", "")
			} else {
				o.Missing = []tee.EndorsementName{{Type: "x"}}
			}
		}})
		if result.Verdict() != verifier.Rejected {
			t.Errorf("%s is bad, and the verdict %s", bad, result.Verdict())
		}
		for _, check := range result.Checks().Failed() {
			if check.Kind != bad && check.Code != evidence.CodeCompositeLink {
				t.Errorf("a failure of %s is reported of %s", bad, check.Kind)
			}
		}
	}
}

func TestKindWithoutVerifier(t *testing.T) {
	s := newService()
	result := appraise(t, s.verifier(t), s.answer(t, evidence.KindTDX).request(t))
	if check, ok := result.Checks().Get(evidence.CodeKindUnsupported); !ok || check.Status != evidence.Fail || result.Verdict() != verifier.Rejected {
		t.Errorf("%s: %v", result.Verdict(), result.Checks())
	}
}

func TestNoPolicies(t *testing.T) {
	s := newService()
	s.noPolicies = true
	if result := appraise(t, s.verifier(t), s.answer(t, evidence.KindSEVSNP).request(t)); result.Verdict() != verifier.Rejected {
		t.Errorf("without policies: %s", result.Verdict())
	}
}

func TestSimulatedNeedsTwoConsents(t *testing.T) {
	marks := map[string]func(*evidence.Claims){
		"marked both ways":          func(c *evidence.Claims) { *c = teetest.Simulated(*c) },
		"marked by its anchor only": func(c *evidence.Claims) { *c = teetest.Simulated(*c); c.Simulated = false },
		"marked by its claim only":  func(c *evidence.Claims) { c.Simulated = true },
	}
	for name, mark := range marks {
		for _, consent := range []struct{ service, policy bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
			s := newService()
			claims := teetest.Claims(evidence.KindSEVSNP)
			mark(&claims)
			s.technology = []tee.Verifier{&teetest.Technology{Of: evidence.KindSEVSNP, Claims: claims}}
			s.simulated = consent.service
			if consent.policy {
				s.policy += "allow_simulated: true\n"
			}
			result := appraise(t, s.verifier(t), s.answer(t, evidence.KindSEVSNP).request(t))
			if result.Accepted() != (consent.service && consent.policy) {
				t.Errorf("%s, %+v: %s", name, consent, result.Verdict())
			}
			if !result.Simulated() || !result.Claims()[0].Simulated {
				t.Errorf("%s: the mark is lost", name)
			}
		}
	}
}

// The validity is the earliest of all items'.
func TestValidUntil(t *testing.T) {
	ends := map[evidence.Kind]time.Time{
		evidence.KindTDX: verifiertest.Now().Add(time.Hour), evidence.KindTPM: verifiertest.Now().Add(time.Minute),
	}
	result := verifiertest.Accepted(t, verifiertest.Request{
		Kinds: evidence.Kinds(), Outcome: func(o *tee.Outcome) { o.ValidUntil = ends[o.Claims.Kind] },
	})
	if !result.ValidUntil().Equal(ends[evidence.KindTPM]) {
		t.Errorf("valid until %s", result.ValidUntil())
	}
}

func TestZeroResult(t *testing.T) {
	var zero verifier.Result
	_, ok := zero.CertificateKey()
	if zero.Valid() || zero.Accepted() || ok {
		t.Error("the zero result passes for something")
	}
}

func TestRequestWithoutFreshness(t *testing.T) {
	result, err := newService().verifier(t).Appraise(verifier.Request{Bundle: evidence.Bundle{teetest.Item(evidence.KindSEVSNP, nil)}})
	if err == nil || result.Valid() {
		t.Errorf("%v, valid: %v", err, result.Valid())
	}
}

func TestNew(t *testing.T) {
	snp := &teetest.Technology{Of: evidence.KindSEVSNP}
	for name, technologies := range map[string][]tee.Verifier{"none": nil, "two of a kind": {snp, snp}} {
		if _, err := verifier.New(verifier.Config{Technologies: technologies}); err == nil {
			t.Errorf("%s: a verifier was made", name)
		}
	}
}

// BenchmarkCore measures what the core adds to a technology that takes no time.
func BenchmarkCore(b *testing.B) {
	s := newService()
	v := s.verifier(b)
	requests := make([]verifier.Request, 4096)
	for i := range requests {
		requests[i] = s.answer(b, evidence.KindSEVSNP).request(b)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i == len(requests) { // challenges are good for one use
			b.StopTimer()
			for i = range requests {
				requests[i] = s.answer(b, evidence.KindSEVSNP).request(b)
			}
			i = 0
			b.StartTimer()
		}
		if _, err := v.Appraise(requests[i]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
