package evidence

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// bindingVector is a test vector; docs/binding.md shows the same ones.
type bindingVector struct {
	Name         string  `json:"name"`
	Purpose      Purpose `json:"purpose"`
	Nonce        Hex     `json:"nonce"`
	SPKI         Hex     `json:"spki"`
	Audience     string  `json:"audience"`
	Kinds        []Kind  `json:"kinds"`
	Encoded      Hex     `json:"encoded"`
	Binding      Hex     `json:"binding"`
	TPMExtraData Hex     `json:"tpm_extra_data"`
	// AK and Covering are given for a bundle of a report and a TPM's quote.
	AK       Hex `json:"ak"`
	Covering Hex `json:"covering"`
}

func bindingVectors(t *testing.T) []bindingVector {
	t.Helper()
	data, err := os.ReadFile("testdata/binding.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []bindingVector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func TestBindingVectors(t *testing.T) {
	for _, v := range bindingVectors(t) {
		got := NewBinding(v.Purpose, [NonceSize]byte(v.Nonce), v.SPKI, v.Audience, v.Kinds)
		if !bytes.Equal(got[:], v.Binding) {
			t.Errorf("%s: binding is %x, want %v", v.Name, got, v.Binding)
		}
		if sum := sha512.Sum512(v.Encoded); !bytes.Equal(sum[:], v.Binding) {
			t.Errorf("%s: the vector's own encoding gives %x", v.Name, sum)
		}
		for _, kind := range []Kind{KindSEVSNP, KindTDX} {
			if data := got.ReportData(kind); !bytes.Equal(data, v.Binding) {
				t.Errorf("%s: report data of %s is %x", v.Name, kind, data)
			}
		}
		if data := got.ReportData(KindTPM); !bytes.Equal(data, v.TPMExtraData) {
			t.Errorf("%s: extraData is %x, want %v", v.Name, data, v.TPMExtraData)
		}
		if v.AK == nil {
			continue
		}
		if covering := got.Covering(Digest(v.AK)); !bytes.Equal(covering[:], v.Covering) {
			t.Errorf("%s: covering the key it is %x, want %v", v.Name, covering, v.Covering)
		}
	}
}

// TestBindingPage holds docs/binding.md to the vectors.
func TestBindingPage(t *testing.T) {
	page, err := os.ReadFile("../docs/binding.md")
	if err != nil {
		t.Fatal(err)
	}
	vectors := bindingVectors(t)
	for _, v := range vectors {
		kinds := strings.Trim(fmt.Sprint(v.Kinds), "[]")
		var want strings.Builder
		rows := [][2]string{
			{"purpose", string(v.Purpose)}, {"nonce", v.Nonce.String()}, {"spki", v.SPKI.String()}, {"audience", v.Audience}, {"kinds", kinds},
			{"encoded", v.Encoded.String()}, {"binding", v.Binding.String()}, {"tpm_extra_data", v.TPMExtraData.String()},
		}
		if v.AK != nil {
			rows = append(rows, [2]string{"ak", v.AK.String()}, [2]string{"covering", v.Covering.String()})
		}
		for _, row := range rows {
			fmt.Fprintf(&want, "%-14s %s\n", row[0], row[1])
		}
		if !strings.Contains(string(page), "```\n"+want.String()+"```\n") {
			t.Errorf("docs/binding.md lacks this block for %q:\n%s", v.Name, want.String())
		}
	}
	if got := strings.Count(string(page), "\n### "); got != len(vectors) {
		t.Errorf("docs/binding.md shows %d vectors, there are %d", got, len(vectors))
	}
}

// bindingInput is what a binding is computed from.
type bindingInput struct {
	purpose  Purpose
	nonce    [NonceSize]byte
	spki     string
	audience string
	kinds    string // joined, so that inputs compare with ==
}

func (in bindingInput) binding() Binding {
	var kinds []Kind
	for _, k := range strings.Fields(in.kinds) {
		kinds = append(kinds, Kind(k))
	}
	return NewBinding(in.purpose, in.nonce, []byte(in.spki), in.audience, kinds)
}

// drawInput draws from a small alphabet, so that the parts of two inputs often
// differ by where they are cut only.
func drawInput(t *rapid.T, label string) bindingInput {
	text := rapid.StringMatching(`[ab]{0,4}`)
	in := bindingInput{
		purpose:  rapid.SampledFrom([]Purpose{PurposeCertificate, PurposeToken}).Draw(t, label+" purpose"),
		spki:     text.Draw(t, label+" spki"),
		audience: text.Draw(t, label+" audience"),
	}
	in.nonce[rapid.IntRange(0, 1).Draw(t, label+" where")] = rapid.Byte().Draw(t, label+" nonce")
	for _, kind := range Kinds() {
		if rapid.Bool().Draw(t, label+" "+string(kind)) {
			in.kinds += " " + string(kind)
		}
	}
	return in
}

// Different inputs have different bindings: no input can be shifted from one
// element into its neighbour.
func TestAttack_B11_BindingIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := drawInput(t, "x"), drawInput(t, "y")
		if same := x.binding() == y.binding(); same != (x == y) {
			t.Fatalf("%+v and %+v: same binding: %v", x, y, same)
		}
	})
}

// A binding is of its key alone.
func TestAttack_B10_BindingOfAnotherKey(t *testing.T) {
	v := bindingVectors(t)[0]
	nonce := [NonceSize]byte(v.Nonce)
	for i := range v.SPKI {
		other := slices.Clone(v.SPKI)
		other[i] ^= 1
		if got := NewBinding(v.Purpose, nonce, other, v.Audience, v.Kinds); bytes.Equal(got[:], v.Binding) {
			t.Fatalf("the binding does not change with byte %d of the key", i)
		}
	}
}

// A binding made for another audience, purpose or protocol is another binding,
// and what a TPM carries is not what a report carries.
func TestAttack_B12_BindingOfAnotherProtocol(t *testing.T) {
	v := bindingVectors(t)[0]
	nonce := [NonceSize]byte(v.Nonce)
	key := sha256.Sum256(v.SPKI)
	for name, other := range map[string][]byte{
		"audience":           bindingBytes(NewBinding(v.Purpose, nonce, v.SPKI, v.Audience+".", v.Kinds)),
		"purpose":            bindingBytes(NewBinding(PurposeToken, nonce, v.SPKI, v.Audience, v.Kinds)),
		"no domain":          sum512(nonce[:], key[:]),
		"nonce and key":      sum512(nonce[:], v.SPKI),
		"other version":      sum512(bytes.Replace(v.Encoded, []byte("quotary/v1"), []byte("quotary/v2"), 1)),
		"without the header": sum512(v.Encoded[1:]),
	} {
		if bytes.Equal(other, v.Binding) {
			t.Errorf("%s: the same binding", name)
		}
	}
	if b := Binding(v.Binding); bytes.Equal(b.ReportData(KindTPM), b.ReportData(KindTDX)[:sha256.Size]) {
		t.Error("a TPM carries a part of what a quote carries")
	}
}

// Every kind of a bundle is in its binding: dropping, adding or swapping one
// gives another.
func TestAttack_B23_BindingListsEveryItem(t *testing.T) {
	seen := map[Binding]string{}
	for _, kinds := range [][]Kind{
		{}, {KindSEVSNP}, {KindTDX}, {KindTPM}, {KindSEVSNP, KindTDX}, {KindSEVSNP, KindTPM}, {KindTDX, KindTPM},
		{KindTPM, KindTDX}, {KindTDX, KindTDX}, {KindSEVSNP, KindTDX, KindTPM}, {"tdx tpm"},
	} {
		b := NewBinding(PurposeCertificate, [NonceSize]byte{}, nil, "example.org", kinds)
		if other, taken := seen[b]; taken {
			t.Errorf("%q has the binding of %s", kinds, other)
		}
		seen[b] = fmt.Sprintf("%q", kinds)
	}
	full := sampleBundle()
	if got, want := full.Kinds(), Kinds(); !slices.Equal(got, want) {
		t.Errorf("kinds of a full bundle are %v", got)
	}
	reversed := Bundle{full[2], full[1], full[0]}
	if !slices.Equal(reversed.Kinds(), full.Kinds()) {
		t.Error("the order in which a bundle is sent changes its kinds")
	}
}

func bindingBytes(b Binding) []byte { return b[:] }

func sum512(parts ...[]byte) []byte {
	sum := sha512.Sum512(bytes.Join(parts, nil))
	return sum[:]
}
