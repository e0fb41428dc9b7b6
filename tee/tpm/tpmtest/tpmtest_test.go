package tpmtest_test

import (
	"crypto/sha256"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// A TPM that is rebooted has forgotten its PCRs and kept its keys.
func TestReboot(t *testing.T) {
	tpm := tpmtest.Start(t)
	before, key := pcr(t, tpm, 11), endorsementKey(t, tpm)
	tpm.Extend(t, 11, sha256.Sum256([]byte("event")))
	if pcr(t, tpm, 11) == before {
		t.Error("PCR 11 is not extended")
	}
	tpm.Reboot(t)
	if pcr(t, tpm, 11) != before {
		t.Error("PCR 11 survived")
	}
	if endorsementKey(t, tpm) != key {
		t.Error("another endorsement key")
	}
	if tpm.Intermediates[0].CheckSignatureFrom(tpm.Roots[0]) != nil {
		t.Error("the intermediate is not under the root")
	}
}

func pcr(t *testing.T, tpm *tpmtest.TPM, index uint) string {
	t.Helper()
	read, err := tpm2.PCRRead{PCRSelectionIn: tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{
		{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(index)},
	}}}.Execute(tpm.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	return string(read.PCRValues.Digests[0].Buffer)
}

func endorsementKey(t *testing.T, tpm *tpmtest.TPM) string {
	t.Helper()
	read, err := tpm2.ReadPublic{ObjectHandle: tpm2.TPMHandle(0x81010016)}.Execute(tpm.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	return string(read.Name.Buffer)
}

// A blank TPM extends and forgets, too.
func TestBlank(t *testing.T) {
	tpm := tpmtest.StartBlank(t)
	before := pcr(t, tpm, 4)
	tpm.Extend(t, 4, sha256.Sum256([]byte("event")))
	if pcr(t, tpm, 4) == before {
		t.Error("PCR 4 is not extended")
	}
	tpm.Reboot(t)
	if pcr(t, tpm, 4) != before {
		t.Error("PCR 4 survived")
	}
}
