package evidence

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/internal/evidencetest"
)

// pcrBlob encodes as tpm2_quote --pcrs does: digests in the selection's order,
// perList to a list.
func pcrBlob(perList int, banks ...blobBank) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(banks)))
	var digests [][]byte
	for n := range blobSelections {
		entry := make([]byte, blobSelectionSize)
		if n < len(banks) {
			binary.LittleEndian.PutUint16(entry, banks[n].id)
			entry[2] = 3
			for index, value := range banks[n].values {
				if value != nil {
					entry[3+index/8] |= 1 << (index % 8)
					digests = append(digests, value)
				}
			}
		}
		b = append(b, entry...)
	}
	lists := (len(digests) + perList - 1) / perList
	b = binary.LittleEndian.AppendUint32(b, uint32(lists))
	for range lists {
		list := make([]byte, blobList)
		n := min(perList, len(digests))
		binary.LittleEndian.PutUint32(list, uint32(n))
		for i, digest := range digests[:n] {
			binary.LittleEndian.PutUint16(list[4+i*blobDigestSize:], uint16(len(digest)))
			copy(list[4+i*blobDigestSize+2:], digest)
		}
		b, digests = append(b, list...), digests[n:]
	}
	return b
}

type blobBank struct {
	id     uint16
	values [24][]byte
}

// twoBanks has PCR 0 and 7 of SHA-1, and PCR 0 to 9 of SHA-256.
func twoBanks() (banks []blobBank, want PCRs) {
	sha1, sha256 := blobBank{id: 0x0004}, blobBank{id: 0x000b}
	want = PCRs{"sha1": {}, "sha256": {}}
	for _, index := range []int{0, 7} {
		sha1.values[index] = bytes.Repeat([]byte{byte(index + 1)}, 20)
		want["sha1"][index] = sha1.values[index]
	}
	for index := range 10 {
		sha256.values[index] = bytes.Repeat([]byte{byte(index + 0xa0)}, 32)
		want["sha256"][index] = sha256.values[index]
	}
	return []blobBank{sha1, sha256}, want
}

func TestParsePCRs_Blob(t *testing.T) {
	banks, want := twoBanks()
	for perList := 1; perList <= 8; perList++ {
		got, err := ParsePCRs(pcrBlob(perList, banks...), "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d to a list:\n%s", perList, diff)
		}
	}
	good := pcrBlob(8, banks...)
	alter := func(at int, value byte) []byte {
		b := bytes.Clone(good)
		b[at] = value
		return b
	}
	for name, data := range map[string][]byte{
		"cut":                        good[:len(good)-1],
		"cut to a list less":         good[:len(good)-blobList],
		"more":                       append(bytes.Clone(good), 0),
		"a list more":                append(bytes.Clone(good), make([]byte, blobList)...),
		"header only":                good[:blobHeader],
		"no selections":              alter(0, 0),
		"17 selections":              alter(0, 17),
		"an unknown bank":            alter(4, 0x99),
		"the same bank twice":        alter(4, 0x0b),
		"a bitmap too large":         alter(6, 5),
		"a PCR more":                 alter(8, 0x01),
		"a PCR less":                 alter(7, 0x80),
		"PCR 24":                     alter(10, 0x01),
		"padding that is not zero":   alter(11, 0x01),
		"an unused selection":        alter(4+2*blobSelectionSize, 0x01),
		"a list more than there are": alter(blobHeader, 3),
		"nine digests in a list":     alter(blobHeader+4, 9),
		"a digest of 21 bytes":       alter(blobHeader+8, 21),
		"a digest of 65 bytes":       alter(blobHeader+8, 65),
		"bytes behind a digest":      alter(blobHeader+10+20, 1),
		"an unused digest":           alter(len(good)-1, 1),
		"raw values":                 bytes.Repeat([]byte{0xab}, 24*32),
		"nothing selected":           pcrBlob(8, blobBank{id: 0x000b}),
	} {
		refusedPCRs(t, name, data, "")
	}
}

// refusedPCRs holds ParsePCRs to an error with a code.
func refusedPCRs(t *testing.T, name string, data []byte, bank string) {
	t.Helper()
	if pcrs, err := ParsePCRs(data, bank); err == nil || CodeOf(err).IsZero() || pcrs != nil {
		t.Errorf("%s: %v, %v", name, pcrs, err)
	}
}

func TestParsePCRs_Text(t *testing.T) {
	banks, want := twoBanks()
	var lines strings.Builder
	for n, name := range []string{"sha1", "sha256"} {
		fmt.Fprintf(&lines, "  %s:\n", name)
		for index, value := range banks[n].values {
			if value != nil {
				fmt.Fprintf(&lines, "    %-2d: 0x%X\n", index, value)
			}
		}
	}
	text := lines.String()
	for name, data := range map[string]string{
		"tpm2_pcrread":        text,
		"tpm2_checkquote":     "pcrs:\n" + text + "sig: 0123\n",
		"tpm2_quote":          "quoted: ff\nsignature:\n  alg: ecdsa\n  sig: 30\npcrs:\n" + text + "calcDigest: 00\n",
		"lines ended by CRLF": strings.ReplaceAll(text, "\n", "\r\n"),
	} {
		got, err := ParsePCRs([]byte(data), "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	value := strings.Repeat("ab", 32)
	for name, data := range map[string]string{
		"nothing":               "",
		"blank":                 " \n\n",
		"no PCRs":               "sha256:\n",
		"no bank":               "0: 0x" + value,
		"an unknown bank":       "sha2:\n0: 0x" + value,
		"a bank twice":          "sha256:\n0: 0x" + value + "\nsha256:\n1: 0x" + value,
		"a PCR twice":           "sha256:\n0: 0x" + value + "\n0: 0x" + value,
		"PCR 24":                "sha256:\n24: 0x" + value,
		"PCR 00":                "sha256:\n00: 0x" + value,
		"a huge index":          "sha256:\n99999999999999999999: 0x" + value,
		"a short value":         "sha256:\n0: 0xab",
		"no hex":                "sha256:\n0: 0xzz" + value[2:],
		"0x twice":              "sha256:\n0: 0x0x" + value,
		"another line":          "sha256:\n0: 0x" + value + "\nfoo: bar",
		"a line without colon":  "sha256:\n0: 0x" + value + "\nfoo",
		"a bank with something": "sha256: x\n0: 0x" + value,
	} {
		refusedPCRs(t, name, []byte(data), "")
	}
}

func TestParsePCRs_JSON(t *testing.T) {
	_, want := twoBanks()
	all, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParsePCRs(all, "sha256")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	one, err := json.Marshal(want["sha256"])
	if err != nil {
		t.Fatal(err)
	}
	got, err = ParsePCRs(one, "sha256")
	if diff := cmp.Diff(PCRs{"sha256": want["sha256"]}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	value := strings.Repeat("ab", 32)
	for name, c := range map[string]struct{ data, bank string }{
		"no bank":               {`{"0":"` + value + `"}`, ""},
		"an unknown bank given": {`{"0":"` + value + `"}`, "md5"},
		"another bank given":    {`{"0":"` + value + `"}`, "sha384"},
		"not the bank given":    {string(all), "sha512"},
		"empty":                 {`{}`, "sha256"},
		"an empty bank":         {`{"sha256":{}}`, ""},
		"a PCR twice":           {`{"0":"` + value + `","0":"` + value + `"}`, "sha256"},
		"a bank twice":          {`{"sha256":{"0":"` + value + `"},"sha256":{"1":"` + value + `"}}`, ""},
		"an empty bank twice":   {`{"sha256":{},"sha256":{"1":"` + value + `"}}`, ""},
		"an empty bank beside":  {`{"sha1":{},"sha256":{"1":"` + value + `"}}`, ""},
		"a bank and an index":   {`{"sha256":{"0":"` + value + `"},"0":"` + value + `"}`, "sha256"},
		"deeper":                {`{"sha256":{"sha256":{"0":"` + value + `"}}}`, ""},
		"a list":                {`{"sha256":["` + value + `"]}`, ""},
		"a number":              {`{"0":1}`, "sha256"},
		"null":                  {`{"0":null}`, "sha256"},
		"two objects":           {`{"0":"` + value + `"}{}`, "sha256"},
		"cut":                   {`{"0":"` + value + `"`, "sha256"},
		"a bank in capitals":    {`{"SHA256":{"0":"` + value + `"}}`, ""},
		"far too much":          {`{` + strings.Repeat(" ", MaxTPMFile) + `}`, "sha256"},
	} {
		refusedPCRs(t, name, []byte(c.data), c.bank)
	}
}

// TestParsePCRs_Real reads what tpm2-tools wrote, in each form the same.
func TestParsePCRs_Real(t *testing.T) {
	item := evidencetest.Find(t, "swtpm-rsa-public")
	read := func(name string) PCRs {
		pcrs, err := ParsePCRs(item.Read(t, name), "")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return pcrs
	}
	all := read("pcrs.yaml")
	if len(all["sha1"]) != 24 || len(all["sha256"]) != 24 || len(all["sha384"]) != 24 {
		t.Errorf("pcrs.yaml: %v", all)
	}
	for bank, name := range map[string]string{"sha1": "sha1_0_1_2_3", "sha256": "sha256_0_1_2_4_7_8_14"} {
		blob, text := read("quote_"+name+".pcrs"), read("checkquote_"+name+".txt")
		if diff := cmp.Diff(blob, text); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		for index, value := range blob[bank] {
			if !bytes.Equal(value, all[bank][index]) {
				t.Errorf("%s: PCR %d is %s, tpm2_pcrread says %s", name, index, value, all[bank][index])
			}
		}
	}
}

func TestUnwrapTPM(t *testing.T) {
	sized := func(b []byte) []byte { return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...) }
	rsa, ecc, hash := []byte{0, 1, 0, 0x0b, 9}, []byte{0, 0x23, 0, 0x0b, 9}, []byte{0, 8, 0, 0x0b, 9}
	for name, c := range map[string]struct{ data, want []byte }{
		"TPMT RSA": {rsa, rsa}, "TPMT ECC": {ecc, ecc}, "TPM2B RSA": {sized(rsa), rsa}, "TPM2B ECC": {sized(ecc), ecc},
		"another type": {hash, nil}, "TPM2B of another type": {sized(hash), nil}, "nothing": {nil, nil}, "a byte": {[]byte{0}, nil},
		"TPM2B and more": {append(sized(rsa), 0), nil}, "TPM2B cut": {sized(rsa)[:6], nil}, "too much": {append([]byte{0, 1}, make([]byte, MaxTPMStructure)...), nil},
	} {
		if got, err := UnwrapTPMPublic(c.data); !bytes.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	attest := []byte("\xffTCG\x80\x18...")
	for name, c := range map[string]struct{ data, want []byte }{
		"TPMS_ATTEST": {attest, attest}, "TPM2B_ATTEST": {sized(attest), attest}, "nothing": {nil, nil}, "other": {[]byte("TCG"), nil},
	} {
		if got, err := UnwrapTPMAttest(c.data); !bytes.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for name, c := range map[string]struct {
		data []byte
		ok   bool
	}{
		"RSASSA": {[]byte{0, 0x14, 0, 0x0b, 0, 1, 9}, true}, "RSAPSS": {[]byte{0, 0x16, 0, 0x0b, 0, 1, 9}, true},
		"ECDSA": {[]byte{0, 0x18, 0, 0x0b, 0, 1, 9, 0, 1, 9}, true}, "ECDSA without S": {[]byte{0, 0x18, 0, 0x0b, 0, 1, 9}, false},
		"RSASSA and more": {[]byte{0, 0x14, 0, 0x0b, 0, 1, 9, 0}, false}, "RSASSA cut": {[]byte{0, 0x14, 0, 0x0b, 0, 2, 9}, false},
		"ECDSA of plain size": {slices.Concat([]byte{0, 0x18, 0, 0x0b, 0, 124}, make([]byte, 124), []byte{0, 124}, make([]byte, 124)), true},
		"plain of other size": {bytes.Repeat([]byte{0x5a}, 255), false}, "nothing": {nil, false},
	} {
		if got, err := UnwrapTPMSignature(c.data); (err == nil) != c.ok || c.ok && !bytes.Equal(got, c.data) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for _, size := range []int{256, 384, 512} {
		plain := bytes.Repeat([]byte{0x5a}, size)
		want := slices.Concat([]byte{0, 0x14, 0, 0x0b, byte(size >> 8), byte(size)}, plain)
		if got, err := UnwrapTPMSignature(plain); err != nil || !bytes.Equal(got, want) {
			t.Errorf("plain, %d bytes: %x, %v", size, got, err)
		}
	}
}

// FuzzParsePCRs holds what is read to the rules for values, and to its own
// encoding as JSON.
func FuzzParsePCRs(f *testing.F) {
	banks, want := twoBanks()
	f.Add(pcrBlob(8, banks...), "")
	f.Add([]byte("pcrs:\n  sha1:\n    0 : 0x"+strings.Repeat("00", 20)+"\n"), "sha1")
	f.Add([]byte(`{"0":"`+strings.Repeat("ab", 32)+`"}`), "sha256")
	if encoded, err := json.Marshal(want); err == nil {
		f.Add(encoded, "")
	}
	f.Fuzz(func(t *testing.T, data []byte, bank string) {
		pcrs, err := ParsePCRs(data, bank)
		if err != nil {
			return
		}
		for bank, values := range pcrs {
			for index, value := range values {
				if index < 0 || index > MaxPCR || len(value) != bankSize(bank) || len(value) == 0 {
					t.Fatalf("%s:%d is %x", bank, index, value)
				}
			}
		}
		encoded, err := json.Marshal(pcrs)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePCRs(encoded, bank)
		if diff := cmp.Diff(pcrs, again); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	})
}
