package guest_test

import (
	"bytes"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/tee/tpm"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// attester returns an attester that quotes as q says, without logs unless q has some.
func attester(t testing.TB, opened *guest.TPM, q guest.Quoting) *guest.Attester {
	t.Helper()
	if q.Logs == nil {
		q.Logs = fstest.MapFS{}
	}
	a, err := opened.Attester(q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// given returns a verifier that trusts the TPM's attestation key.
func given(t testing.TB, opened *guest.TPM) *tpm.Verifier {
	t.Helper()
	key, err := tpm.ParseTrustedKey(opened.AKPublic())
	if err != nil {
		t.Fatal(err)
	}
	v, err := tpm.New(tpm.Options{Keys: []tpm.TrustedKey{key}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// genuine fails the test if the verifier refuses the item.
func genuine(t testing.TB, v *tpm.Verifier, item evidence.Item) tee.Outcome {
	t.Helper()
	out := v.Verify(item, nil, tee.Params{Now: now})
	if !out.Genuine() {
		t.Fatalf("refused: %+v", out.Checks.Failed())
	}
	return out
}

func collect(t testing.TB, a *guest.Attester, data []byte) *guest.Collected {
	t.Helper()
	c, err := a.Collect(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func extraData(t testing.TB, item evidence.Item) []byte {
	t.Helper()
	attest, err := tpm2.Unmarshal[tpm2.TPMSAttest](item.(*evidence.TPM).Attest)
	if err != nil {
		t.Fatal(err)
	}
	return attest.ExtraData.Buffer
}

// TestConform holds the attester to its contract.
func TestConform(t *testing.T) {
	opened := open(t, tpmtest.StartBlank(t), guest.Options{})
	key, err := opened.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	teetest.ConformAttester(t, teetest.AttesterConformance{
		Attester:   attester(t, opened, guest.Quoting{Key: key, AKCertificates: [][]byte{[]byte("certificate")}}),
		ReportData: extraData,
	})
}

var _ tee.KeyAttester = (*guest.Attester)(nil)

// TestQuotesAreGenuine goes the whole way: TPM, attester, wire, verifier.
func TestQuotesAreGenuine(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	machine.Extend(t, 7, [32]byte{7})
	data := bytes.Repeat([]byte{0xa5}, 32)
	for name, o := range map[string]guest.Options{
		"ECC": {}, "RSA": {RSA: true}, "owner hierarchy": {OwnerHierarchy: true},
	} {
		t.Run(name, func(t *testing.T) {
			opened := open(t, machine, o)
			for _, q := range []guest.Quoting{
				{}, {PCRs: []int{23, 7, 0, 7}}, {Bank: "sha384"}, {Bank: "sha384", PCRs: []int{16}},
			} {
				a := attester(t, opened, q)
				c := collect(t, a, data)
				encoded, err := must(t, c.Item).MarshalCBOR()
				if err != nil {
					t.Fatal(err)
				}
				bundle, err := evidence.Parse(encoded)
				if err != nil {
					t.Fatal(err)
				}
				out := genuine(t, given(t, opened), bundle[0])
				if !bytes.Equal(out.ReportData, data) || c.Omitted != nil {
					t.Errorf("data %x, omitted %v", out.ReportData, c.Omitted)
				}
				if wantPCRs := q.PCRs; wantPCRs != nil && len(out.Claims.TPM.PCRs) != len(slices.Compact(slices.Sorted(slices.Values(wantPCRs)))) {
					t.Errorf("PCRs %v", out.Claims.TPM.PCRs)
				}
				if a.AttestationKey() != out.Key {
					t.Errorf("the attester's key is %x, the verifier's %x", a.AttestationKey(), out.Key)
				}
			}
			nothingLoaded(t, machine)
		})
	}
}

func must(t testing.TB, item evidence.Item) evidence.Bundle {
	t.Helper()
	bundle, err := evidence.NewBundle(item)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// A rebooted TPM has the same attestation key, its counters say that it was rebooted,
// and what was opened before goes on working.
func TestReboot(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	opened := open(t, machine, guest.Options{})
	key, err := opened.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := attester(t, opened, guest.Quoting{Key: key})
	machine.Extend(t, 4, [32]byte{4})
	before := genuine(t, given(t, opened), collect(t, a, []byte("before")).Item)
	machine.Reboot(t)
	after := genuine(t, given(t, opened), collect(t, a, []byte("after")).Item)
	if resets := after.Claims.TPM.ResetCount - before.Claims.TPM.ResetCount; resets != 1 || before.Claims.TPM.ResetCount > 100 {
		t.Errorf("resets %d then %d", before.Claims.TPM.ResetCount, after.Claims.TPM.ResetCount)
	}
	if bytes.Equal(before.Claims.TPM.PCRs[4], after.Claims.TPM.PCRs[4]) {
		t.Error("PCR 4 survived")
	}
	if open(t, machine, guest.Options{}).AttestationKey() != opened.AttestationKey() {
		t.Error("another attestation key")
	}
	nothingLoaded(t, machine)
}

// What was asked for wrongly is refused before or by the TPM, in words.
func TestWrongQuotes(t *testing.T) {
	machine := tpmtest.Start(t)
	opened := open(t, machine, guest.Options{})
	for _, q := range []guest.Quoting{{Bank: "sha1"}, {Bank: "SHA256"}, {PCRs: []int{24}}, {PCRs: []int{-1, 3}}} {
		_, err := opened.Attester(q)
		wantError(t, err, evidence.CodeAttesterPCRs)
	}
	_, err := attester(t, opened, guest.Quoting{Bank: "sha512"}).Collect(t.Context(), []byte("data"))
	wantError(t, err, evidence.CodeAttesterPCRs, "sha512", "not active")
	_, err = attester(t, opened, guest.Quoting{}).Collect(t.Context(), make([]byte, 67))
	wantError(t, err, evidence.CodeAttesterFailed)
	nothingLoaded(t, machine)
}

// A TPM that was cleared makes another attestation key: nobody must take its quotes
// for those of the old one.
func TestCleared(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	opened := open(t, machine, guest.Options{OwnerHierarchy: true})
	key, err := opened.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	platform := tpm2.AuthHandle{Handle: tpm2.TPMRHPlatform, Auth: tpm2.PasswordAuth(nil)}
	if _, err := (tpm2.Clear{AuthHandle: platform}).Execute(machine.Open(t)); err != nil {
		t.Fatal(err)
	}
	_, err = attester(t, opened, guest.Quoting{}).Collect(t.Context(), []byte("data"))
	wantError(t, err, evidence.CodeAttesterFailed, "another attestation key", "cleared")
	_, err = key.Sign(nil, make([]byte, 32), sha256Options)
	wantError(t, err, evidence.CodeAttesterFailed, "make a new key")
	nothingLoaded(t, machine)
}

// After a hundred operations nothing is left in the TPM, which has room for three keys.
func TestNothingLeaks(t *testing.T) {
	machine := tpmtest.Start(t)
	opened := open(t, machine, guest.Options{})
	key, err := opened.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := attester(t, opened, guest.Quoting{Key: key})
	refused := attester(t, opened, guest.Quoting{Bank: "sha512"})
	for n := range 25 {
		collect(t, a, []byte{byte(n)})
		if _, err := key.Sign(nil, make([]byte, 32), sha256Options); err != nil {
			t.Fatal(err)
		}
		if _, err := refused.Collect(t.Context(), []byte("data")); err == nil {
			t.Fatal("a bank that is not active was quoted")
		}
		if _, err := opened.Activate(t.Context(), tee.Credential{Blob: []byte{0, 1, 1}, Secret: []byte{0, 1, 1}}); err == nil {
			t.Fatal("a credential of nothing was activated")
		}
	}
	nothingLoaded(t, machine)
}

// Beside a TEE the TPM's quote carries the binding, and the report covers its key too.
func TestCompose(t *testing.T) {
	vendor, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: "compose", NotBefore: now})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := vendor.NewMachine(sevsnp.MachineOptions{Name: "machine"})
	if err != nil {
		t.Fatal(err)
	}
	a := attester(t, open(t, tpmtest.StartBlank(t), guest.Options{}), guest.Quoting{})
	binding := evidence.Binding(bytes.Repeat([]byte{0x5a}, 64))
	bundle, err := tee.Compose(machine, a).Attest(t.Context(), binding)
	if err != nil {
		t.Fatal(err)
	}
	covering := binding.Covering(a.AttestationKey())
	if got := bundle[0].(*evidence.SNP).Report[0x50:0x90]; !bytes.Equal(got, covering[:]) {
		t.Errorf("the report carries %x", got)
	}
	if got := extraData(t, bundle[1]); !bytes.Equal(got, binding.ReportData(evidence.KindTPM)) {
		t.Errorf("the quote carries %x", got)
	}
}
