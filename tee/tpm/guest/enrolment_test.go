package guest_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// credential encrypts a secret for a TPM by go-tpm's MakeCredential, which is not ours.
func credential(t testing.TB, ekArea, akArea, secret []byte) tee.Credential {
	t.Helper()
	ek, err := tpm2.Unmarshal[tpm2.TPMTPublic](ekArea)
	if err != nil {
		t.Fatal(err)
	}
	ak, err := tpm2.Unmarshal[tpm2.TPMTPublic](akArea)
	if err != nil {
		t.Fatal(err)
	}
	name, err := tpm2.ObjectName(ak)
	if err != nil {
		t.Fatal(err)
	}
	key, err := tpm2.ImportEncapsulationKey(ek)
	if err != nil {
		t.Fatal(err)
	}
	blob, seed, err := tpm2.CreateCredential(rand.Reader, key, name.Buffer, secret)
	if err != nil {
		t.Fatal(err)
	}
	return tee.Credential{Blob: tpm2.Marshal(tpm2.TPM2BIDObject{Buffer: blob}), Secret: tpm2.Marshal(tpm2.TPM2BEncryptedSecret{Buffer: seed})}
}

// A TPM's enrolment names the endorsement key that its manufacturer certified, and
// only this TPM with this attestation key opens the credential.
func TestEnrol(t *testing.T) {
	ca := tpmtest.NewCA(t)
	machine, other := ca.Start(t), ca.Start(t)
	secret := []byte("a secret of thirty-two bytes....")
	for name, o := range map[string]guest.Options{
		"ECC": {}, "RSA": {RSA: true}, "owner hierarchy": {OwnerHierarchy: true},
	} {
		t.Run(name, func(t *testing.T) {
			opened := open(t, machine, o)
			request, err := opened.EnrolmentRequest(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := request.Check(); err != nil {
				t.Error(err)
			}
			cert, err := x509.ParseCertificate(request.EKCertificates[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := cert.CheckSignatureFrom(machine.Intermediates[0]); err != nil {
				t.Error(err)
			}
			c := credential(t, request.EKPublic, request.AKPublic, secret)
			got, err := opened.Activate(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, secret) {
				t.Errorf("secret %x", got)
			}
			_, err = open(t, other, o).Activate(t.Context(), c)
			wantError(t, err, evidence.CodeAttesterCredential, "another TPM")
			_, err = open(t, machine, guest.Options{RSA: !o.RSA}).Activate(t.Context(), c)
			wantError(t, err, evidence.CodeAttesterCredential, "another attestation key")
			nothingLoaded(t, machine)
			nothingLoaded(t, other)
		})
	}
}
