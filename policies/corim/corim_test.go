package corim_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/corim"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func value(b byte) string { return strings.Repeat(fmt.Sprintf("%02x", b), 48) }

// references is a document with these lists, in YAML's flow form.
func references(name, technology, lists string) string {
	return fmt.Sprintf("apiVersion: quotary.dev/v1\nkind: ReferenceValues\nname: %s\ntechnology: %s\nprovenance: {source: an image, created_by: \"ACME, \\\"Ltd\\\"\", created_at: 2026-11-20T10:00:00Z}\nnot_after: 2027-05-20T00:00:00Z\nvalues: {%s}\n", name, technology, lists)
}

var (
	snpText = references("guest", "sev-snp", `measurements: ["`+value(0x11)+`", "`+value(0x22)+`"]`)
	tdxText = references("td", "tdx", `mrtd: ["`+value(0x31)+`"], rtmr0: ["`+value(0x32)+`"], rtmr1: ["`+value(0x33)+`"], rtmr2: ["`+value(0x34)+`"], rtmr3: ["`+value(0)+`"]`)
	anyText = references("tds", "tdx", `mrtd: ["`+value(0x31)+`"], rtmr1: ["`+value(0x41)+`", "`+value(0x42)+`"]`)
	modText = references("modules", "tdx", `mrseam: ["`+value(0x51)+`", "`+value(0x52)+`"]`)
)

func export(t testing.TB, text string, o corim.ExportOptions) []byte {
	t.Helper()
	data, err := corim.Export([]byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func load(t testing.TB, text []byte) *policies.Set {
	t.Helper()
	set, err := policies.Load(policies.File{Name: "f", Data: text})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return set
}

// same compares what two texts say, but for the source of the values.
func same(t testing.TB, got, want []byte) {
	t.Helper()
	a, b := load(t, got), load(t, want)
	for i, info := range b.References() {
		other := a.References()[i]
		if other.Name != info.Name || other.Technology != info.Technology || !other.NotAfter.Equal(info.NotAfter) || !other.Provenance.CreatedAt.Equal(info.Provenance.CreatedAt) || other.Provenance.CreatedBy != info.Provenance.CreatedBy {
			t.Errorf("got %+v, want %+v", other, info)
		}
		if !maps.EqualFunc(a.ReferenceLists(info.Name), b.ReferenceLists(info.Name), func(x, y []evidence.Hex) bool {
			return slices.EqualFunc(x, y, func(p, q evidence.Hex) bool { return bytes.Equal(p, q) })
		}) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	if len(a.References()) != len(b.References()) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, text := range []string{snpText, tdxText, anyText, modText, snpText + "---\n" + references("another", "sev-snp", `measurements: ["`+value(0x11)+`"]`)} {
		got, err := corim.Import(export(t, text, corim.ExportOptions{}), corim.ImportOptions{Now: now})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		same(t, got.YAML, []byte(text))
	}
}

// Values of any number come back as they were.
func TestRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		technology := rapid.SampledFrom([]string{"sev-snp", "tdx"}).Draw(rt, "technology")
		keys := map[string][]string{"sev-snp": {"measurements"}, "tdx": {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"}}[technology]
		var lists []string
		for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 1, len(keys), rapid.ID[string]).Draw(rt, "keys") {
			values := rapid.SliceOfNDistinct(rapid.ByteRange(1, 254), 1, 5, rapid.ID[byte]).Draw(rt, key)
			quoted := make([]string, len(values))
			for i, b := range values {
				quoted[i] = `"` + value(b) + `"`
			}
			lists = append(lists, key+": ["+strings.Join(quoted, ", ")+"]")
		}
		text := references("some", technology, strings.Join(lists, ", "))
		got, err := corim.Import(export(t, text, corim.ExportOptions{ID: "x"}), corim.ImportOptions{Now: now})
		if err != nil {
			rt.Fatal(err)
		}
		same(t, got.YAML, []byte(text))
	})
}

func TestGolden(t *testing.T) {
	for name, text := range map[string]string{"snp": snpText, "td": tdxText, "tds": anyText, "modules": modText} {
		data := export(t, text, corim.ExportOptions{ID: "example-" + name})
		imported, err := corim.Import(data, corim.ImportOptions{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		for file, got := range map[string][]byte{name + ".corim.hex": []byte(hex.EncodeToString(data) + "\n"), name + ".yaml": imported.YAML} {
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil { //nolint:gosec // test data
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %v\ngot\n%s\nwant\n%s", file, err, got, want)
			}
		}
	}
}

func TestSigned(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := []policies.ReferenceKey{{Name: "release", Public: p256.Public()}}
	others := []policies.ReferenceKey{{Name: "other", Public: edwards.Public()}}
	signed := export(t, snpText, corim.ExportOptions{Signer: p256, SignerName: "ACME"})
	for _, data := range [][]byte{signed, append([]byte{0xd9, 0x01, 0xf6}, signed...), export(t, snpText, corim.ExportOptions{Signer: p256, SignerName: "ACME", KeyID: "anything"})} {
		got, err := corim.Import(data, corim.ImportOptions{Now: now, Keys: keys})
		if err != nil || got.SignedBy != "release" || !strings.Contains(string(got.YAML), "signed by ACME with key release") {
			t.Fatalf("%v\n%s", err, got.YAML)
		}
		same(t, got.YAML, []byte(snpText))
	}
	for name, c := range map[string]struct {
		data []byte
		keys []policies.ReferenceKey
	}{
		"signed, no keys": {signed, nil}, "another key": {signed, others}, "not signed": {export(t, snpText, corim.ExportOptions{}), keys},
	} {
		if _, err := corim.Import(c.data, corim.ImportOptions{Now: now, Keys: c.keys}); evidence.CodeOf(err) != evidence.CodeCoRIMSignature {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range signed {
		altered := bytes.Clone(signed)
		altered[i] ^= 1
		if got, err := corim.Import(altered, corim.ImportOptions{Now: now, Keys: keys}); err == nil {
			t.Fatalf("byte %d altered: accepted\n%s", i, got.YAML)
		}
	}
	for _, o := range []corim.ExportOptions{{Signer: p256}, {Signer: p256, SignerName: strings.Repeat("n", 200)}} {
		if _, err := corim.Export([]byte(snpText), o); evidence.CodeOf(err) != evidence.CodeCoRIMExport {
			t.Error(err)
		}
	}
	if _, err := corim.Import(signed, corim.ImportOptions{Now: now, Keys: append(keys, keys...)}); evidence.CodeOf(err) != evidence.CodePolicyReferenceKey {
		t.Error(err)
	}
}

func TestValidity(t *testing.T) {
	data := export(t, snpText, corim.ExportOptions{})
	endless := edit(t, data, func(m object) { delete(m, 4) })
	for name, c := range map[string]struct {
		data []byte
		o    corim.ImportOptions
		ok   bool
	}{
		"expired":           {data, corim.ImportOptions{Now: time.Date(2027, 5, 20, 0, 0, 0, 0, time.UTC)}, false},
		"not yet":           {data, corim.ImportOptions{Now: time.Date(2026, 11, 20, 9, 59, 59, 0, time.UTC)}, false},
		"no end":            {endless, corim.ImportOptions{Now: now}, false},
		"an end of ours":    {endless, corim.ImportOptions{Now: now, NotAfter: now.Add(time.Hour)}, true},
		"the earlier end":   {data, corim.ImportOptions{Now: now, NotAfter: now.Add(time.Hour)}, true},
		"an end that is by": {data, corim.ImportOptions{Now: now, NotAfter: now}, false},
	} {
		got, err := corim.Import(c.data, c.o)
		if c.ok {
			if end := load(t, got.YAML).References()[0].NotAfter; err != nil || !end.Equal(now.Add(time.Hour)) {
				t.Errorf("%s: %v, until %s", name, err, end)
			}
		} else if evidence.CodeOf(err) != evidence.CodeCoRIMValidity {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExportRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"a workload":       "apiVersion: quotary.dev/v1\nkind: Workload\nname: w\nidentity: {spiffe_id: \"spiffe://example.org/w\"}\nany_of:\n  - sev_snp: {measurements: [\"" + value(1) + "\"], minimum_tcb: {bootloader: 1, tee: 0, snp: 1, microcode: 1}}\n",
		"a TPM":            references("t", "tpm", `pcrs: {sha256: {7: ["`+value(1)[:64]+`"]}}`),
		"a boot":           references("b", "tdx", `boot: {images: ["`+value(1)+`"]}`),
		"known bad":        strings.Replace(snpText, "not_after", "known_bad: [leak]\nnot_after", 1),
		"two technologies": snpText + "---\n" + tdxText,
		"two ends":         snpText + "---\n" + strings.Replace(references("b", "sev-snp", `measurements: ["`+value(1)+`"]`), "2027-05", "2027-06", 1),
		"a part of second": strings.Replace(snpText, "T00:00:00Z", "T00:00:00.5Z", 1),
		"a long name":      strings.Replace(snpText, "ACME", strings.Repeat("A", 150), 1),
	} {
		if _, err := corim.Export([]byte(text), corim.ExportOptions{}); evidence.CodeOf(err) != evidence.CodeCoRIMExport {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := corim.Export([]byte("x"), corim.ExportOptions{}); err == nil {
		t.Error("exports what does not load")
	}
}

// object is a map of a CoRIM as tests bend it.
type object = map[int64]any

// edit decodes the CoRIM's map, has it changed, and encodes it again.
func edit(t testing.TB, data []byte, change func(object)) []byte {
	t.Helper()
	var tag cbor.RawTag
	var m map[int64]any
	if err := cbor.Unmarshal(data, &tag); err != nil {
		t.Fatal(err)
	}
	if err := cbor.Unmarshal(tag.Content, &m); err != nil {
		t.Fatal(err)
	}
	change(m)
	return marshal(t, cbor.Tag{Number: tag.Number, Content: m})
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	data, err := mode.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
