package policies_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/veraison/go-cose"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// signers are keys of every kind that may sign reference values.
var signers = sync.OnceValue(func() map[string]crypto.Signer {
	p256, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err2 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, edwards, err3 := ed25519.GenerateKey(rand.Reader)
	rsaKey, err4 := rsa.GenerateKey(rand.Reader, 2048)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			panic(err)
		}
	}
	return map[string]crypto.Signer{"p256": p256, "p384": p384, "ed25519": edwards, "rsa": rsaKey}
})

func keyOf(name string) policies.ReferenceKey {
	return policies.ReferenceKey{Name: name, Public: signers()[name].Public()}
}

func trusting(names ...string) policies.Options {
	var o policies.Options
	for _, name := range names {
		o.ReferenceKeys = append(o.ReferenceKeys, keyOf(name))
	}
	return o
}

var forms = []policies.SignatureForm{policies.DSSE, policies.COSESign1}

func sign(t testing.TB, text, signer, keyID string, form policies.SignatureForm) policies.File {
	t.Helper()
	signed, err := policies.SignReferences([]byte(text), signers()[signer], keyID, form)
	if err != nil {
		t.Fatal(err)
	}
	return policies.File{Name: "signed." + string(form), Data: signed}
}

// refused loads files and wants one problem of this code, that says this.
func refused(t *testing.T, o policies.Options, code evidence.Code, says string, files ...policies.File) {
	t.Helper()
	_, err := o.Load(files...)
	if evidence.CodeOf(err) != code || !strings.Contains(err.Error(), says) {
		t.Errorf("Load: %v; want %v, %q", err, code, says)
	}
}

var signedText = reference("release", "2027-01-01T00:00:00Z")

func TestSignedReferences(t *testing.T) {
	plain, err := policies.Load(filesOf(signedText)...)
	if err != nil {
		t.Fatal(err)
	}
	all := trusting("p256", "p384", "ed25519", "rsa")
	for name := range signers() {
		for _, form := range forms {
			for _, keyID := range []string{"", name} {
				set, err := all.Load(sign(t, signedText, name, keyID, form))
				if err != nil {
					t.Fatal(name, form, err)
				}
				if got := set.References(); len(got) != 1 || len(got[0].SignedBy) != 1 || got[0].SignedBy[0] != name {
					t.Errorf("%s, %s: %+v", name, form, got)
				}
				if set.Digest() != plain.Digest() {
					t.Errorf("%s, %s: a signature changes the digest", name, form)
				}
			}
		}
	}
}

func TestSignedText(t *testing.T) {
	for _, form := range forms {
		file := sign(t, signedText, "p384", "", form)
		text, by, err := trusting("p384").Text(file)
		if err != nil || string(text) != signedText || len(by) != 1 || by[0] != "p384" || !file.Signed() {
			t.Errorf("%s: %q, %q, %v", form, text, by, err)
		}
		if _, _, err := trusting("p256").Text(file); evidence.CodeOf(err) != evidence.CodePolicyReferenceSignature {
			t.Errorf("%s: %v", form, err)
		}
		if _, _, err := trusting("p256", "p256").Text(file); evidence.CodeOf(err) != evidence.CodePolicyReferenceKey {
			t.Errorf("%s: %v", form, err)
		}
	}
	plain := filesOf(signedText)[0]
	if text, by, err := trusting("p256").Text(plain); err != nil || string(text) != signedText || by != nil || plain.Signed() {
		t.Errorf("%q, %q, %v", text, by, err)
	}
}

func TestReferenceInfo(t *testing.T) {
	shaped := replace(signedText, "values:", "shape: {vcpus: 4, cpu: EPYC-v4, memory: 8 GiB, vmm: QEMU 10.1}\nvalues:")
	set := load(t, shaped)
	got := set.References()[0]
	if *got.Shape != (policies.Shape{VCPUs: 4, CPU: "EPYC-v4", Memory: "8 GiB", VMM: "QEMU 10.1"}) || got.Values["measurements"] == 0 || got.Provenance.Source == "" || got.Used || got.SignedBy != nil || got.File == "" || got.Technology != evidence.KindSEVSNP {
		t.Errorf("%+v", got)
	}
	got.Values["measurements"], got.Shape.VCPUs = 7, 9
	if again := set.References()[0]; again.Values["measurements"] == 7 || again.Shape.VCPUs == 9 {
		t.Error("the information shares memory with the set")
	}
	var none *policies.Set
	if none.References() != nil {
		t.Error("nothing has references")
	}
	for _, shape := range []string{"{}", "{vcpus: 0}", "{vcpus: 65537}", "{vcpu: 1}", "[]", "{vmm: 1}"} {
		loadErr(t, replace(shaped, "{vcpus: 4, cpu: EPYC-v4, memory: 8 GiB, vmm: QEMU 10.1}", shape))
	}
}

func TestAttack_Y10_UnsignedReferenceValues(t *testing.T) {
	refused(t, trusting("p256"), evidence.CodePolicyReferenceUnsigned, "must be signed", filesOf(signedText)...)
	// One signed document does not stand for another one.
	refused(t, trusting("p256"), evidence.CodePolicyReferenceUnsigned, "must be signed",
		sign(t, signedText, "p256", "", policies.DSSE), policies.File{Name: "b", Data: []byte(reference("b", "2027-01-01T00:00:00Z"))})
	if _, err := trusting("p256").Load(filesOf(snpWith())...); err != nil {
		t.Errorf("workloads need no signature: %v", err)
	}
	if found, _ := trusting("p256").Lint(time.Time{}, filesOf(signedText)...); len(found) == 0 {
		t.Error("lint passes what does not load")
	}
	if _, err := trusting("p256").Diff(nil, filesOf(signedText)); err == nil {
		t.Error("a difference is told of what does not load")
	}
}

func TestAttack_Y10_ReferenceValuesOfAnotherKey(t *testing.T) {
	for _, form := range forms {
		says := map[policies.SignatureForm]string{policies.DSSE: "no configured key", policies.COSESign1: "is not configured"}[form]
		refused(t, trusting("p256"), evidence.CodePolicyReferenceSignature, says, sign(t, signedText, "p384", "", form))
		// Another one's signature under the configured key's name.
		refused(t, trusting("p256"), evidence.CodePolicyReferenceSignature, "does not hold", sign(t, signedText, "p384", "p256", form))
		refused(t, trusting("p256"), evidence.CodePolicyReferenceSignature, "does not hold", sign(t, signedText, "rsa", keyOf("p256").ID(), form))
		refused(t, policies.Options{}, evidence.CodePolicyReferenceSignature, "no key is configured", sign(t, signedText, "p256", "", form))
	}
	unnamed := editDSSE(t, sign(t, signedText, "p384", "", policies.DSSE), func(e *envelope) { delete(e.Signatures[0], "keyid") })
	refused(t, trusting("p256", "ed25519", "rsa"), evidence.CodePolicyReferenceSignature, "no configured key", unnamed)
	if _, err := trusting("p256", "p384").Load(unnamed); err != nil {
		t.Errorf("a signature need not name its key: %v", err)
	}
}

func TestAttack_Y10_AlteredReferenceValues(t *testing.T) {
	o := trusting("p256", "ed25519")
	for _, form := range forms {
		file := sign(t, signedText, "ed25519", "", form)
		set, err := o.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range file.Data {
			for bit := range 8 {
				altered := policies.File{Name: file.Name, Data: bytes.Clone(file.Data)}
				altered.Data[i] ^= 1 << bit
				got, err := o.Load(altered)
				if form == policies.COSESign1 && err == nil {
					t.Fatalf("COSE: byte %d, bit %d: accepted", i, bit)
				}
				if err == nil && (got.Digest() != set.Digest() || len(got.References()[0].SignedBy) != 1) {
					t.Fatalf("DSSE: byte %d, bit %d: accepted as something else", i, bit)
				}
			}
		}
	}
}

func TestAttack_Y10_OlderReferenceValues(t *testing.T) {
	o := trusting("p256")
	older := sign(t, replace(signedText, "created_at: 2026-", "created_at: 2025-"), "p256", "", policies.DSSE)
	newer := sign(t, signedText, "p256", "", policies.COSESign1)
	changes, err := o.Diff([]policies.File{newer}, []policies.File{older})
	if err != nil || len(changes.RolledBack) != 1 || changes.RolledBack[0] != "release" {
		t.Errorf("%+v, %v", changes, err)
	}
	if changes, err = o.Diff([]policies.File{older}, []policies.File{newer}); err != nil || changes.RolledBack != nil {
		t.Errorf("%+v, %v", changes, err)
	}
}

func TestAttack_Y10_ExpiredSignedReferenceValues(t *testing.T) {
	workload := replace(snpWith(), "[\""+m11+"\"]", "{reference: release}")
	for end, verdict := range map[string]policies.Verdict{"2027-01-01T00:00:00Z": policies.Accepted, "2026-11-21T00:00:00Z": policies.Rejected} {
		text := reference("release", end)
		set, err := trusting("p384").Load(append(filesOf(workload), sign(t, text, "p384", "", policies.DSSE))...)
		if err != nil {
			t.Fatal(err)
		}
		if d := evaluate(set, goodSNP()); d.Verdict != verdict {
			t.Errorf("until %s: %s\n%s", end, d.Verdict, list(d.Checks))
		}
	}
}

// envelope is a DSSE envelope as tests bend it.
type envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     string              `json:"payload"`
	Signatures  []map[string]string `json:"signatures"`
	Extra       string              `json:"extra,omitempty"`
}

func editDSSE(t testing.TB, file policies.File, edit func(*envelope)) policies.File {
	t.Helper()
	var e envelope
	if err := json.Unmarshal(file.Data, &e); err != nil {
		t.Fatal(err)
	}
	edit(&e)
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return policies.File{Name: file.Name, Data: data}
}

// signPayload makes an envelope with a genuine signature over any payload.
func signPayload(t testing.TB, payloadType string, payload []byte) policies.File {
	t.Helper()
	pae := append([]byte("DSSEv1 "+strconv.Itoa(len(payloadType))+" "+payloadType+" "+strconv.Itoa(len(payload))+" "), payload...)
	signature, err := signers()["ed25519"].Sign(rand.Reader, pae, crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(envelope{PayloadType: payloadType, Payload: base64.StdEncoding.EncodeToString(payload),
		Signatures: []map[string]string{{"keyid": "ed25519", "sig": base64.StdEncoding.EncodeToString(signature)}}})
	if err != nil {
		t.Fatal(err)
	}
	return policies.File{Name: "signed.dsse.json", Data: data}
}

func TestRefusedEnvelopes(t *testing.T) {
	good := sign(t, signedText, "ed25519", "ed25519", policies.DSSE)
	edit := func(edit func(*envelope)) policies.File { return editDSSE(t, good, edit) }
	text := func(replaced, by string) policies.File {
		return policies.File{Name: "x", Data: []byte(replace(string(good.Data), replaced, by))}
	}
	if _, err := trusting("ed25519").Load(signPayload(t, policies.ReferencePayloadType, []byte(signedText))); err != nil {
		t.Fatalf("the encoding that is signed is not that of the specification: %v", err)
	}
	for says, file := range map[string]policies.File{
		"two signatures with key ID": edit(func(e *envelope) { e.Signatures = append(e.Signatures, e.Signatures[0]) }),
		"payload type is":            signPayload(t, "application/vnd.in-toto+json", []byte(signedText)),
		"no list of signatures":      edit(func(e *envelope) { e.Signatures = []map[string]string{} }),
		"a signature has other":      edit(func(e *envelope) { e.Signatures[0]["cert"] = "" }),
		"the envelope has other":     edit(func(e *envelope) { e.Extra = "x" }),
		"payload is not base64":      edit(func(e *envelope) { e.Payload += "!" }),
		"sig is not base64":          edit(func(e *envelope) { e.Signatures[0]["sig"] = "" }),
		"key ID is a text":           edit(func(e *envelope) { e.Signatures[0]["keyid"] = strings.Repeat("k", 257) }),
		"more than 16 members":       edit(func(e *envelope) { e.Signatures = slices.Repeat(e.Signatures, 17) }),
		"a signed file itself":       signPayload(t, policies.ReferencePayloadType, good.Data),
		"no strict JSON":             text("}\n", "}\n{}"),
		"there twice":                text(`"payloadType"`, `"payload": "", "payloadType"`),
		"not a document of kind":     signPayload(t, policies.ReferencePayloadType, []byte(signedText+"---\n"+snpWith())),
		"signed it twice": edit(func(e *envelope) {
			e.Signatures = append(e.Signatures, map[string]string{"keyid": keyOf("ed25519").ID(), "sig": e.Signatures[0]["sig"]})
		}),
		"has no member sig": edit(func(e *envelope) { delete(e.Signatures[0], "sig") }),
		"the signature of key \"rsa\"": edit(func(e *envelope) {
			e.Signatures = append(e.Signatures, map[string]string{"keyid": "rsa", "sig": "AAAA"})
		}),
	} {
		refused(t, trusting("ed25519", "rsa"), evidence.CodePolicyReferenceSignature, says, file)
	}
	// A further signature by a key that is not configured does not count, and does no harm.
	more := edit(func(e *envelope) {
		e.Signatures = append(e.Signatures, map[string]string{"keyid": "stranger", "sig": "AAAA"})
	})
	if set, err := trusting("ed25519").Load(more); err != nil || len(set.References()[0].SignedBy) != 1 {
		t.Error(err)
	}
}

func TestRefusedCOSE(t *testing.T) {
	p256 := signers()["p256"]
	by, err := cose.NewSigner(cose.AlgorithmES256, p256)
	if err != nil {
		t.Fatal(err)
	}
	make1 := func(edit func(h *cose.Headers)) []byte {
		h := cose.Headers{Protected: cose.ProtectedHeader{cose.HeaderLabelAlgorithm: cose.AlgorithmES256, cose.HeaderLabelContentType: policies.ReferencePayloadType}, Unprotected: cose.UnprotectedHeader{}}
		edit(&h)
		data, err := cose.Sign1(rand.Reader, by, h, []byte(signedText), nil)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	good := make1(func(h *cose.Headers) { h.Unprotected[cose.HeaderLabelKeyID] = []byte("p256") })
	for _, data := range [][]byte{good, make1(func(*cose.Headers) {})} {
		if _, err := trusting("p256").Load(policies.File{Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	armour := pem.EncodeToMemory(&pem.Block{Type: "COSE SIGN1", Bytes: good})
	for says, data := range map[string][]byte{
		"content type":             make1(func(h *cose.Headers) { h.Protected[cose.HeaderLabelContentType] = "application/cbor" }),
		"others than algorithm":    make1(func(h *cose.Headers) { h.Protected[int64(99)] = "x" }),
		"others than one key ID":   make1(func(h *cose.Headers) { h.Unprotected[int64(33)] = []byte("x") }),
		"no byte string":           make1(func(h *cose.Headers) { h.Protected[cose.HeaderLabelKeyID] = bytes.Repeat([]byte{1}, 257) }),
		"no strict CBOR":           append(bytes.Clone(good), 0),
		"nothing else":             append(bytes.Clone(armour), "x"...),
		"one PEM block COSE SIGN1": append([]byte("-----BEGIN COSE SIGN1-----\nAA\n"), armour...),
	} {
		refused(t, trusting("p256"), evidence.CodePolicyReferenceSignature, says, policies.File{Name: "x.cose", Data: data})
	}
	// A P-384 key signs with ES384 alone.
	odd, err := cose.NewSigner(cose.AlgorithmES256, signers()["p384"])
	if err == nil {
		data, err := cose.Sign1(rand.Reader, odd, cose.Headers{Protected: cose.ProtectedHeader{cose.HeaderLabelAlgorithm: cose.AlgorithmES256, cose.HeaderLabelContentType: policies.ReferencePayloadType}}, []byte(signedText), nil)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, trusting("p384"), evidence.CodePolicyReferenceSignature, "no configured key", policies.File{Data: data})
	}
}

// Problems in a signed text are told by the line of the text.
func TestProblemsInSignedText(t *testing.T) {
	file := signPayload(t, policies.ReferencePayloadType, []byte(replace(signedText, "technology: sev-snp", "technology: sgx")))
	_, err := trusting("ed25519").Load(file)
	if err == nil || !strings.HasPrefix(err.Error(), "signed.dsse.json:4:13: technology") {
		t.Error(err)
	}
}

func TestSignRefuses(t *testing.T) {
	key := signers()["p256"]
	weak, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signed := sign(t, signedText, "p256", "", policies.DSSE)
	for name, c := range map[string]struct {
		text   string
		signer crypto.Signer
		keyID  string
		form   policies.SignatureForm
		code   evidence.Code
	}{
		"a workload":      {snpWith(), key, "", policies.DSSE, evidence.CodePolicyReferenceSignature},
		"what is signed":  {string(signed.Data), key, "", policies.DSSE, evidence.CodePolicyReferenceSignature},
		"no document":     {"kind: x", key, "", policies.COSESign1, evidence.CodePolicyMissingKey},
		"another curve":   {signedText, weak, "", policies.DSSE, evidence.CodePolicyReferenceKey},
		"another form":    {signedText, key, "", "jws", evidence.CodePolicyReferenceKey},
		"a key ID of 300": {signedText, key, strings.Repeat("k", 300), policies.DSSE, evidence.CodePolicyReferenceKey},
	} {
		if _, err := policies.SignReferences([]byte(c.text), c.signer, c.keyID, c.form); evidence.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReferenceKeys(t *testing.T) {
	der, err := x509.MarshalPKIXPublicKey(signers()["p384"].Public())
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	key, err := policies.ParseReferenceKey("release", text)
	if err != nil || key.ID() != keyOf("p384").ID() || len(key.ID()) != 71 {
		t.Fatal(key, err)
	}
	for name, bad := range map[string]string{"": string(text), "release": string(text) + "x", "no key": "", "b": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der[1:]}))} {
		if _, err := policies.ParseReferenceKey(name, []byte(bad)); evidence.CodeOf(err) != evidence.CodePolicyReferenceKey {
			t.Errorf("%q: %v", name, err)
		}
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for says, keys := range map[string][]policies.ReferenceKey{
		"has this name":      {keyOf("p256"), {Name: "p256", Public: signers()["p384"].Public()}},
		"under another name": {keyOf("p256"), {Name: "other", Public: signers()["p256"].Public()}},
		"2048 to 8192 bits":  {{Name: "weak", Public: weak.Public()}},
		"is not accepted":    {{Name: "none"}},
		"at most 64":         make([]policies.ReferenceKey, 65),
	} {
		refused(t, policies.Options{ReferenceKeys: keys}, evidence.CodePolicyReferenceKey, says)
		if found, _ := (policies.Options{ReferenceKeys: keys}).Lint(time.Time{}); len(found) == 0 {
			t.Errorf("%s: lint takes the keys", says)
		}
	}
}

// A COSE message is read as text, so that it can travel as documents do.
func TestReadSignedFiles(t *testing.T) {
	dir := t.TempDir()
	cosed := sign(t, signedText, "rsa", "", policies.COSESign1)
	enveloped := sign(t, reference("second", "2027-01-01T00:00:00Z"), "rsa", "", policies.DSSE)
	for name, data := range map[string][]byte{"a.cose": cosed.Data, "b.dsse.json": enveloped.Data, "c.json": []byte("{}"), "d.yaml": []byte(snpWith())} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := policies.ReadFiles(dir)
	if err != nil || len(files) != 3 {
		t.Fatal(len(files), err)
	}
	if !strings.HasPrefix(string(files[0].Data), "-----BEGIN COSE SIGN1-----\n") {
		t.Errorf("%.40q", files[0].Data)
	}
	set, err := trusting("rsa").Load(files...)
	if err != nil || len(set.References()) != 2 {
		t.Error(err)
	}
}

// What a fuzzer finds never loads as signed by the key, unless it is the very text.
func FuzzSigned(f *testing.F) {
	for _, form := range forms {
		f.Add(sign(f, signedText, "ed25519", "", form).Data)
	}
	f.Add([]byte("-----BEGIN COSE SIGN1-----\n0oQ=\n-----END COSE SIGN1-----\n"))
	f.Add([]byte(`{"payloadType":"x","payload":"","signatures":[]}`))
	plain, err := policies.Load(filesOf(signedText)...)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := trusting("ed25519").Load(policies.File{Name: "f", Data: data})
		if err == nil && len(set.References()) > 0 && set.Digest() != plain.Digest() {
			t.Errorf("accepted as signed: %q", data)
		}
	})
}
