package tdx

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-tdx-guest/testing/testdata"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee"
)

// trailingText stands behind the quote of a public sample.
const trailingText = "\nextra bytes(only for testing purpose)\n"

// sampleQuote returns the public sample quote of a dependency, without the text
// behind it.
func sampleQuote(tb testing.TB) []byte {
	tb.Helper()
	text, ok := strings.CutSuffix(string(testdata.RawQuote), trailingText)
	if !ok {
		tb.Fatal("the sample has changed")
	}
	return []byte(text)
}

// TestTrailingText gives the sample as it is published.
func TestTrailingText(t *testing.T) {
	out := newVerifier(t).Verify(&evidence.TDX{Quote: testdata.RawQuote}, nil, tee.Params{Now: time.Unix(1687939200, 0)})
	refusedWith(t, out, evidence.CodeTDXPadding)
}

func firstTime(item evidencetest.Item) time.Time {
	if len(item.Cases) > 0 {
		return item.Cases[0].At
	}
	return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
}
