package guest_test

import (
	"bytes"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// platformTemplate is a template as a platform leaves it: another key than ours.
func platformTemplate() tpm2.TPMTPublic {
	template := guest.AttestationRSA()
	template.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: make([]byte, 256)})
	return template
}

// An attestation key may follow from a template in NV, beside which its certificate is.
func TestPlatformKey(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	certificate := certificateFor(t, primary(t, machine, platformTemplate()), 1)
	defineNV(t, machine, guest.GoogleAKTemplate, append(tpm2.Marshal(platformTemplate()), 0, 0), true)
	defineNV(t, machine, guest.GoogleAKCertificate, append(bytes.Clone(certificate), 0xff, 0xff), true)
	opened := open(t, machine, guest.Options{AKTemplate: guest.GoogleAKTemplate})
	if opened.AttestationKey() != spkiSHA256(t, primary(t, machine, platformTemplate())) {
		t.Error("another key than the template's")
	}
	got, err := opened.Certificate(t.Context(), guest.GoogleAKCertificate)
	if err != nil || !bytes.Equal(got, certificate) {
		t.Errorf("%x, %v", got, err)
	}
	genuine(t, given(t, opened), collect(t, attester(t, opened, guest.Quoting{}), []byte("data")).Item)
	nothingLoaded(t, machine)
}

func TestNoPlatformKey(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	_, err := guest.Open(t.Context(), machine.Address, guest.Options{AKTemplate: guest.GoogleAKTemplate})
	wantError(t, err, evidence.CodeAttesterFailed, "0x1c10003")
	storage := tpm2.Marshal(tpm2.ECCSRKTemplate)
	for name, c := range map[string]struct {
		content []byte
		word    string
	}{
		"garbage":       {[]byte("garbage, not a template"), "no template"},
		"more":          {append(tpm2.Marshal(platformTemplate()), 1), "more than a template"},
		"a storage key": {storage, "no attestation key"},
	} {
		t.Run(name, func(t *testing.T) {
			defineNV(t, machine, guest.GoogleAKTemplate, c.content, true)
			defer undefineOwnNV(t, machine, guest.GoogleAKTemplate)
			_, err := guest.Open(t.Context(), machine.Address, guest.Options{AKTemplate: guest.GoogleAKTemplate})
			wantError(t, err, evidence.CodeAttesterFailed, c.word)
		})
	}
	opened := open(t, machine, guest.Options{})
	_, err = opened.Certificate(t.Context(), guest.GoogleAKCertificate)
	wantError(t, err, evidence.CodeAttesterAbsent, "not of this platform")
	defineNV(t, machine, guest.GoogleAKCertificate, []byte("garbage"), true)
	_, err = opened.Certificate(t.Context(), guest.GoogleAKCertificate)
	wantError(t, err, evidence.CodeAttesterFailed, "no certificate")
	nothingLoaded(t, machine)
}
