package tdx

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/tee"
)

func TestNamesSurviveParsing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := resource{typ: rapid.SampledFrom([]string{typeRootCRL, typePCKCRL, typeTCBInfo, typeQEIdentity}).Draw(t, "type")}
		switch want.typ {
		case typePCKCRL:
			want.ca = rapid.SampledFrom([]string{idPlatform, idProcessor}).Draw(t, "CA")
		case typeTCBInfo:
			want.fmspc = rapid.SliceOfN(rapid.Byte(), fmspcSize, fmspcSize).Draw(t, "FMSPC")
		}
		got, ok := parseName(want.name())
		if !ok || got.typ != want.typ || got.ca != want.ca || !bytes.Equal(got.fmspc, want.fmspc) {
			t.Fatalf("%v is read as %+v (%v)", want.name(), got, ok)
		}
	})
}

func TestNamesAreReadStrictly(t *testing.T) {
	for _, name := range []tee.EndorsementName{
		{}, {Type: "root-crl"}, {Type: "root-crl", ID: "Intel SGX Root CA"}, {Type: "root-crl", ID: "intel-sgx-root/"}, {Type: "Root-CRL", ID: "intel-sgx-root"},
		{Type: "pck-crl"}, {Type: "pck-crl", ID: "Platform"}, {Type: "pck-crl", ID: "root"}, {Type: "pck-crl", ID: "platform&encoding=pem"},
		{Type: "qe-identity"}, {Type: "qe-identity", ID: "QE"}, {Type: "qe-identity", ID: "td_qe"}, {Type: "qe-identity", ID: "TD_QE "},
		{Type: "tcb-info"}, {Type: "tcb-info", ID: "00806F050000"}, {Type: "tcb-info", ID: "00806f05000"}, {Type: "tcb-info", ID: "00806f0500000000"},
		{Type: "tcb-info", ID: "sgx/00806f050000"}, {Type: "tcb-info", ID: "00806f05000g"}, {Type: "tcb-info", ID: "../../../../"},
		{Type: "tcb-signing-chain", ID: "intel-sgx-tcb-signing"}, {Type: "pck-ca", ID: "platform"}, {Type: "crl", ID: "vcek/Milan"},
	} {
		if r, ok := parseName(name); ok {
			t.Errorf("%q is read as %+v", name, r)
		}
	}
}

// TestNamesInOrder: what others rest on comes first, each once.
func TestNamesInOrder(t *testing.T) {
	given := []tee.EndorsementName{
		qeIdentityName(), tcbInfoName(make([]byte, 6)), signerName(), pckCRLName(idPlatform), signerName(), rootCRLName(), qeIdentityName(),
	}
	want := []string{ofRootCRL, ofPCKCRL, ofSigner, "tcb-info 000000000000", ofIdentity}
	if got := names(inOrder(given)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if inOrder(nil) != nil {
		t.Error("nothing is something")
	}
}
