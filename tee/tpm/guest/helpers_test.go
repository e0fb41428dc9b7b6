package guest_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// open opens a TPM of a test.
func open(t testing.TB, machine *tpmtest.TPM, o guest.Options) *guest.TPM {
	t.Helper()
	opened, err := guest.Open(context.Background(), machine.Address, o)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// nothingLoaded fails the test if transient objects or sessions remain in the TPM.
func nothingLoaded(t testing.TB, machine *tpmtest.TPM) {
	t.Helper()
	for name, first := range map[string]uint32{"transient objects": 0x80000000, "HMAC sessions": 0x02000000, "policy sessions": 0x03000000} {
		got, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: first, PropertyCount: 16}.Execute(machine.Open(t))
		if err != nil {
			t.Fatal(err)
		}
		handles, err := got.CapabilityData.Data.Handles()
		if err != nil {
			t.Fatal(err)
		}
		if len(handles.Handle) > 0 {
			t.Errorf("%s remain: %x", name, handles.Handle)
		}
	}
}

// wantError holds an error to a code and to words of its text.
func wantError(t testing.TB, err error, code evidence.Code, words ...string) {
	t.Helper()
	if got := evidence.CodeOf(err); got != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

// spkiSHA256 is what tells keys apart.
func spkiSHA256(t testing.TB, key any) evidence.Digest {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(spki)
}
