package tpm

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// must returns the answer of a TPM.
func must[T any](t *testing.T) func(T, error) T {
	return func(answer T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

// nvCertificate reads an NV index as the agent of a machine does, in parts.
func nvCertificate(t *testing.T, c transport.TPM, index tpm2.TPMHandle) []byte {
	t.Helper()
	known := must[*tpm2.NVReadPublicResponse](t)(tpm2.NVReadPublic{NVIndex: index}.Execute(c))
	size := must[*tpm2.TPMSNVPublic](t)(known.NVPublic.Contents()).DataSize
	var blob []byte
	for offset := uint16(0); offset < size; {
		read := must[*tpm2.NVReadResponse](t)(tpm2.NVRead{
			AuthHandle: tpm2.AuthHandle{Handle: index, Name: known.NVName, Auth: tpm2.PasswordAuth(nil)},
			NVIndex:    tpm2.NamedHandle{Handle: index, Name: known.NVName},
			Size:       min(512, size-offset), Offset: offset,
		}.Execute(c))
		blob = append(blob, read.Data.Buffer...)
		offset += uint16(len(read.Data.Buffer))
	}
	return blob
}

// loaded is a key in a TPM.
type loaded struct {
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	area   []byte
}

// create makes a primary key in the endorsement hierarchy, and forgets it with the test.
func create(t *testing.T, c transport.TPM, template tpm2.TPMTPublic) loaded {
	t.Helper()
	made := must[*tpm2.CreatePrimaryResponse](t)(tpm2.CreatePrimary{
		PrimaryHandle: tpm2.TPMRHEndorsement, InPublic: tpm2.New2B(template),
	}.Execute(c))
	t.Cleanup(func() { tpm2.FlushContext{FlushHandle: made.ObjectHandle}.Execute(c) })
	return loaded{made.ObjectHandle, made.Name, made.OutPublic.Bytes()}
}

// createAK makes an attestation key; different numbers make different ones.
func createAK(t *testing.T, c transport.TPM, number byte) loaded {
	t.Helper()
	return create(t, c, tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{
			FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, Restricted: true, SignEncrypt: true,
		},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			Scheme: tpm2.TPMTECCScheme{
				Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
			},
			CurveID: tpm2.TPMECCNistP256,
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: bytes.Repeat([]byte{number}, 32)}}),
	})
}

// activateIn lets the TPM decrypt a credential.
func activateIn(c transport.TPM, ek, ak loaded, credential tee.Credential) ([]byte, error) {
	secret := func(c transport.TPM, handle tpm2.TPMISHPolicy, _ tpm2.TPM2BNonce) error {
		_, err := tpm2.PolicySecret{AuthHandle: tpm2.TPMRHEndorsement, PolicySession: handle}.Execute(c)
		return err
	}
	auth := tpm2.Policy(tpm2.TPMAlgSHA256, 16, secret) // PolicyA, which keys of the low range need
	if area, err := tpm2.Unmarshal[tpm2.TPMTPublic](ek.area); err == nil && area.ObjectAttributes.UserWithAuth {
		auth = tpm2.PasswordAuth(nil)
	}
	activated, err := tpm2.ActivateCredential{
		ActivateHandle: tpm2.AuthHandle{Handle: ak.handle, Name: ak.name, Auth: tpm2.PasswordAuth(nil)},
		KeyHandle:      tpm2.AuthHandle{Handle: ek.handle, Name: ek.name, Auth: auth},
		CredentialBlob: tpm2.TPM2BIDObject{Buffer: credential.Blob[2:]},
		Secret:         tpm2.TPM2BEncryptedSecret{Buffer: credential.Secret[2:]},
	}.Execute(c)
	if err != nil {
		return nil, err
	}
	return activated.CertInfo.Buffer, nil
}

// persistent reads an endorsement key that the TPM keeps.
func persistent(t *testing.T, c transport.TPM, handle tpm2.TPMHandle) loaded {
	t.Helper()
	read := must[*tpm2.ReadPublicResponse](t)(tpm2.ReadPublic{ObjectHandle: handle}.Execute(c))
	return loaded{handle, read.Name, read.OutPublic.Bytes()}
}

func manufacturer(machine *tpmtest.TPM) EnrollerOptions {
	var o EnrollerOptions
	for _, root := range machine.Roots {
		o.Roots = append(o.Roots, tee.Anchor{DER: root.Raw, Origin: evidence.OriginConfigured})
	}
	for _, cert := range machine.Intermediates {
		o.Intermediates = append(o.Intermediates, cert.Raw)
	}
	return o
}

// TestSoftwareTPM_Enrol enrols keys with a TPM that is not ours, by the
// certificates that its maker's tool made.
func TestSoftwareTPM_Enrol(t *testing.T) {
	machine := tpmtest.Start(t)
	c := machine.Open(t)
	n := newEnroller(t, manufacturer(machine))
	now := tee.Params{Now: time.Now().Add(time.Minute)}
	for _, key := range []struct {
		name        string
		certificate tpm2.TPMHandle
		handle      tpm2.TPMHandle
	}{{"RSA-2048", 0x01c00002, 0x81010001}, {"P-384", 0x01c00016, 0x81010016}} {
		t.Run(key.name, func(t *testing.T) {
			ek, ak, other := persistent(t, c, key.handle), createAK(t, c, 1), createAK(t, c, 2)
			request := evidence.Enrolment{EKCertificates: [][]byte{nvCertificate(t, c, key.certificate)}, AKPublic: ak.area}
			out := n.Judge(request, nil, now)
			if !out.Good() || !bytes.Equal(out.EKPublic, ek.area) || !bytes.Equal(out.Claims.AKName, ak.name.Buffer) {
				t.Fatalf("area %x:\n%v", out.EKPublic, out.Checks)
			}
			if out.Claims.Manufacturer != "id:00001014" || out.Claims.Model != "swtpm" || out.Claims.Version == "" || out.Claims.Simulated {
				t.Errorf("claims %+v", out.Claims)
			}
			request.EKPublic = ek.area
			if out = n.Judge(request, nil, now); !out.Good() {
				t.Errorf("with its area:\n%v", out.Checks)
			}
			secret := bytes.Repeat([]byte{0x5a}, 32)
			credential := must[tee.Credential](t)(n.Challenge(rand.Reader, out, secret))
			if got, err := activateIn(c, ek, ak, credential); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("activated %x, %v", got, err)
			}
			if _, err := activateIn(c, ek, other, credential); err == nil {
				t.Error("activated for another attestation key")
			}
			differently := persistent(t, c, key.handle^0x81010001^0x81010016)
			if _, err := activateIn(c, differently, ak, credential); err == nil {
				t.Error("activated by another endorsement key")
			}
		})
	}
}

// TestSoftwareTPM_Templates makes endorsement keys from every template: the TPM
// makes exactly the areas that are derived, and decrypts what is encrypted for them.
func TestSoftwareTPM_Templates(t *testing.T) {
	machine := tpmtest.Start(t)
	c := machine.Open(t)
	for _, template := range ekTemplates {
		t.Run(template.name, func(t *testing.T) {
			ek, ak := create(t, c, blank(t, template)), createAK(t, c, 1)
			key, err := parsePublic(ek.area)
			if err != nil {
				t.Fatal(err)
			}
			n := newEnroller(t, listing(t, key.key))
			out := n.Judge(evidence.Enrolment{EKPublic: ek.area, AKPublic: ak.area}, nil, tee.Params{Now: simulatedNow})
			if !out.Good() || !bytes.Equal(out.EKPublic, ek.area) {
				t.Fatalf("area %x, the TPM has %x:\n%v", out.EKPublic, ek.area, out.Checks)
			}
			secret := []byte("one secret of the attestation CA")
			credential := must[tee.Credential](t)(n.Challenge(rand.Reader, out, secret))
			if got, err := activateIn(c, ek, ak, credential); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("activated %x, %v", got, err)
			}
		})
	}
}

// blank returns a template as a TPM takes it, without a key.
func blank(t *testing.T, template ekTemplate) tpm2.TPMTPublic {
	t.Helper()
	for _, key := range ekKeys() {
		if template.fits(key.Public()) {
			public := must[*tpm2.TPMTPublic](t)(tpm2.Unmarshal[tpm2.TPMTPublic](template.area(key.Public())))
			if template.curve == nil {
				public.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{})
			} else {
				public.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{})
			}
			return *public
		}
	}
	t.Fatalf("no key for %s", template.name)
	return tpm2.TPMTPublic{}
}
