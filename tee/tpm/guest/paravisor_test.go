package guest_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/tpm"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

var _ tee.KeyAttester = (*guest.ParavisorAttester)(nil)

// keepAK makes an attestation key as a paravisor does, and returns it.
func keepAK(t testing.TB, machine *tpmtest.TPM) *rsa.PublicKey {
	t.Helper()
	made, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHEndorsement, Auth: tpm2.PasswordAuth(nil)}, InPublic: tpm2.New2B(guest.AttestationRSA()),
	}.Execute(machine.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	keep := tpm2.EvictControl{
		Auth:         tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)},
		ObjectHandle: tpm2.NamedHandle{Handle: made.ObjectHandle, Name: made.Name}, PersistentHandle: guest.ParavisorAK,
	}
	if _, err := keep.Execute(machine.Open(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := (tpm2.FlushContext{FlushHandle: made.ObjectHandle}).Execute(machine.Open(t)); err != nil {
		t.Fatal(err)
	}
	public, err := made.OutPublic.Contents()
	if err != nil {
		t.Fatal(err)
	}
	key, err := tpm2.Pub(*public)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PublicKey)
}

// paravisorReport is what the NV index 0x01400001 of a machine with this key holds
// (Microsoft Learn, "Confidential VM guest attestation design").
func paravisorReport(t testing.TB, key *rsa.PublicKey, kind uint32) []byte {
	t.Helper()
	vendor, err := simulator.NewVendor(simulator.VendorOptions{Seed: "paravisor", NotBefore: now})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := vendor.NewMachine(simulator.MachineOptions{Name: "machine"})
	if err != nil {
		t.Fatal(err)
	}
	runtime := fmt.Appendf(nil, `{"keys":[{"kid":"HCLAkPub","key_ops":["sign"],"kty":"RSA","e":"AQAB","n":"%s"}],"vm-configuration":{"console-enabled":true,"secure-boot":true,"tpm-enabled":true,"vmUniqueId":"51544E59-0000-4000-8000-000000000001"}}`,
		base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
	sum := sha256.Sum256(runtime)
	item, err := machine.Item([64]byte(append(sum[:], make([]byte, 32)...)))
	if err != nil {
		t.Fatal(err)
	}
	u32 := binary.LittleEndian.AppendUint32
	raw := u32(u32(u32([]byte("HCLA"), 2), uint32(32+1184+20+len(runtime))), 2)
	raw = append(raw, make([]byte, 16)...)
	raw = append(raw, item.Report...)
	raw = u32(u32(u32(u32(u32(raw, uint32(20+len(runtime))), 1), kind), 1), uint32(len(runtime)))
	return append(raw, runtime...)
}

// A confidential VM of Azure sends the report that its paravisor left in the virtual
// TPM, and a quote by the key that this report covers.
func TestParavisor(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	key := keepAK(t, machine)
	raw := paravisorReport(t, key, 2)
	defineNV(t, machine, 0x01400001, append(raw, make([]byte, 64)...), false)
	opened := open(t, machine, guest.Options{AKHandle: guest.ParavisorAK})
	a, err := attester(t, opened, guest.Quoting{}).Paravisor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	binding := evidence.Binding(bytes.Repeat([]byte{0x5a}, 64))
	bundle, err := a.Attest(t.Context(), binding)
	if err != nil {
		t.Fatal(err)
	}
	if kinds := bundle.Kinds(); len(kinds) != 2 || kinds[0] != evidence.KindSEVSNP || kinds[1] != evidence.KindTPM {
		t.Fatalf("kinds %v", kinds)
	}
	snp := bundle[0].(*evidence.SNP)
	if sum := sha256.Sum256(snp.RuntimeData); !bytes.Equal(snp.Report[0x50:0x70], sum[:]) || !bytes.Equal(snp.Report, raw[32:32+1184]) {
		t.Error("the report does not cover the runtime data")
	}
	vouched := tee.VouchedKey{SHA256: spkiSHA256(t, key), Public: key, By: evidence.KindSEVSNP, Anchor: &evidence.TrustAnchor{Origin: evidence.OriginSimulated}}
	v, err := tpm.New(tpm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := v.Verify(bundle[1], nil, tee.Params{Now: now, Vouched: &vouched})
	if !out.Genuine() || !bytes.Equal(out.ReportData, binding.ReportData(evidence.KindTPM)) || evidence.Digest(out.Claims.TPM.AKSHA256) != a.AttestationKey() {
		t.Errorf("refused: %+v", out.Checks.Failed())
	}
	clear(snp.Report)
	if bytes.Equal(a.Report().Report, snp.Report) {
		t.Error("the evidence shares memory with the attester")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Attest(ended, binding); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	nothingLoaded(t, machine)

	_, err = attester(t, open(t, machine, guest.Options{}), guest.Quoting{}).Paravisor(t.Context())
	wantError(t, err, evidence.CodeAttesterReport, "another attestation key", "0x81000003")
}

// What is no Azure confidential VM with SEV-SNP says so.
func TestNoParavisor(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	key := keepAK(t, machine)
	for _, c := range []struct {
		name    string
		content []byte
		code    evidence.Code
		word    string
	}{
		{"no report", nil, evidence.CodeAttesterAbsent, "no Azure confidential VM"},
		{"TDX", clearTDX(paravisorReport(t, key, 4)), evidence.CodeAttesterAbsent, "metadata service"},
		{"garbage", []byte("HCLA and so on"), evidence.CodeCompositeHCL, "header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.content != nil {
				defineNV(t, machine, 0x01400001, c.content, true)
				defer undefineOwnNV(t, machine, 0x01400001)
			}
			a, err := open(t, machine, guest.Options{AKHandle: guest.ParavisorAK}).Attester(guest.Quoting{Logs: fstest.MapFS{}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.Paravisor(t.Context())
			wantError(t, err, c.code, c.word)
		})
	}
	nothingLoaded(t, machine)
}

// clearTDX takes away what a TDREPORT is too short for.
func clearTDX(raw []byte) []byte {
	clear(raw[32+1024 : 32+1184])
	return raw
}
