package endorsements

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

func TestParseRecognisesByContent(t *testing.T) {
	pki := newPKI(t)
	record := func(pairs ...string) string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		b, err := json.Marshal(m)
		must(t, err)
		return string(b)
	}
	for _, test := range []struct{ name, data, want string }{
		{"DER certificate", string(pki.leaf), "1 certificate"},
		{"DER certificates in a row", string(pki.leaf) + string(pki.root), "2 certificates"},
		{"DER certificate with zero padding", string(pki.leaf) + strings.Repeat("\x00", 3000), "1 certificate"},
		{"DER certificate with erased padding", string(pki.leaf) + strings.Repeat("\xff", 3000), "1 certificate"},
		{"DER CRL", string(pki.crl), "1 CRL"},
		{"DER CRL as hex text", hex.EncodeToString(pki.crl) + "\n", "1 CRL"},
		{"DER certificate as upper-case hex text", strings.ToUpper(hex.EncodeToString(pki.leaf)), "1 certificate"},
		{"PEM chain", certPEM(pki.leaf) + certPEM(pki.root), "2 certificates"},
		{"PEM with text between", "subject=leaf\n" + certPEM(pki.leaf) + "\nsubject=root\n" + certPEM(pki.root), "2 certificates"},
		{"PEM of a padded certificate", certPEM(append(slices.Clone(pki.leaf), make([]byte, 2000)...)), "1 certificate"},
		{"PEM with NUL padding", certPEM(pki.leaf) + "\x00\x00", "1 certificate"},
		{"PEM CRL and certificate", crlPEM(pki.crl) + certPEM(pki.root), "1 certificate, 1 CRL"},
		{"TCB info", tcbInfo, "tcb-info 00806f050000"},
		{"TCB info with a final newline", tcbInfo + "\n", "tcb-info 00806f050000"},
		{"QE identity", qeIdentity, "qe-identity TD_QE"},
		{"THIM", record("vcekCert", certPEM(pki.leaf), "certificateChain", certPEM(pki.root), "tcbm", "7308000000000003", "cacheControl", "86400"), "2 certificates"},
		{"record with an escaped chain", record("chain", url.PathEscape(certPEM(pki.root)), "body", tcbInfo), "1 certificate, tcb-info 00806f050000"},
		{"record with a wholly escaped chain", record("chain", strings.ReplaceAll(url.PathEscape(certPEM(pki.root)), "-", "%2D")), "1 certificate"},
		{"record with a CRL in hex", record("crl", hex.EncodeToString(pki.crl)), "1 CRL"},
		{"record with a CRL in base64", record("crl", base64.StdEncoding.EncodeToString(pki.crl)), "1 CRL"},
		{"record with headers and body", `{"status":200,"headers":` + record("Issuer-Chain", certPEM(pki.root)) + `,"body":` + qeIdentity + `}`, "1 certificate, qe-identity TD_QE"},
		{"record with body and signature apart", record("tcb_info", `{"fmspc":"00806F050000"}`, "tcb_info_signature", "00ff"), "tcb-info 00806f050000"},
		{"auxiliary table, DER and PEM", string(auxiliaryTable(
			tableEntry{id: evidence.AuxiliaryVCEK, blob: pki.leaf},
			tableEntry{id: evidence.AuxiliaryARK, blob: []byte(certPEM(pki.root))},
			tableEntry{id: evidence.AuxiliaryGUID{0xec, 0xae}, blob: []byte("something else")},
		)) + strings.Repeat("\x00", 100), "2 certificates"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := recognise([]byte(test.data))
			must(t, err)
			if got := f.String(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	pki := newPKI(t)
	vcek, ark := evidence.AuxiliaryVCEK, evidence.AuxiliaryARK
	table := auxiliaryTable(tableEntry{id: vcek, blob: pki.leaf})
	many := make([]tableEntry, evidence.MaxAuxiliaryEntries+1)
	for i := range many {
		many[i] = tableEntry{id: evidence.AuxiliaryGUID{byte(i + 1)}, blob: []byte{1}}
	}
	many[0].id = vcek
	for _, test := range []struct {
		name, data string
		code       evidence.Code
	}{
		{"nothing", "", evidence.CodeEndorsementUnrecognised},
		{"PEM inside binary data", "\x04\x00" + certPEM(pki.root), evidence.CodeEndorsementUnrecognised},
		{"text", "hello", evidence.CodeEndorsementUnrecognised},
		{"text that begins like hex of DER", "30 days", evidence.CodeEndorsementUnrecognised},
		{"hex of half a CRL", hex.EncodeToString(pki.crl[:100]), evidence.CodeEndorsementUnrecognised},
		{"hex of something else", "3003020101", evidence.CodeEndorsementUnrecognised},
		{"padding alone", strings.Repeat("\x00", 100), evidence.CodeEndorsementUnrecognised},
		{"JSON of something else", `{"a":{"b":["c"]},"d":null}`, evidence.CodeEndorsementUnrecognised},
		{"JSON nested too deep", strings.Repeat(`{"a":`, 10) + tcbInfo + strings.Repeat("}", 10), evidence.CodeEndorsementUnrecognised},
		{"truncated DER", string(pki.leaf[:len(pki.leaf)-1]), evidence.CodeEndorsementMalformed},
		{"trailing byte", string(pki.leaf) + "x", evidence.CodeEndorsementMalformed},
		{"mixed padding", string(pki.leaf) + "\x00\x00\xff", evidence.CodeEndorsementMalformed},
		{"broken PEM block", certPEM(pki.root) + strings.Replace(certPEM(pki.leaf), "M", "*", 1), evidence.CodeEndorsementMalformed},
		{"PEM without its end", certPEM(pki.root)[:200], evidence.CodeEndorsementMalformed},
		{"PEM of the wrong type", crlPEM(pki.leaf), evidence.CodeEndorsementMalformed},
		{"PEM of two certificates in one block", certPEM(append(slices.Clone(pki.leaf), pki.root...)), evidence.CodeEndorsementMalformed},
		{"private key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", evidence.CodeEndorsementMalformed},
		{"TCB info without a signature", `{"tcbInfo":{"fmspc":"00806F050000"}}`, evidence.CodeEndorsementMalformed},
		{"TCB info with a signature that is not hex", `{"tcbInfo":{"fmspc":"00806F050000"},"signature":"xyz"}`, evidence.CodeEndorsementMalformed},
		{"TCB info with a bad FMSPC", `{"tcbInfo":{"fmspc":"../../etc"},"signature":"00"}`, evidence.CodeEndorsementMalformed},
		{"TCB info that is a list", `{"tcbInfo":[],"signature":"00"}`, evidence.CodeEndorsementMalformed},
		{"QE identity without id", `{"enclaveIdentity":{},"signature":"00"}`, evidence.CodeEndorsementMalformed},
		{"text behind TCB info", tcbInfo + "{}", evidence.CodeEndorsementMalformed},
		{"truncated TCB info", tcbInfo[:len(tcbInfo)-1], evidence.CodeEndorsementMalformed},
		{"larger than a file may be", strings.Repeat(" ", MaxFile+1), evidence.CodeEndorsementTooLarge},
		{"more entries than allowed", strings.Repeat(certPEM(pki.leaf), MaxEntries+1), evidence.CodeEndorsementTooLarge},
		{"table that does not end", string(table[:auxiliaryEntrySize]), evidence.CodeEndorsementMalformed},
		{"table with a truncated blob", string(table[:len(table)-1]), evidence.CodeEndorsementMalformed},
		{"table with something behind the blobs", string(table) + "x", evidence.CodeEndorsementMalformed},
		{"table with a blob in its header", string(auxiliaryTable(tableEntry{id: vcek, blob: pki.leaf}, tableEntry{id: ark, offset: 8, blob: make([]byte, 4)})), evidence.CodeEndorsementMalformed},
		{"table with overlapping blobs", string(auxiliaryTable(tableEntry{id: vcek, blob: pki.leaf}, tableEntry{id: ark, offset: 100, blob: pki.leaf[:50]})), evidence.CodeEndorsementMalformed},
		{"table whose offset and length wrap at 32 bits", string(auxiliaryTable(tableEntry{id: vcek, offset: 0xFFFFFFF0, blob: make([]byte, 0x40)})), evidence.CodeEndorsementMalformed},
		{"table with one GUID twice", string(auxiliaryTable(tableEntry{id: vcek, blob: pki.leaf}, tableEntry{id: vcek, blob: pki.leaf})), evidence.CodeEndorsementMalformed},
		{"table with too many entries", string(auxiliaryTable(many...)), evidence.CodeEndorsementMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			var e tee.Endorsements
			err := Parse("the-file", []byte(test.data), &e)
			if got := evidence.CodeOf(err); got != test.code {
				t.Errorf("got %v, want code %v", err, test.code)
			}
			if e.Len() != 0 {
				t.Errorf("a refused file added %d entries", e.Len())
			}
		})
	}
}

// A verifier and this package must never disagree on which document a file
// holds: repeated, case-folded and additional names are refused.
func TestAttack_T01_CollateralWithAmbiguousKeys(t *testing.T) {
	for name, data := range map[string]string{
		"repeated tcbInfo":    `{"tcbInfo":{"fmspc":"00806F050000"},"tcbInfo":{"fmspc":"00806F050000"},"signature":"00"}`,
		"case-folded tcbInfo": `{"tcbInfo":{"fmspc":"00806F050000"},"TCBINFO":{"fmspc":"00806F050000"},"signature":"00"}`,
		"repeated fmspc":      `{"tcbInfo":{"fmspc":"00806F050000","fmspc":"90C06F000000"},"signature":"00"}`,
		"escaped repetition":  `{"tcbInfo":{"fmspc":"00806F050000","\u0066mspc":"90C06F000000"},"signature":"00"}`,
		"case-folded fmspc":   `{"tcbInfo":{"FMSPC":"00806F050000"},"signature":"00"}`,
		"two documents":       `{"tcbInfo":{"fmspc":"00806F050000"},"enclaveIdentity":{"id":"QE"},"signature":"00"}`,
		"repeated signature":  `{"tcbInfo":{"fmspc":"00806F050000"},"signature":"00","signature":"01"}`,
	} {
		if _, err := recognise([]byte(data)); evidence.CodeOf(err) != evidence.CodeEndorsementMalformed {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestParseKeepsExactBytes(t *testing.T) {
	spaced := "{ \"tcbInfo\" : { \"fmspc\" : \"00806F050000\" } ,\n \"signature\" : \"00ff\" }"
	for name, data := range map[string]string{"alone": spaced, "in a record": `{"body":` + spaced + `}`} {
		var e tee.Endorsements
		must(t, Parse(name, []byte(data), &e))
		docs := e.Documents(tee.DocumentTCBInfo, "00806f050000")
		if len(docs) != 1 || string(docs[0].Raw) != spaced {
			t.Errorf("%s: got %q", name, docs)
		}
	}
}

func TestParseAddsOnce(t *testing.T) {
	pki := newPKI(t)
	var e tee.Endorsements
	for range 3 {
		for _, data := range [][]byte{pki.root, pki.crl, []byte(tcbInfo), []byte(qeIdentity)} {
			must(t, Parse("again", bytes.Clone(data), &e))
		}
	}
	if e.Len() != 4 {
		t.Errorf("%d entries, want 4", e.Len())
	}
}

func FuzzParse(f *testing.F) {
	pki := newPKI(f)
	f.Add(pki.leaf)
	f.Add(pki.crl)
	f.Add([]byte(certPEM(pki.leaf) + crlPEM(pki.crl)))
	f.Add([]byte(tcbInfo))
	f.Add([]byte(qeIdentity))
	f.Add([]byte(`{"headers":{"chain":"-----BEGIN%20CERTIFICATE-----"},"body":` + tcbInfo + `}`))
	f.Add([]byte(`{"tcb_info":"{\"fmspc\":\"00806F050000\"}","tcb_info_signature":"00"}`))
	f.Add(auxiliaryTable(tableEntry{id: evidence.AuxiliaryVCEK, blob: pki.leaf}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e tee.Endorsements
		err := Parse("fuzz", data, &e)
		if (err == nil) != (e.Len() > 0) {
			t.Fatalf("error %v with %d entries", err, e.Len())
		}
		if err != nil && evidence.CodeOf(err).IsZero() {
			t.Fatalf("an error without a code: %v", err)
		}
	})
}
