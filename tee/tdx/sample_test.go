package tdx

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"

	tdxtesting "github.com/google/go-tdx-guest/testing"
	"github.com/google/go-tdx-guest/testing/testdata"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee"
)

// trailingText stands behind the quote of the public sample.
const trailingText = "\nextra bytes(only for testing purpose)\n"

// sampleTime lies within the validity of the sample's collateral.
var sampleTime = time.Date(2023, 6, 28, 8, 0, 0, 0, time.UTC)

// sampleQuote returns the real quote that a dependency ships, without the text
// behind it.
func sampleQuote(tb testing.TB) []byte {
	tb.Helper()
	text, ok := strings.CutSuffix(string(testdata.RawQuote), trailingText)
	if !ok {
		tb.Fatal("the sample has changed")
	}
	return []byte(text)
}

// sampleCollateral returns Intel's collateral for it, with this TCB info.
func sampleCollateral(tb testing.TB, tcbInfo []byte) *tee.Endorsements {
	tb.Helper()
	e := &tee.Endorsements{}
	chain, err := url.QueryUnescape(tdxtesting.TcbInfoHeader["Tcb-Info-Issuer-Chain"][0])
	if err != nil {
		tb.Fatal(err)
	}
	addPEM(tb, e, []byte(chain))
	addCRL(tb, e, testdata.PckCrlBody)
	addCRL(tb, e, testdata.RootCrlBody)
	e.AddDocument(tee.Document{Type: tee.DocumentTCBInfo, Key: "50806f000000", Raw: tcbInfo})
	e.AddDocument(tee.Document{Type: tee.DocumentQEIdentity, Key: "TD_QE", Raw: testdata.QeIdentityBody})
	return e
}

// TestSample judges the real quote with Intel's collateral, wherever this
// repository is.
func TestSample(t *testing.T) {
	e := sampleCollateral(t, testdata.TcbInfoBody)
	v := newVerifier(t)
	out := v.Verify(&evidence.TDX{Quote: sampleQuote(t)}, e, tee.Params{Now: sampleTime})
	requireGenuine(t, out)
	c := out.Claims.TDX
	if c.TCB.Status != "NotSupported" || c.TCB.PlatformStatus != "NotSupported" || c.TCB.ModuleStatus != "" || c.TCB.QEStatus != "UpToDate" {
		t.Errorf("TCB %+v", c.TCB)
	}
	if c.FMSPC.String() != "50806f000000" || !c.Attributes.PKS || c.Attributes.Debug || c.BodyVersion != "1.0" || c.QuoteVersion != 4 {
		t.Errorf("claims %+v", c)
	}
	if want := time.Date(2023, 7, 8, 7, 24, 59, 0, time.UTC); !out.ValidUntil.Equal(want) {
		t.Errorf("valid until %v, want %v", out.ValidUntil, want)
	}
	later := v.Verify(&evidence.TDX{Quote: sampleQuote(t)}, e, tee.Params{Now: sampleTime.AddDate(1, 0, 0)})
	refusedWith(t, later, evidence.CodeTDXCollateralExpired)
}

// TestSampleTrailingText gives the sample as it is published.
func TestSampleTrailingText(t *testing.T) {
	out := newVerifier(t).Verify(&evidence.TDX{Quote: testdata.RawQuote}, nil, tee.Params{Now: sampleTime})
	refusedWith(t, out, evidence.CodeTDXPadding)
}

// TestSampleFlips flips every byte of the real quote before its PEM chain: the
// signed header and body, signatures, key, QE report, and all lengths.
func TestSampleFlips(t *testing.T) {
	e := sampleCollateral(t, testdata.TcbInfoBody)
	v := newVerifier(t)
	flipAll(t, sampleQuote(t), func(quote []byte) tee.Outcome {
		return v.Verify(&evidence.TDX{Quote: quote}, e, tee.Params{Now: sampleTime})
	})
}

// TestSampleTCBInfoFlips flips every byte of Intel's TCB info.
func TestSampleTCBInfoFlips(t *testing.T) {
	v := newVerifier(t)
	quote := &evidence.TDX{Quote: sampleQuote(t)}
	raw := bytes.TrimSpace(testdata.TcbInfoBody)
	for i := range raw {
		mutant := bytes.Clone(raw)
		mutant[i] ^= 0x01
		out := v.Verify(quote, sampleCollateral(t, mutant), tee.Params{Now: sampleTime})
		if out.Genuine() || len(out.Checks.Failed()) == 0 {
			t.Fatalf("byte %d flipped (%q): accepted", i, mutant[max(0, i-10):min(len(mutant), i+10)])
		}
	}
}

// TestUnverifiedClaims reads the real quote without judging it.
func TestUnverifiedClaims(t *testing.T) {
	v := newVerifier(t)
	claims, err := v.UnverifiedClaims(&evidence.TDX{Quote: sampleQuote(t)})
	if err != nil {
		t.Fatal(err)
	}
	c := claims.TDX
	if c.FMSPC.String() != "50806f000000" || c.PCEID.String() != "0000" || len(c.PPID) != 16 || c.TCB != nil || claims.TrustAnchor != nil {
		t.Errorf("claims %+v", c)
	}
	if got := c.MRTD.String()[:16]; got != "6363b8043668a3ad" {
		t.Errorf("MRTD %s…", got)
	}
	if _, err := v.UnverifiedClaims(&evidence.SNP{}); evidence.CodeOf(err) != evidence.CodeKindUnsupported {
		t.Errorf("another kind: %v", err)
	}
	if _, err := v.UnverifiedClaims(&evidence.TDX{}); evidence.CodeOf(err) != evidence.CodeTDXQuoteFormat {
		t.Errorf("nothing: %v", err)
	}
	refusedWith(t, v.Verify(&evidence.SNP{}, nil, tee.Params{}), evidence.CodeKindUnsupported)
	refusedWith(t, v.Verify((*evidence.TDX)(nil), nil, tee.Params{}), evidence.CodeKindUnsupported)
	refusedWith(t, v.Verify(nil, nil, tee.Params{}), evidence.CodeKindUnsupported)
}

func firstTime(item evidencetest.Item) time.Time {
	if len(item.Cases) > 0 {
		return item.Cases[0].At
	}
	return sampleTime
}
