package tee_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strconv"
	"strings"
	"testing"

	"github.com/quotary/quotary/tee"
)

var oidVendor = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1, 4}

func certificate(raw string) *x509.Certificate {
	return &x509.Certificate{
		Raw: []byte(raw), RawSubject: []byte("subject"),
		Extensions: []pkix.Extension{{Id: oidVendor, Value: []byte("chip")}},
	}
}

func crl(raw string) *x509.RevocationList {
	return &x509.RevocationList{Raw: []byte(raw), RawIssuer: []byte("issuer")}
}

func document(raw string) tee.Document {
	return tee.Document{Type: tee.DocumentTCBInfo, Key: "key", Raw: []byte(raw)}
}

func heap(names ...string) *tee.Endorsements {
	e := &tee.Endorsements{}
	for _, name := range names {
		e.AddCertificate(certificate(name))
		e.AddCRL(crl(name))
		e.AddDocument(document(name))
	}
	return e
}

// A view finds the entries of all its parts, the upper ones first, each once.
func TestOver(t *testing.T) {
	for name, c := range map[string]struct {
		view *tee.Endorsements
		want string
	}{
		"two":           {heap("a", "b").Over(heap("b", "c")), "abc"},
		"three":         {heap("a").Over(heap("b")).Over(heap("c", "a")), "abc"},
		"right":         {heap("a").Over(heap("b").Over(heap("c", "a"))), "abc"},
		"nothing above": {(&tee.Endorsements{}).Over(heap("a")), "a"},
		"nil above":     {(*tee.Endorsements)(nil).Over(heap("a")), "a"},
		"nil below":     {heap("a").Over(nil), "a"},
		"nil on nil":    {(*tee.Endorsements)(nil).Over(nil), ""},
	} {
		t.Run(name, func(t *testing.T) {
			lookups := map[string][]byte{}
			for _, cert := range c.view.BySubject([]byte("subject")) {
				lookups["BySubject"] = append(lookups["BySubject"], cert.Raw...)
			}
			for _, cert := range c.view.ByExtension(oidVendor, []byte("chip")) {
				lookups["ByExtension"] = append(lookups["ByExtension"], cert.Raw...)
			}
			for _, cert := range c.view.Certificates() {
				lookups["Certificates"] = append(lookups["Certificates"], cert.Raw...)
			}
			for _, list := range c.view.CRLs([]byte("issuer")) {
				lookups["CRLs"] = append(lookups["CRLs"], list.Raw...)
			}
			for _, list := range c.view.RevocationLists() {
				lookups["RevocationLists"] = append(lookups["RevocationLists"], list.Raw...)
			}
			for _, d := range c.view.Documents(tee.DocumentTCBInfo, "key") {
				lookups["Documents"] = append(lookups["Documents"], d.Raw...)
			}
			for _, d := range c.view.AllDocuments() {
				lookups["AllDocuments"] = append(lookups["AllDocuments"], d.Raw...)
			}
			for _, lookup := range []string{"BySubject", "ByExtension", "Certificates", "CRLs", "RevocationLists", "Documents", "AllDocuments"} {
				if !bytes.Equal(lookups[lookup], []byte(c.want)) {
					t.Errorf("%s finds %q, want %q", lookup, lookups[lookup], c.want)
				}
			}
		})
	}
}

// A view leaves its parts as they are, also where their slices have room to grow.
func TestOverSharesNothing(t *testing.T) {
	upper, lower := heap("a", "b", "c"), heap("d")
	if got := len(upper.Over(lower).CRLs([]byte("issuer"))); got != 4 {
		t.Fatalf("%d lists in the view", got)
	}
	upper.Over(heap("e")).CRLs([]byte("issuer"))
	if up, low := upper.Len(), lower.Len(); up != 9 || low != 3 {
		t.Errorf("the parts have %d and %d entries", up, low)
	}
	if got := upper.Over(lower).CRLs([]byte("issuer"))[3].Raw; string(got) != "d" {
		t.Errorf("one view changed another: %q", got)
	}
}

// EachByExtension goes through the same certificates as ByExtension, and stops when told.
func TestEachByExtension(t *testing.T) {
	view := heap("a", "b").Over(heap("b", "c").Over(heap("d")))
	var all []byte
	for cert := range view.EachByExtension(oidVendor, []byte("chip")) {
		all = append(all, cert.Raw...)
	}
	if string(all) != "abbcd" {
		t.Errorf("%s", all)
	}
	for cert := range view.EachByExtension(oidVendor, []byte("chip")) {
		if string(cert.Raw) != "a" {
			t.Errorf("%s behind the end", cert.Raw)
		}
		break
	}
	for range (*tee.Endorsements)(nil).EachByExtension(oidVendor, []byte("chip")) {
		t.Error("nothing holds something")
	}
}

// A view of very many entries of one key has each of them once.
func TestAttack_D06_ManyOfOneKey(t *testing.T) {
	upper, lower := &tee.Endorsements{}, &tee.Endorsements{}
	for n := range 4096 {
		name := "upper" + strconv.Itoa(n)
		upper.AddCertificate(certificate(name))
		lower.AddCertificate(certificate(strings.Replace(name, "upper", "lower", n%2)))
	}
	if n := len(upper.Over(lower).ByExtension(oidVendor, []byte("chip"))); n != 4096+2048 {
		t.Errorf("%d certificates", n)
	}
}
