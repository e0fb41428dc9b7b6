package tdx

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

// TestRealEvidence gives every TDX quote of the collection at each of its times
// with its collateral, and holds every status to the recorded one.
func TestRealEvidence(t *testing.T) {
	cases := 0
	for _, item := range evidencetest.Items(t, "tdx", "azure-hcl") {
		raw := realQuote(t, item)
		for _, c := range item.Cases {
			if raw == nil {
				continue
			}
			cases++
			t.Run(item.Name+"/"+c.At.Format("2006-01-02"), func(t *testing.T) {
				v, e, p := newVerifier(t), loadFiles(t, item.EndorsementFiles(t, c)), tee.Params{Now: c.At}
				out := v.Verify(&evidence.TDX{Quote: raw}, e, p)
				checkCase(t, out, c)
				if out.Genuine() {
					teetest.Reviewed(t, v, out.Claims, e, p)
				}
			})
		}
	}
	if cases < 15 {
		t.Errorf("only %d cases were judged", cases)
	}
}

// TestRealEvidenceTogether judges the same with all collateral of all years in
// one heap: each verdict is by what was in force then.
func TestRealEvidenceTogether(t *testing.T) {
	var files []string
	items := slices.DeleteFunc(evidencetest.Items(t, "tdx", "azure-hcl"), func(i evidencetest.Item) bool { return realQuote(t, i) == nil })
	for _, item := range items {
		for _, c := range item.Cases {
			files = append(files, item.EndorsementFiles(t, c)...)
		}
	}
	heap, v := loadFiles(t, files), newVerifier(t)
	for _, item := range items {
		for _, c := range item.Cases {
			t.Run(item.Name+"/"+c.At.Format("2006-01-02"), func(t *testing.T) {
				out := v.Verify(&evidence.TDX{Quote: realQuote(t, item)}, heap, tee.Params{Now: c.At})
				checkCase(t, out, c)
				if out.Genuine() {
					teetest.Reviewed(t, v, out.Claims, heap, tee.Params{Now: c.At})
				}
			})
		}
	}
}

// TestRealEvidenceReviewedLater holds what was recorded of a quote at one of its times to what
// the quote itself is worth at the later ones, by the collateral of then.
func TestRealEvidenceReviewedLater(t *testing.T) {
	changed := 0
	v := newVerifier(t)
	for _, item := range evidencetest.Items(t, "tdx", "azure-hcl") {
		raw := realQuote(t, item)
		for _, first := range item.Cases {
			if raw == nil {
				continue
			}
			recorded := v.Verify(&evidence.TDX{Quote: raw}, loadFiles(t, item.EndorsementFiles(t, first)), tee.Params{Now: first.At})
			for _, c := range item.Cases {
				e := loadFiles(t, item.EndorsementFiles(t, c))
				now := v.Verify(&evidence.TDX{Quote: raw}, e, tee.Params{Now: c.At})
				if !recorded.Genuine() || !now.Genuine() || c.At.Before(first.At) {
					continue
				}
				got, checks := v.Review(recorded.Claims, e, tee.Params{Now: c.At})
				if len(checks.Failed()) > 0 || !reflect.DeepEqual(got, now.Claims) {
					t.Errorf("%s, %v after %v: failed %v\nby now %+v\nwant   %+v", item.Name, c.At, first.At, checks.Failed(), got.TDX.TCB, now.Claims.TDX.TCB)
				}
				if !reflect.DeepEqual(got.TDX.TCB, recorded.Claims.TDX.TCB) {
					changed++
				}
			}
		}
	}
	t.Logf("the TCB of %d records is another by now", changed)
}

// TestAttack_T15_RealEvidenceAYearLater judges every quote with its collateral a
// year after it was good, which is refused for just that: the CRLs and documents
// have expired, and certificates only where their own dates say so.
func TestAttack_T15_RealEvidenceAYearLater(t *testing.T) {
	cases := 0
	for _, item := range evidencetest.Items(t, "tdx", "azure-hcl") {
		raw := realQuote(t, item)
		for _, c := range item.Cases {
			if raw == nil {
				continue
			}
			cases++
			t.Run(item.Name+"/"+c.At.Format("2006-01-02"), func(t *testing.T) {
				e, v := loadFiles(t, item.EndorsementFiles(t, c)), newVerifier(t)
				checkCase(t, v.Verify(&evidence.TDX{Quote: raw}, e, tee.Params{Now: c.At}), c)
				then, want := c.At.AddDate(1, 0, 0), []evidence.Code{evidence.CodeTDXCollateralExpired}
				if slices.ContainsFunc(e.Certificates(), func(cert *x509.Certificate) bool { return then.After(cert.NotAfter) }) {
					want = append([]evidence.Code{evidence.CodeTDXCertificateTime}, want...)
				}
				refusedWith(t, v.Verify(&evidence.TDX{Quote: raw}, e, tee.Params{Now: then}), want...)
				earlier := v.Verify(&evidence.TDX{Quote: raw}, e, tee.Params{Now: c.At.AddDate(-1, 0, 0)})
				if check, _ := earlier.Checks.Get(evidence.CodeTDXCollateralNotYet); earlier.Genuine() || check.Status != evidence.Fail {
					t.Errorf("a year before: %v", check)
				}
			})
		}
	}
	if cases < 15 {
		t.Errorf("only %d cases were judged", cases)
	}
}

// realQuote returns an item's TDX quote, or nil. One public sample has a line
// of text behind its quote: as it stands it is refused (TestTrailingText), so
// that its signatures are judged without it.
func realQuote(t *testing.T, item evidencetest.Item) []byte {
	t.Helper()
	for _, name := range []string{"quote.bin", "td_quote.bin"} {
		if item.Has(name) {
			raw := item.Read(t, name)
			if text, ok := strings.CutSuffix(string(raw), trailingText); ok {
				return []byte(text)
			}
			return raw
		}
	}
	return nil
}

// checkCase compares an outcome with a recorded verdict.
func checkCase(t *testing.T, out tee.Outcome, c evidencetest.Case) {
	t.Helper()
	if !out.Genuine() || out.Claims.Simulated || out.Claims.TrustAnchor == nil || out.Claims.TrustAnchor.Origin != evidence.OriginPinned {
		t.Fatalf("not genuine: %v, missing %v", out.Checks.Failed(), out.Missing)
	}
	if !out.ValidUntil.After(c.At) {
		t.Errorf("valid until %v, which is before %v", out.ValidUntil, c.At)
	}
	tcb := out.Claims.TDX.TCB
	if tcb == nil {
		t.Fatal("no TCB evaluation")
	}
	if tcb.Status != c.TCBStatus {
		t.Errorf("TCB status %s, want %s", tcb.Status, c.TCBStatus)
	}
	if c.PlatformStatus == "" {
		return // recorded as a whole only
	}
	platform := strings.Replace(c.PlatformStatus, "no matching level", "NotSupported", 1)
	if tcb.PlatformStatus != platform || tcb.ModuleStatus != c.ModuleStatus || tcb.QEStatus != c.QEStatus {
		t.Errorf("platform %s, module %s, QE %s; want %s, %s, %s",
			tcb.PlatformStatus, tcb.ModuleStatus, tcb.QEStatus, platform, c.ModuleStatus, c.QEStatus)
	}
	if !slices.Equal(tcb.Advisories, c.Advisories) || tcb.EvaluationDataNumber != *c.EvaluationDataNumber {
		t.Errorf("advisories %v of evaluation %d, want %v of %d", tcb.Advisories, tcb.EvaluationDataNumber, c.Advisories, *c.EvaluationDataNumber)
	}
}

// TestForeignEvidence gives SGX quotes and a quote under a test root that has
// Intel's names.
func TestForeignEvidence(t *testing.T) {
	for _, item := range evidencetest.Items(t, "sgx", "tdx") {
		raw := realQuote(t, item)
		want := evidence.CodeTDXQuoteVersion
		switch {
		case item.Name == "v4-intel-qvl-sample-testpki":
			want = evidence.CodeTDXChainFormat // it carries no certificates at all
		case item.Kind == "tdx":
			continue
		}
		t.Run(item.Name, func(t *testing.T) {
			out := newVerifier(t).Verify(&evidence.TDX{Quote: raw}, nil, tee.Params{Now: firstTime(item)})
			refusedWith(t, out, want)
		})
	}
}

// newVerifier returns a verifier with nothing but these further anchors.
func newVerifier(tb testing.TB, anchors ...tee.Anchor) *Verifier {
	tb.Helper()
	v, err := New(anchors...)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// refusedWith demands that exactly these checks failed and that nothing counts
// as genuine or undecided.
func refusedWith(tb testing.TB, out tee.Outcome, want ...evidence.Code) {
	tb.Helper()
	if out.Genuine() || out.Undecided() {
		tb.Fatalf("genuine %v, undecided %v", out.Genuine(), out.Undecided())
	}
	var got []evidence.Code
	for _, check := range out.Checks.Failed() {
		got = append(got, check.Code)
	}
	if !slices.Equal(got, want) {
		tb.Errorf("failed %v, want %v", out.Checks.Failed(), want)
	}
}

// loadFiles reads recorded collateral: PEM chains, DER CRLs, JSON documents.
func loadFiles(tb testing.TB, paths []string) *tee.Endorsements {
	tb.Helper()
	e := &tee.Endorsements{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		switch filepath.Ext(path) {
		case ".pem":
			addPEM(tb, e, data)
		case ".der":
			addCRL(tb, e, data)
		case ".json":
			addDocument(tb, e, data)
		}
	}
	return e
}

func addPEM(tb testing.TB, e *tee.Endorsements, data []byte) {
	tb.Helper()
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			tb.Fatal(err)
		}
		e.AddCertificate(cert)
	}
}

func addCRL(tb testing.TB, e *tee.Endorsements, der []byte) {
	tb.Helper()
	crl, err := x509.ParseRevocationList(der)
	if err != nil {
		tb.Fatal(err)
	}
	e.AddCRL(crl)
}

// addDocument files a document under the key that it states.
func addDocument(tb testing.TB, e *tee.Endorsements, raw []byte) {
	tb.Helper()
	var doc struct {
		TCBInfo         *struct{ FMSPC string }
		EnclaveIdentity *struct{ ID string }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		tb.Fatal(err)
	}
	if doc.TCBInfo != nil {
		e.AddDocument(tee.Document{Type: tee.DocumentTCBInfo, Key: strings.ToLower(doc.TCBInfo.FMSPC), Raw: raw})
	} else {
		e.AddDocument(tee.Document{Type: tee.DocumentQEIdentity, Key: doc.EnclaveIdentity.ID, Raw: raw})
	}
}
