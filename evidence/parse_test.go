package evidence

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sampleBundle has one small item of each kind.
func sampleBundle() Bundle {
	return Bundle{
		&SNP{Report: []byte{2, 0, 0, 0}, Certificates: [][]byte{{0x30, 1}, {0x30, 2}}},
		&TDX{Quote: []byte{4, 0, 2, 0, 0x81, 0, 0, 0}},
		&TPM{
			Attest: []byte{0xff, 'T', 'C', 'G'}, Signature: []byte{0, 0x14},
			PCRs: PCRs{"sha256": {0: bytes.Repeat([]byte{1}, 32), 23: bytes.Repeat([]byte{2}, 32)}, "sha1": {}},
		},
	}
}

// sameBundle compares bundles; an absent list equals an empty one.
func sameBundle(t *testing.T, got, want Bundle) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("another bundle came back (-want +got):\n%s", diff)
	}
}

func mustJSON(t testing.TB, b Bundle) []byte {
	t.Helper()
	data, err := b.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustCBOR(t testing.TB, b Bundle) []byte {
	t.Helper()
	data, err := b.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseRoundTrip(t *testing.T) {
	full := sampleBundle()
	for _, bundle := range []Bundle{full, full[:1], full[1:2], full[2:]} {
		fromJSON, err := Parse(mustJSON(t, bundle))
		if err != nil {
			t.Fatal(err)
		}
		sameBundle(t, fromJSON, bundle)
		fromCBOR, err := Parse(mustCBOR(t, bundle))
		if err != nil {
			t.Fatal(err)
		}
		sameBundle(t, fromCBOR, bundle)
	}
}

// TestGolden pins the bytes: other implementations depend on them.
func TestGolden(t *testing.T) {
	bundle := Bundle{
		&TPM{Attest: []byte{1}, Signature: []byte{2}, PCRs: PCRs{"sha256": {10: {3}, 1: {4}}}, AKPublic: []byte{5}},
		&TDX{Quote: []byte{6}},
	}
	wantJSON := `{"__cmwc_t":"tag:github.com,2026:quotary/quotary#bundle-1",` +
		`"tdx":["application/vnd.quotary.tdx","oWVxdW90ZUEG"],` +
		`"tpm":["application/vnd.quotary.tpm","pGRwY3JzoWZzaGEyNTaiAUEECkEDZmF0dGVzdEEBaWFrX3B1YmxpY0EFaXNpZ25hdHVyZUEC"]}`
	if got := string(mustJSON(t, bundle)); got != wantJSON {
		t.Errorf("JSON is\n%s, want\n%s", got, wantJSON)
	}
	wantCBOR := "a3" +
		"63746478" + "82" + "781b" + hex.EncodeToString([]byte(MediaTypeTDX)) + "49" + "a16571756f74654106" +
		"6374706d" + "82" + "781b" + hex.EncodeToString([]byte(MediaTypeTPM)) + "5836" +
		"a46470637273a166736861323536a20141040a4103666174746573744101" + "69616b5f7075626c69634105" + "697369676e61747572654102" +
		"685f5f636d77635f74" + "782c" + hex.EncodeToString([]byte(CollectionType))
	if got := hex.EncodeToString(mustCBOR(t, bundle)); got != wantCBOR {
		t.Errorf("CBOR is\n%s, want\n%s", got, wantCBOR)
	}
}

// TestGoldenEventLog pins the bytes of a quote with its event log. A payload
// without one is that of TestGolden.
func TestGoldenEventLog(t *testing.T) {
	bundle := Bundle{&TDX{Quote: []byte{6}, EventLog: []byte{7, 8}}}
	want := "a2" + "63746478" + "82" + "781b" + hex.EncodeToString([]byte(MediaTypeTDX)) + "56" +
		"a2" + "6571756f7465" + "4106" + "696576656e745f6c6f67" + "420708" +
		"685f5f636d77635f74" + "782c" + hex.EncodeToString([]byte(CollectionType))
	if got := hex.EncodeToString(mustCBOR(t, bundle)); got != want {
		t.Errorf("CBOR is\n%s, want\n%s", got, want)
	}
	for _, encoded := range [][]byte{mustCBOR(t, bundle), mustJSON(t, bundle)} {
		got, err := Parse(encoded)
		if err != nil {
			t.Fatal(err)
		}
		sameBundle(t, got, bundle)
	}
}

// TestLargestEventLog holds the bounds to each other: a log of the largest size
// beside a quote of a real one's size fits a bundle in either encoding.
func TestLargestEventLog(t *testing.T) {
	quote := append([]byte{4, 0, 2, 0, 0x81, 0, 0, 0}, make([]byte, 16<<10)...)
	bundle := Bundle{&TDX{Quote: quote, EventLog: make([]byte, MaxEventLog)}}
	for _, encoded := range [][]byte{mustCBOR(t, bundle), mustJSON(t, bundle)} {
		got, err := Parse(encoded)
		if err != nil {
			t.Fatal(err)
		}
		sameBundle(t, got, bundle)
	}
}

func TestParseBare(t *testing.T) {
	snp := append([]byte{3, 0, 0, 0}, make([]byte, snpReportSize)...)
	tdx := append([]byte{5, 0, 2, 0, 0x81, 0, 0, 0}, make([]byte, 8000)...)
	future := append([]byte{9, 0, 0, 0}, make([]byte, snpReportSize-4)...)
	for _, test := range []struct {
		name string
		data []byte
		want Item
	}{
		{"report", snp, &SNP{Report: snp}},
		{"report of version 4, which a quote has too", append([]byte{4, 0, 0, 0}, snp[4:]...), &SNP{Report: append([]byte{4, 0, 0, 0}, snp[4:]...)}},
		{"report of a version that is not known yet", future, &SNP{Report: future}},
		{"quote", tdx, &TDX{Quote: tdx}},
	} {
		got, err := Parse(test.data)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		sameBundle(t, got, Bundle{test.want})
	}
}

// TestParseForms accepts what is not our encoder's form but means the same.
func TestParseForms(t *testing.T) {
	quote := []byte{4, 0, 2, 0, 0x81, 0, 0, 0}
	b64 := base64.RawURLEncoding.EncodeToString(quote)
	record := fmt.Sprintf(`[%q,%q]`, MediaTypeTDXQuote, b64)
	cborRecord := "78" + fmt.Sprintf("%02x", len(MediaTypeTDXQuote)) + hex.EncodeToString([]byte(MediaTypeTDXQuote)) + "48" + hex.EncodeToString(quote)
	for name, data := range map[string]string{
		"record":                        record,
		"record with space round it":    "\n " + record + "\n",
		"record with its indicator":     fmt.Sprintf(`[%q,%q,4]`, MediaTypeTDXQuote, b64),
		"record with more indicators":   fmt.Sprintf(`[%q,%q,6]`, MediaTypeTDXQuote, b64),
		"collection":                    `{"any label":` + record + `}`,
		"collection of our type":        `{"__cmwc_t":"` + CollectionType + `","x":` + record + `}`,
		"collection in a collection":    `{"a":{"b":` + record + `}}`,
		"CBOR record":                   unhex(t, "82"+cborRecord),
		"CBOR record with indicator":    unhex(t, "83"+cborRecord+"04"),
		"CBOR collection":               unhex(t, "a16161"+"82"+cborRecord),
		"CBOR collection, number label": unhex(t, "a101"+"82"+cborRecord),
		"CBOR collection in one":        unhex(t, "a101a120"+"82"+cborRecord),
	} {
		got, err := Parse([]byte(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sameBundle(t, got, Bundle{&TDX{Quote: quote}})
	}
}

func unhex(t testing.TB, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// refusal is input that Parse must refuse with this code at this field.
type refusal struct {
	name  string
	data  string
	code  Code
	field string
}

func testRefusals(t *testing.T, tests []refusal) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bundle, err := Parse([]byte(test.data))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, %v; want code %v", bundle, err, test.code)
			}
			if e.Code != test.code || e.Field != test.field || e.Detail == "" {
				t.Errorf("refused with %v, want code %v at %q", e, test.code, test.field)
			}
		})
	}
}

func TestParseRefusesJSON(t *testing.T) {
	tdx := `["application/vnd.quotary.tdx.quote","BAAC"]`
	snp := `["application/vnd.quotary.sev-snp.report","BAAC"]`
	testRefusals(t, []refusal{
		{"empty", "", CodeEvidenceEmpty, "evidence"},
		{"space only", "  \n", CodeKindUnknown, "evidence"},
		{"oversized", "[" + strings.Repeat(" ", MaxEncoded), CodeEvidenceTooLarge, "evidence"},
		{"cut short", tdx[:len(tdx)-1], CodeEvidenceMalformed, "evidence"},
		{"two texts", tdx + tdx, CodeEvidenceMalformed, "evidence"},
		{"invalid UTF-8", "{\"\xff\":" + tdx + "}", CodeEvidenceMalformed, "evidence"},
		{"no entry", "{}", CodeEvidenceEmpty, "evidence"},
		{"type only", `{"__cmwc_t":"` + CollectionType + `"}`, CodeEvidenceEmpty, "evidence"},
		{"no entry within", `{"a":{}}`, CodeEvidenceEmpty, "evidence/a"},
		{"other type", `{"__cmwc_t":"https://example.org/x","a":` + tdx + `}`, CodeMediaTypeUnknown, "evidence/__cmwc_t"},
		{"type is no text", `{"__cmwc_t":["x"],"a":` + tdx + `}`, CodeMediaTypeUnknown, "evidence/__cmwc_t"},
		{"duplicate label", `{"a":` + tdx + `,"a":` + snp + `}`, CodeEvidenceDuplicate, "evidence/a"},
		{"duplicate label, escaped", `{"a":` + tdx + `,"\u0061":` + snp + `}`, CodeEvidenceDuplicate, "evidence/a"},
		{"duplicate label within", `{"x":{"a":` + tdx + `,"a":` + snp + `}}`, CodeEvidenceDuplicate, "evidence/x/a"},
		{"duplicate type", `{"__cmwc_t":"` + CollectionType + `","__cmwc_t":"` + CollectionType + `","a":` + tdx + `}`, CodeEvidenceDuplicate, "evidence/__cmwc_t"},
		{"duplicate kind", `{"a":` + tdx + `,"b":` + tdx + `}`, CodeEvidenceDuplicate, "evidence"},
		{"too many items", `{"a":` + tdx + `,"b":` + tdx + `,"c":` + tdx + `,"d":` + tdx + `}`, CodeEvidenceTooLarge, "evidence/d"},
		{"too deep", `{"a":{"b":{"c":` + tdx + `}}}`, CodeEvidenceMalformed, "evidence/a/b"},
		{"far too deep", strings.Repeat(`{"a":`, 10000) + tdx + strings.Repeat("}", 10000), CodeEvidenceMalformed, "evidence/a/a"},
		{"entry is a number", `{"a":1}`, CodeEvidenceMalformed, "evidence/a"},
		{"entry is null", `{"a":null}`, CodeEvidenceMalformed, "evidence/a"},
		{"hostile label", "{\"a\\u001b[31m\":1}", CodeEvidenceMalformed, `evidence/"a\x1b[31m"`},
		{"empty label", `{"":1}`, CodeEvidenceMalformed, `evidence/""`},
		{"empty record", `[]`, CodeEvidenceMalformed, "evidence"},
		{"record of one", `["application/vnd.quotary.tdx"]`, CodeEvidenceMalformed, "evidence"},
		{"record of four", `["application/vnd.quotary.tdx","BAAC",4,4]`, CodeEvidenceMalformed, "evidence"},
		{"record in a record", `["application/vnd.quotary.tdx",["BAAC"]]`, CodeEvidenceMalformed, "evidence"},
		{"value is null", `["application/vnd.quotary.tdx",null]`, CodeEvidenceMalformed, "evidence"},
		{"content format", `[263,"BAAC"]`, CodeMediaTypeUnknown, "evidence"},
		{"unknown media type", `["text/plain","BAAC"]`, CodeMediaTypeUnknown, "evidence"},
		{"media type in capitals", `["Application/vnd.quotary.tdx.quote","BAAC"]`, CodeMediaTypeUnknown, "evidence"},
		{"padded base64", `["application/vnd.quotary.tdx.quote","BAA="]`, CodeEvidenceMalformed, "evidence"},
		{"standard base64", `["application/vnd.quotary.tdx.quote","+/+/"]`, CodeEvidenceMalformed, "evidence"},
		{"base64 with trailing bits", `["application/vnd.quotary.tdx.quote","BAB"]`, CodeEvidenceMalformed, "evidence"},
		{"base64 with a line break", `["application/vnd.quotary.tdx.quote","BA\nAC"]`, CodeEvidenceMalformed, "evidence"},
		{"no value", `["application/vnd.quotary.tdx.quote",""]`, CodeEvidenceEmpty, "evidence.quote"},
		{"no payload", `["application/vnd.quotary.tdx",""]`, CodeEvidenceEmpty, "evidence"},
		{"indicator of endorsements", `["application/vnd.quotary.tdx.quote","BAAC",2]`, CodeEvidenceMalformed, "evidence"},
		{"indicator zero", `["application/vnd.quotary.tdx.quote","BAAC",0]`, CodeEvidenceMalformed, "evidence"},
		{"indicator unknown", `["application/vnd.quotary.tdx.quote","BAAC",36]`, CodeEvidenceMalformed, "evidence"},
		{"indicator negative", `["application/vnd.quotary.tdx.quote","BAAC",-4]`, CodeEvidenceMalformed, "evidence"},
		{"indicator as a fraction", `["application/vnd.quotary.tdx.quote","BAAC",4.0]`, CodeEvidenceMalformed, "evidence"},
		{"indicator as text", `["application/vnd.quotary.tdx.quote","BAAC","4"]`, CodeEvidenceMalformed, "evidence"},
		{"indicator as array", `["application/vnd.quotary.tdx.quote","BAAC",[4]]`, CodeEvidenceMalformed, "evidence"},
	})
}

func TestParseRefusesCBOR(t *testing.T) {
	text := func(s string) string { return fmt.Sprintf("78%02x%s", len(s), hex.EncodeToString([]byte(s))) }
	tdx := text(MediaTypeTDXQuote) + "43040002"
	snp := text(MediaTypeSEVSNPReport) + "43040002"
	tests := []refusal{
		{"no entry", "a0", CodeEvidenceEmpty, "evidence"},
		{"no entry within", "a16161a0", CodeEvidenceEmpty, "evidence/a"},
		{"other type", "a2" + text(collectionTypeLabel) + text("x") + "616182" + tdx, CodeMediaTypeUnknown, "evidence/__cmwc_t"},
		{"type is no text", "a2" + text(collectionTypeLabel) + "4178" + "616182" + tdx, CodeEvidenceMalformed, "evidence/__cmwc_t"},
		{"duplicate label", "a2616182" + tdx + "616182" + snp, CodeEvidenceDuplicate, "evidence"},
		{"duplicate number, in another length", "a20182" + tdx + "180182" + snp, CodeEvidenceDuplicate, "evidence"},
		{"duplicate kind", "a2616182" + tdx + "616282" + tdx, CodeEvidenceDuplicate, "evidence"},
		{"too many items", "a40182" + tdx + "0282" + tdx + "0382" + tdx + "0482" + tdx, CodeEvidenceTooLarge, "evidence/4"},
		{"too deep", "a101a101a10182" + tdx, CodeEvidenceMalformed, "evidence/1/1"},
		{"far too deep", strings.Repeat("a101", 1000) + "82" + tdx, CodeEvidenceMalformed, "evidence"},
		{"label is a byte string", "a1416182" + tdx, CodeEvidenceMalformed, "evidence"},
		{"label is a float", "a1f93c0082" + tdx, CodeEvidenceMalformed, "evidence"},
		{"label is null", "a1f682" + tdx, CodeEvidenceMalformed, "evidence"},
		{"entry is a number", "a1616101", CodeEvidenceMalformed, "evidence/a"},
		{"indefinite map", "bf616182" + tdx + "ff", CodeEvidenceMalformed, "evidence"},
		{"indefinite array", "9f" + tdx + "ff", CodeEvidenceMalformed, "evidence"},
		{"indefinite bytes", "82" + text(MediaTypeTDXQuote) + "5f43040002ff", CodeEvidenceMalformed, "evidence"},
		{"content-format tag", "da637476494143", CodeMediaTypeUnknown, "evidence"},
		{"tag within", "a16161da637476494143", CodeMediaTypeUnknown, "evidence"},
		{"content format", "82190107" + "43040002", CodeMediaTypeUnknown, "evidence"},
		{"unknown media type", "82" + text("text/plain") + "43040002", CodeMediaTypeUnknown, "evidence"},
		{"media type is bytes", "82417843040002", CodeEvidenceMalformed, "evidence"},
		{"value is a text", "82" + text(MediaTypeTDXQuote) + "6161", CodeEvidenceMalformed, "evidence"},
		{"value is an array", "82" + text(MediaTypeTDXQuote) + "83040002", CodeEvidenceMalformed, "evidence"},
		{"record of one", "81" + text(MediaTypeTDXQuote), CodeEvidenceMalformed, "evidence"},
		{"record of four", "84" + tdx + "0404", CodeEvidenceMalformed, "evidence"},
		{"cut short", "82" + tdx[:len(tdx)-2], CodeEvidenceMalformed, "evidence"},
		{"trailing byte", "82" + tdx + "00", CodeEvidenceMalformed, "evidence"},
		{"length of 4 GiB", "82" + text(MediaTypeTDXQuote) + "5affffffff", CodeEvidenceMalformed, "evidence"},
		{"array of 4 billion", "9affffffff", CodeEvidenceMalformed, "evidence"},
		{"map of 4 billion", "baffffffff", CodeEvidenceMalformed, "evidence"},
		{"indicator of results", "83" + tdx + "08", CodeEvidenceMalformed, "evidence"},
		{"indicator negative", "83" + tdx + "23", CodeEvidenceMalformed, "evidence"},
		{"indicator as text", "83" + tdx + "6134", CodeEvidenceMalformed, "evidence"},
	}
	for i := range tests {
		tests[i].data = unhex(t, tests[i].data)
	}
	testRefusals(t, tests)
}

func TestParseRefusesPayload(t *testing.T) {
	wrap := func(mediaType, payloadHex string) string {
		return fmt.Sprintf(`{"x":[%q,%q]}`, mediaType, base64.RawURLEncoding.EncodeToString([]byte(unhex(t, payloadHex))))
	}
	quote := "6571756f7465" // "quote"
	tpm := func(pcrs string) string {
		return "a3" + "6470637273" + pcrs + "666174746573744101" + "697369676e61747572654102"
	}
	big := func(n int) string { return fmt.Sprintf("59%04x%s", n, strings.Repeat("00", n)) }
	report := "667265706f7274" // "report"
	certs := "6c636572746966696361746573"
	withLog := func(log string) string { return "a2" + quote + "4106" + "696576656e745f6c6f67" + log }
	testRefusals(t, []refusal{
		{"empty event log", wrap(MediaTypeTDX, withLog("40")), CodeEvidenceMalformed, "evidence/x"},
		{"null event log", wrap(MediaTypeTDX, withLog("f6")), CodeEvidenceMalformed, "evidence/x"},
		{"event log as text", wrap(MediaTypeTDX, withLog("6107")), CodeEvidenceMalformed, "evidence/x"},
		{"event log before the quote", wrap(MediaTypeTDX, "a2"+"696576656e745f6c6f67"+"4107"+quote+"4106"), CodeEvidenceMalformed, "evidence/x"},
		{"large event log", wrap(MediaTypeTDX, withLog(fmt.Sprintf("5a%08x%s", MaxEventLog+1, strings.Repeat("00", MaxEventLog+1)))), CodeEvidenceTooLarge, "evidence/x.event_log"},
		{"event log without a quote", wrap(MediaTypeTDX, "a1"+"696576656e745f6c6f67"+"4107"), CodeEvidenceMalformed, "evidence/x"},
		{"no map", wrap(MediaTypeTDX, "4106"), CodeEvidenceMalformed, "evidence/x"},
		{"null", wrap(MediaTypeTDX, "f6"), CodeEvidenceMalformed, "evidence/x"},
		{"array", wrap(MediaTypeTDX, "814106"), CodeEvidenceMalformed, "evidence/x"},
		{"empty map", wrap(MediaTypeTDX, "a0"), CodeEvidenceMalformed, "evidence/x"},
		{"unknown key", wrap(MediaTypeTDX, "a26161f5"+quote+"4106"), CodeEvidenceMalformed, "evidence/x"},
		{"key in capitals", wrap(MediaTypeTDX, "a1"+"6551756f7465"+"4106"), CodeEvidenceMalformed, "evidence/x"},
		{"duplicate key", wrap(MediaTypeTDX, "a2"+quote+"4106"+quote+"4107"), CodeEvidenceDuplicate, "evidence/x"},
		{"bytes as array", wrap(MediaTypeTDX, "a1"+quote+"8106"), CodeEvidenceMalformed, "evidence/x"},
		{"bytes as text", wrap(MediaTypeTDX, "a1"+quote+"6106"), CodeEvidenceMalformed, "evidence/x"},
		{"long length", wrap(MediaTypeTDX, "a1"+quote+"580106"), CodeEvidenceMalformed, "evidence/x"},
		{"trailing byte", wrap(MediaTypeTDX, "a1"+quote+"410600"), CodeEvidenceMalformed, "evidence/x"},
		{"empty quote", wrap(MediaTypeTDX, "a1"+quote+"40"), CodeEvidenceEmpty, "evidence/x.quote"},
		{"null quote", wrap(MediaTypeTDX, "a1"+quote+"f6"), CodeEvidenceEmpty, "evidence/x.quote"},
		{"oversized quote", wrap(MediaTypeTDXQuote, strings.Repeat("00", MaxReport+1)), CodeEvidenceTooLarge, "evidence/x.quote"},
		{"empty list", wrap(MediaTypeSEVSNP, "a2"+report+"4102"+certs+"80"), CodeEvidenceMalformed, "evidence/x"},
		{"empty certificate", wrap(MediaTypeSEVSNP, "a2"+report+"4102"+certs+"8140"), CodeEvidenceEmpty, "evidence/x.certificates[0]"},
		{"large certificate", wrap(MediaTypeSEVSNP, "a2"+report+"4102"+certs+"81"+big(MaxCertificate+1)), CodeEvidenceTooLarge, "evidence/x.certificates[0]"},
		{"many certificates", wrap(MediaTypeSEVSNP, "a2"+report+"4102"+certs+"89"+strings.Repeat("4130", 9)), CodeEvidenceTooLarge, "evidence/x.certificates"},
		{"very many certificates", wrap(MediaTypeSEVSNP, "a2"+report+"4102"+certs+"9819"+strings.Repeat("4130", 25)), CodeEvidenceMalformed, "evidence/x"},
		{"keys out of order", wrap(MediaTypeSEVSNP, "a2"+certs+"814130"+report+"4102"), CodeEvidenceMalformed, "evidence/x"},
		{"no PCRs", wrap(MediaTypeTPM, "a2666174746573744101697369676e61747572654102"), CodeEvidenceMalformed, "evidence/x"},
		{"null PCRs", wrap(MediaTypeTPM, tpm("f6")), CodeEvidenceIncomplete, "evidence/x.pcrs"},
		{"null bank", wrap(MediaTypeTPM, tpm("a16161f6")), CodeEvidenceMalformed, "evidence/x.pcrs"},
		{"nameless bank", wrap(MediaTypeTPM, tpm("a160a0")), CodeEvidenceMalformed, "evidence/x.pcrs"},
		{"index 24", wrap(MediaTypeTPM, tpm("a16161a118184101")), CodeEvidenceMalformed, "evidence/x.pcrs/a"},
		{"index -1", wrap(MediaTypeTPM, tpm("a16161a1204101")), CodeEvidenceMalformed, "evidence/x.pcrs/a"},
		{"index of 2^64-1", wrap(MediaTypeTPM, tpm("a16161a11bffffffffffffffff4101")), CodeEvidenceMalformed, "evidence/x"},
		{"index as text", wrap(MediaTypeTPM, tpm("a16161a161304101")), CodeEvidenceMalformed, "evidence/x"},
		{"duplicate index", wrap(MediaTypeTPM, tpm("a16161a2014101014101")), CodeEvidenceDuplicate, "evidence/x"},
		{"empty value", wrap(MediaTypeTPM, tpm("a16161a10140")), CodeEvidenceMalformed, "evidence/x.pcrs/a"},
		{"long value", wrap(MediaTypeTPM, tpm("a16161a1015841"+strings.Repeat("00", 65))), CodeEvidenceMalformed, "evidence/x.pcrs/a"},
		{"large key", wrap(MediaTypeTPM, "a4"+"6470637273a0"+"666174746573744101"+"69616b5f7075626c6963"+big(MaxTPMStructure+1)+"697369676e61747572654102"), CodeEvidenceTooLarge, "evidence/x.ak_public"},
	})
}

func TestParseRefusesForeign(t *testing.T) {
	pad := strings.Repeat("\x00", 600)
	testRefusals(t, []refusal{
		{"SGX quote", "\x03\x00\x02\x00\x00\x00\x00\x00" + pad, CodeKindUnsupported, "evidence"},
		{"SGX quote of version 4", "\x04\x00\x02\x00\x00\x00\x00\x00" + pad, CodeKindUnsupported, "evidence"},
		{"quote of another TEE", "\x04\x00\x02\x00\x82\x00\x00\x00" + pad, CodeKindUnknown, "evidence"},
		{"COSE_Sign1", "\x84\x44\xa1\x01\x38\x22" + pad, CodeKindUnsupported, "evidence"},
		{"tagged COSE_Sign1", "\xd2\x84\x44\xa1\x01\x38\x22" + pad, CodeKindUnsupported, "evidence"},
		{"SPDM", "\x11\xe0\x01\xff" + pad, CodeKindUnsupported, "evidence"},
		{"HCL report", "HCLA" + pad, CodeKindUnsupported, "evidence"},
		{"TPMS_ATTEST", "\xffTCG\x80\x18" + pad, CodeEvidenceIncomplete, "evidence"},
		{"TPMT_SIGNATURE", "\x00\x14\x00\x0b" + pad, CodeEvidenceIncomplete, "evidence"},
		{"TPMT_PUBLIC", "\x00\x01\x00\x0b" + pad, CodeEvidenceIncomplete, "evidence"},
		{"TPM2B_PUBLIC", "\x02\x5c\x00\x01\x00\x0b" + pad, CodeEvidenceIncomplete, "evidence"},
		{"PCR file", "\x01\x00\x00\x00\x0b\x00\x03\xff" + pad, CodeEvidenceIncomplete, "evidence"},
		{"PEM", "-----BEGIN CERTIFICATE-----\n", CodeKindUnknown, "evidence"},
		{"DER", "\x30\x82\x01\x00" + pad, CodeKindUnknown, "evidence"},
		{"JSON of an Azure vTPM", `{"version":1,"hcl_report":"x"}`, CodeKindUnsupported, "evidence"},
		{"JSON of the TSM interface", `{"outblob":"x"}`, CodeKindUnsupported, "evidence"},
		{"text", "hello", CodeKindUnknown, "evidence"},
		{"three bytes", "\x02\x00\x00", CodeKindUnknown, "evidence"},
		{"zeros", pad, CodeKindUnknown, "evidence"},
	})
}

// TestMarshalRefuses holds the encoder to the bounds of the decoder.
func TestMarshalRefuses(t *testing.T) {
	for name, bundle := range map[string]Bundle{
		"empty":           {},
		"two of one kind": {&TDX{Quote: []byte{1}}, &TDX{Quote: []byte{2}}},
		"empty quote":     {&TDX{}},
		"oversized":       {&SNP{Report: make([]byte, MaxReport+1)}},
		"oversized log":   {&TDX{Quote: []byte{1}, EventLog: make([]byte, MaxEventLog+1)}},
		"log alone":       {&TDX{EventLog: []byte{1}}},
		"no PCRs":         {&TPM{Attest: []byte{1}, Signature: []byte{1}}},
	} {
		if data, err := bundle.MarshalJSON(); err == nil || CodeOf(err).IsZero() {
			t.Errorf("%s: JSON %q, %v", name, data, err)
		}
		if data, err := bundle.MarshalCBOR(); err == nil || CodeOf(err).IsZero() {
			t.Errorf("%s: CBOR %x, %v", name, data, err)
		}
	}
}
