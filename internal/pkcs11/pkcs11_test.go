package pkcs11

import (
	"bytes"
	"encoding/asn1"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
)

var sample = reference{token: "a token; of ours", name: "quotary issuing 00010203", id: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff}}

// References are PKCS #11 URIs (RFC 7512) as other programs read them.
func TestReference(t *testing.T) {
	der, err := sample.marshal()
	if err != nil {
		t.Fatal(err)
	}
	const uri = "pkcs11:token=a%20token%3B%20of%20ours;object=quotary%20issuing%2000010203;type=private;id=%00%01%02%03%04%05%06%07%08%09%0A%0B%0C%0D%0E%FF"
	if got := sample.uri(); got != uri {
		t.Errorf("got %s", got)
	}
	want := append([]byte{0x30, 0x81, byte(2 + len(description) + 3 + len(uri)), 0x1a, byte(len(description))}, description...)
	want = append(append(want, 0x0c, 0x81, byte(len(uri))), uri...)
	if !bytes.Equal(der, want) {
		t.Errorf("got %x, want %x", der, want)
	}
	r, err := parseReference(der)
	if err != nil || r.token != sample.token || r.name != sample.name || !bytes.Equal(r.id, sample.id) {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestReferencesThatAreRefused(t *testing.T) {
	of := func(uri string) []byte {
		der, err := asn1.Marshal(fileReference{asn1.RawValue{Tag: tagVisibleString, Bytes: []byte(description)}, uri})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	good := sample.uri()
	if _, err := parseReference(of(good)); err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{
		"empty":          nil,
		"trailing":       append(of(good), 0),
		"large":          of(good + strings.Repeat("a", maxReference)),
		"another part":   of(good + ";slot-id=1"),
		"no token":       of(strings.Replace(good, "token", "model", 1)),
		"a public key":   of(strings.Replace(good, "private", "public", 1)),
		"short id":       of(good[:len(good)-3]),
		"small digits":   of(strings.Replace(good, "%FF", "%ff", 1)),
		"otherwise":      of(strings.Replace(good, "quotary", "%71uotary", 1)),
		"bad escape":     of(strings.Replace(good, "%20", "%2", 1)),
		"id of no hex":   of(strings.Replace(good, "%FF", "%XY", 1)),
		"no description": {0x30, 0},
	} {
		if r, err := parseReference(der); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func FuzzReference(f *testing.F) {
	der, err := sample.marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := parseReference(der)
		if err != nil {
			return
		}
		if again, err := r.marshal(); err != nil || !bytes.Equal(again, der) {
			t.Errorf("%x becomes %x (%v)", der, again, err)
		}
	})
}

func TestOptions(t *testing.T) {
	good := Options{Module: "/usr/lib/module.so", TokenLabel: "quotary", PINFile: "/etc/quotary/pin"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for field, change := range map[string]func(*Options){
		"authority.keys.pkcs11.module":      func(o *Options) { o.Module = "module.so" },
		"authority.keys.pkcs11.token_label": func(o *Options) { o.TokenLabel = "" },
		"authority.keys.pkcs11.pin_file":    func(o *Options) { o.PINFile = "" },
	} {
		bad := good
		change(&bad)
		if err := bad.Check(); evidence.CodeOf(err) != evidence.CodeConfigMalformed || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestPINFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pin")
	for text, want := range map[string]string{"1234": "1234", "12 34 \r\n": "12 34 ", "\n": "", strings.Repeat("1", maxPIN+1): ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readPIN(path); got != want || (err == nil) != (want != "") {
			t.Errorf("%.8q: %.8q, %v", text, got, err)
		}
	}
}
