package guest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// defineNV gives a machine an NV index with this content, which the owner reads, and
// everybody too if open.
func defineNV(t testing.TB, machine *tpmtest.TPM, index tpm2.TPMHandle, content []byte, open bool) {
	t.Helper()
	owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}
	public := tpm2.TPMSNVPublic{
		NVIndex: index, NameAlg: tpm2.TPMAlgSHA256, DataSize: uint16(len(content)),
		Attributes: tpm2.TPMANV{OwnerWrite: true, OwnerRead: true, AuthRead: open, NT: tpm2.TPMNTOrdinary, NoDA: true},
	}
	if _, err := (tpm2.NVDefineSpace{AuthHandle: owner, PublicInfo: tpm2.New2B(public)}).Execute(machine.Open(t)); err != nil {
		t.Fatal(err)
	}
	for offset := 0; offset < len(content); offset += 512 {
		read, err := tpm2.NVReadPublic{NVIndex: index}.Execute(machine.Open(t)) // its name changes with the first write
		if err != nil {
			t.Fatal(err)
		}
		write := tpm2.NVWrite{
			AuthHandle: owner, NVIndex: tpm2.NamedHandle{Handle: index, Name: read.NVName}, Offset: uint16(offset),
			Data: tpm2.TPM2BMaxNVBuffer{Buffer: content[offset:min(offset+512, len(content))]},
		}
		if _, err := write.Execute(machine.Open(t)); err != nil {
			t.Fatal(err)
		}
	}
}

// undefineNV takes an NV index away that the platform has defined, undefineOwnNV one of
// defineNV.
func undefineNV(t testing.TB, machine *tpmtest.TPM, index tpm2.TPMHandle) {
	t.Helper()
	undefineBy(t, machine, index, tpm2.TPMRHPlatform)
}

func undefineOwnNV(t testing.TB, machine *tpmtest.TPM, index tpm2.TPMHandle) {
	t.Helper()
	undefineBy(t, machine, index, tpm2.TPMRHOwner)
}

func undefineBy(t testing.TB, machine *tpmtest.TPM, index, hierarchy tpm2.TPMHandle) {
	t.Helper()
	read, err := tpm2.NVReadPublic{NVIndex: index}.Execute(machine.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	undefine := tpm2.NVUndefineSpace{
		AuthHandle: tpm2.AuthHandle{Handle: hierarchy, Auth: tpm2.PasswordAuth(nil)},
		NVIndex:    tpm2.NamedHandle{Handle: index, Name: read.NVName},
	}
	if _, err := undefine.Execute(machine.Open(t)); err != nil {
		t.Fatal(err)
	}
}

// certificateFor is a certificate for a key, of this size at least.
func certificateFor(t testing.TB, key any, size int) []byte {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "EK"}, ExtraExtensions: []pkix.Extension{
		{Id: []int{1, 3, 6, 1, 4, 1, 1}, Value: make([]byte, size)},
	}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// primary is the public key that the TPM makes of a template.
func primary(t testing.TB, machine *tpmtest.TPM, template tpm2.TPMTPublic) any {
	t.Helper()
	made, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHEndorsement, Auth: tpm2.PasswordAuth(nil)}, InPublic: tpm2.New2B(template),
	}.Execute(machine.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	defer tpm2.FlushContext{FlushHandle: made.ObjectHandle}.Execute(machine.Open(t))
	public, err := made.OutPublic.Contents()
	if err != nil {
		t.Fatal(err)
	}
	key, err := tpm2.Pub(*public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func endorsementKeys(t testing.TB, opened *guest.TPM) []guest.EndorsementKey {
	t.Helper()
	keys, skipped, err := opened.EndorsementKeys(t.Context())
	if err != nil || len(skipped) > 0 {
		t.Fatal(err, skipped)
	}
	return keys
}

func names(keys []guest.EndorsementKey) (all []string) {
	for _, k := range keys {
		all = append(all, k.Template)
	}
	return all
}

// The TPM's endorsement keys are those of its certificates, whichever range of
// templates they are of.
func TestEndorsementKeys(t *testing.T) {
	machine := tpmtest.Start(t)
	opened := open(t, machine, guest.Options{})
	if got := names(endorsementKeys(t, opened)); !slices.Equal(got, []string{"ecc-p384", "rsa-2048"}) {
		t.Errorf("keys %v", got)
	}
	low := certificateFor(t, primary(t, machine, tpm2.ECCEKTemplate), 1400) // longer than the TPM hands out at once
	chain := [][]byte{certificateFor(t, primary(t, machine, tpm2.ECCEKTemplate), 10), certificateFor(t, primary(t, machine, tpm2.ECCEKTemplate), 300)}
	all := slices.Concat(chain...)
	defineNV(t, machine, 0x01c0000a, slices.Concat([]byte{0x10, 0x01, 0x00, byte(len(low) >> 8), byte(len(low))}, low, bytes.Repeat([]byte{0xff}, 20)), false)
	defineNV(t, machine, 0x01c00100, all[:100], true)
	defineNV(t, machine, 0x01c00101, append(slices.Clone(all[100:]), 0, 0, 0), true)
	keys := endorsementKeys(t, opened)
	if got := names(keys); !slices.Equal(got, []string{"ecc-p256", "ecc-p384", "rsa-2048"}) {
		t.Fatalf("keys %v", got)
	}
	if !slices.EqualFunc(keys[0].Certificates, append([][]byte{low}, chain...), bytes.Equal) {
		t.Errorf("%d certificates", len(keys[0].Certificates))
	}
	if keys[0].SHA256 != spkiSHA256(t, primary(t, machine, tpm2.ECCEKTemplate)) {
		t.Error("another key")
	}
	request, err := opened.EnrolmentRequest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(request.EKPublic, keys[0].Public) {
		t.Error("the enrolment is not by the first key")
	}
	secret, err := opened.Activate(t.Context(), credential(t, request.EKPublic, request.AKPublic, []byte("secret")))
	if err != nil || string(secret) != "secret" {
		t.Errorf("%q, %v", secret, err)
	}
	nothingLoaded(t, machine)
}

// Each template makes a key whose policy opens credentials.
func TestTemplates(t *testing.T) {
	machine := tpmtest.Start(t)
	for _, name := range []string{"ecc-p256", "ecc-p256-high", "ecc-p384", "rsa-2048", "rsa-2048-high", "rsa-3072"} {
		t.Run(name, func(t *testing.T) {
			key := primary(t, machine, guest.Template(name))
			opened := open(t, machine, guest.Options{EKCertificates: [][]byte{certificateFor(t, key, 1)}})
			if got := names(endorsementKeys(t, opened)); !slices.Equal(got, []string{name}) {
				t.Fatalf("keys %v", got)
			}
			request, err := opened.EnrolmentRequest(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			secret, err := opened.Activate(t.Context(), credential(t, request.EKPublic, request.AKPublic, []byte("secret")))
			if err != nil || string(secret) != "secret" {
				t.Errorf("%q, %v", secret, err)
			}
			nothingLoaded(t, machine)
		})
	}
}

// Without any certificate the TPM is told by a key that every TPM has.
func TestNoCertificate(t *testing.T) {
	machine := tpmtest.Start(t)
	undefineNV(t, machine, 0x01c00002)
	undefineNV(t, machine, 0x01c00016)
	opened := open(t, machine, guest.Options{})
	keys := endorsementKeys(t, opened)
	if got := names(keys); !slices.Equal(got, []string{"ecc-p256"}) || keys[0].Certificates != nil {
		t.Errorf("keys %v", got)
	}
	request, err := opened.EnrolmentRequest(t.Context())
	if err != nil || request.EKCertificates != nil || request.Check() != nil {
		t.Errorf("%+v, %v", request, err)
	}
	defineNV(t, machine, 0x01c0000a, make([]byte, 100), true) // reserved, never filled
	if got := endorsementKeys(t, opened); got[0].Certificates != nil {
		t.Error("a certificate of zeros")
	}
	nothingLoaded(t, machine)
}

// A certificate of another key is no certificate of this TPM.
func TestForeignCertificates(t *testing.T) {
	ca := tpmtest.NewCA(t)
	machine, other := ca.Start(t), ca.Start(t)
	foreign := certificateFor(t, primary(t, other, tpm2.ECCEKTemplate), 1)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		certificate []byte
		word        string
	}{
		"another TPM's": {foreign, "another TPM's"},
		"no template":   {certificateFor(t, &p521.PublicKey, 1), "no template"},
		"garbage":       {[]byte("garbage"), "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			opened := open(t, machine, guest.Options{EKCertificates: [][]byte{c.certificate}})
			_, err := opened.EnrolmentRequest(t.Context())
			wantError(t, err, evidence.CodeAttesterEndorsementKey, c.word)
			_, _, err = opened.EndorsementKeys(t.Context())
			wantError(t, err, evidence.CodeAttesterEndorsementKey, c.word)
		})
	}
	defineNV(t, machine, 0x01c0000a, foreign, true)
	keys, skipped, err := open(t, machine, guest.Options{}).EndorsementKeys(t.Context())
	if err != nil || len(keys) != 2 || len(skipped) != 1 || !strings.Contains(skipped[0].Error(), "ecc-p256") {
		t.Errorf("keys %v, skipped %v, %v", names(keys), skipped, err)
	}
	nothingLoaded(t, machine)
}

// Where the endorsement hierarchy has an authorization value, it is asked for.
func TestEndorsementAuth(t *testing.T) {
	machine := tpmtest.Start(t)
	change := tpm2.HierarchyChangeAuth{
		AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHEndorsement, Auth: tpm2.PasswordAuth(nil)}, NewAuth: tpm2.TPM2BAuth{Buffer: []byte("value")},
	}
	if _, err := change.Execute(machine.Open(t)); err != nil {
		t.Fatal(err)
	}
	_, err := guest.Open(t.Context(), machine.Address, guest.Options{})
	wantError(t, err, evidence.CodeAttesterDenied, "authorization value", "owner hierarchy")
	owner := open(t, machine, guest.Options{OwnerHierarchy: true})
	genuine(t, given(t, owner), collect(t, attester(t, owner, guest.Quoting{}), []byte("data")).Item)
	opened := open(t, machine, guest.Options{EndorsementAuth: []byte("value")})
	request, err := opened.EnrolmentRequest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	secret, err := opened.Activate(t.Context(), credential(t, request.EKPublic, request.AKPublic, []byte("secret")))
	if err != nil || string(secret) != "secret" {
		t.Errorf("%q, %v", secret, err)
	}
	nothingLoaded(t, machine)
}

// An attestation key may be a persistent one; but only one that is restricted.
func TestPersistentAttestationKey(t *testing.T) {
	machine := tpmtest.Start(t)
	_, err := guest.Open(t.Context(), machine.Address, guest.Options{AKHandle: 0x81010001})
	wantError(t, err, evidence.CodeAttesterFailed, "no attestation key")
	_, err = guest.Open(t.Context(), machine.Address, guest.Options{AKHandle: 0x81000003})
	wantError(t, err, evidence.CodeAttesterFailed, "cannot read the key 0x81000003")
}
