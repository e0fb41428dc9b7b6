package guest_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/tpm"
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

// TestEnrolWithService goes the whole way: the TPM's request, the service's judgement of it,
// and the secret that comes back; by certificate, and by the operator's list.
func TestEnrolWithService(t *testing.T) {
	machine := tpmtest.Start(t)
	anchors := []tee.Anchor{{DER: machine.Roots[0].Raw, Origin: evidence.OriginConfigured}}
	blank := tpmtest.StartBlank(t)
	keys, _, err := open(t, blank, guest.Options{}).EndorsementKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		machine *tpmtest.TPM
		options tpm.EnrollerOptions
	}{
		"certificate": {machine, tpm.EnrollerOptions{Roots: anchors, Intermediates: [][]byte{machine.Intermediates[0].Raw}}},
		"list":        {blank, tpm.EnrollerOptions{Keys: []tpm.ListedEK{{SHA256: keys[0].SHA256}}}},
	} {
		t.Run(name, func(t *testing.T) {
			opened := open(t, c.machine, guest.Options{})
			request, err := opened.EnrolmentRequest(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			enroller, err := tpm.NewEnroller(c.options)
			if err != nil {
				t.Fatal(err)
			}
			outcome := enroller.Judge(request, nil, tee.Params{Now: time.Now()})
			if !outcome.Good() {
				t.Fatalf("refused: %+v", outcome.Checks.Failed())
			}
			secret := []byte("a secret of thirty-two bytes....")
			challenge, err := enroller.Challenge(rand.Reader, outcome, secret)
			if err != nil {
				t.Fatal(err)
			}
			got, err := opened.Activate(t.Context(), challenge)
			if err != nil || !bytes.Equal(got, secret) {
				t.Errorf("%x, %v", got, err)
			}
			nothingLoaded(t, c.machine)
		})
	}
}

// What is no credential at all is refused before the TPM sees it.
func TestMalformedCredentials(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	opened := open(t, machine, guest.Options{})
	request, err := opened.EnrolmentRequest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	good := credential(t, request.EKPublic, request.AKPublic, []byte("secret"))
	foreign := credential(t, request.EKPublic, open(t, machine, guest.Options{RSA: true}).AKPublic(), []byte("secret"))
	for name, c := range map[string]tee.Credential{
		"empty": {}, "no seed": {Blob: good.Blob}, "no blob": {Secret: good.Secret},
		"cut": {Blob: good.Blob[:len(good.Blob)-1], Secret: good.Secret}, "longer": {Blob: append(bytes.Clone(good.Blob), 0), Secret: good.Secret},
		"for another key": foreign, "damaged": {Blob: flipped(good.Blob), Secret: good.Secret}, "damaged seed": {Blob: good.Blob, Secret: flipped(good.Secret)},
	} {
		if _, err := opened.Activate(t.Context(), c); evidence.CodeOf(err) != evidence.CodeAttesterCredential {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := opened.Activate(t.Context(), good); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	nothingLoaded(t, machine)
}

func flipped(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-1] ^= 1
	return b
}
