package evidence_test

import (
	"bytes"
	"strings"
	"testing"

	sevtest "github.com/google/go-sev-guest/verify/testdata"
	tdxtest "github.com/google/go-tdx-guest/testing/testdata"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
)

// TestParseSamples reads the real samples that travel with the dependencies.
func TestParseSamples(t *testing.T) {
	testRead(t, "SNP report", sevtest.AttestationBytes, evidence.KindSEVSNP)
	testRead(t, "TDX quote", tdxtest.RawQuote, evidence.KindTDX)
}

// TestParseReal reads every bare report and quote of the collection, and refuses
// what is not evidence of our kinds by its name.
func TestParseReal(t *testing.T) {
	read, refused := 0, 0
	for _, item := range evidencetest.Items(t) {
		for name := range item.Files {
			data := item.Read(t, name)
			switch kind, code := expected(item, name); {
			case kind != "":
				testRead(t, item.Name+"/"+name, data, kind)
				read++
			case !code.IsZero():
				if _, err := evidence.Parse(data); evidence.CodeOf(err) != code {
					t.Errorf("%s/%s: refused with %v, want code %v", item.Name, name, err, code)
				}
				refused++
			default:
				if bundle, err := evidence.Parse(data); err == nil {
					t.Errorf("%s/%s: read as %v", item.Name, name, bundle.Kinds())
				}
				refused++
			}
		}
	}
	t.Logf("%d files read, %d refused", read, refused)
}

// expected says what a file of the collection must be read as, or which code
// must refuse it; neither for files that need only be refused.
func expected(item evidencetest.Item, name string) (evidence.Kind, evidence.Code) {
	base := name[strings.LastIndex(name, "/")+1:]
	switch {
	case item.Kind == "snp" && base == "report.bin", base == "snp_report.bin":
		return evidence.KindSEVSNP, evidence.Code{}
	case item.Kind == "tdx" && base == "quote.bin", base == "td_quote.bin":
		return evidence.KindTDX, evidence.Code{}
	case item.Kind == "sgx" && base == "quote.bin",
		item.Kind == "nvidia" && (base == "report.bin" || base == "evidence.json"),
		item.Kind == "nitro" && base == "attestation.cose",
		base == "hcl_report.bin", base == "tsm-report.json",
		item.Kind == "azure-hcl" && base == "evidence.json":
		return "", evidence.CodeKindUnsupported
	case strings.HasSuffix(base, "quote.msg"), item.Kind == "tpm" && strings.HasPrefix(base, "quote"),
		strings.HasPrefix(base, "ak_pub.tpm"):
		return "", evidence.CodeEvidenceIncomplete
	case strings.HasSuffix(base, ".pem"), strings.HasSuffix(base, "cek.der"), base == "vlek.der":
		return "", evidence.CodeKindUnknown
	}
	return "", evidence.Code{}
}

// testRead parses data, expects one item of this kind with all of data in it,
// and the same again out of both encodings.
func testRead(t *testing.T, name string, data []byte, kind evidence.Kind) {
	t.Helper()
	bundle, err := evidence.Parse(data)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if len(bundle) != 1 || bundle[0].Kind() != kind || !bytes.Equal(body(bundle[0]), data) {
		t.Errorf("%s: read as %v", name, bundle.Kinds())
	}
	inJSON, err1 := bundle.MarshalJSON()
	inCBOR, err2 := bundle.MarshalCBOR()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for _, encoded := range [][]byte{inJSON, inCBOR} {
		again, err := evidence.Parse(encoded)
		if err != nil || len(again) != 1 || !bytes.Equal(body(again[0]), data) {
			t.Errorf("%s: does not survive its own encoding: %v", name, err)
		}
	}
}

// body returns the structure that the hardware made.
func body(item evidence.Item) []byte {
	switch i := item.(type) {
	case *evidence.SNP:
		return i.Report
	case *evidence.TDX:
		return i.Quote
	}
	return nil
}
