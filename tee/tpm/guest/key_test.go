package guest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

const sha256Options = crypto.SHA256

// A key in the TPM signs certificate requests, and the attestation key says that it is there.
func TestKey(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	opened := open(t, machine, guest.Options{})
	key, err := opened.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	request, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		t.Fatal(err)
	}
	if err := request.CheckSignature(); err != nil {
		t.Error(err)
	}
	item := collect(t, attester(t, opened, guest.Quoting{Key: key}), []byte("binding")).Item
	out := genuine(t, given(t, opened), item)
	if got := out.Claims.TPM.CertifiedKey; got == nil || [32]byte(got.SHA256) != spkiSHA256(t, key.Public()) {
		t.Errorf("certified is %+v", got)
	}
	nothingLoaded(t, machine)
}

// Two keys of one TPM are different ones.
func TestKeysDiffer(t *testing.T) {
	opened := open(t, tpmtest.StartBlank(t), guest.Options{})
	one, err := opened.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two, err := opened.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if one.Public().(*ecdsa.PublicKey).Equal(two.Public()) {
		t.Error("the same key twice")
	}
}

// The TPM's key signs digests of SHA-256 and nothing else.
func TestKeyRefuses(t *testing.T) {
	opened := open(t, tpmtest.StartBlank(t), guest.Options{})
	key, err := opened.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		digest []byte
		opts   crypto.SignerOpts
	}{{make([]byte, 31), crypto.SHA256}, {make([]byte, 48), crypto.SHA384}, {nil, crypto.SHA256}, {make([]byte, 32), crypto.Hash(0)}} {
		if _, err := key.Sign(rand.Reader, c.digest, c.opts); err == nil {
			t.Errorf("signed %d bytes of %s", len(c.digest), c.opts.HashFunc())
		}
	}
	digest := sha256.Sum256([]byte("message"))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], signature) {
		t.Error("the signature does not verify")
	}
}

// Where the owner hierarchy has an authorization value, keys are made under the
// persistent storage key.
func TestKeyUnderPersistentParent(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}
	made, err := tpm2.CreatePrimary{PrimaryHandle: owner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(machine.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	kept := tpm2.EvictControl{Auth: owner, ObjectHandle: tpm2.NamedHandle{Handle: made.ObjectHandle, Name: made.Name}, PersistentHandle: 0x81000001}
	if _, err := kept.Execute(machine.Open(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := (tpm2.FlushContext{FlushHandle: made.ObjectHandle}).Execute(machine.Open(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := (tpm2.HierarchyChangeAuth{AuthHandle: owner, NewAuth: tpm2.TPM2BAuth{Buffer: []byte("owner")}}).Execute(machine.Open(t)); err != nil {
		t.Fatal(err)
	}
	key, err := open(t, machine, guest.Options{}).NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Sign(nil, make([]byte, 32), crypto.SHA256); err != nil {
		t.Error(err)
	}
	if _, err := open(t, machine, guest.Options{OwnerAuth: []byte("owner")}).NewKey(t.Context()); err != nil {
		t.Error(err)
	}
	nothingLoaded(t, machine)
}
