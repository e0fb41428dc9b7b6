package paravisor_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/paravisor"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/hcl"
	snpverifier "github.com/quotary/quotary/tee/sevsnp"
	tdxverifier "github.com/quotary/quotary/tee/tdx"
	tpmverifier "github.com/quotary/quotary/tee/tpm"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var newWorld = sync.OnceValues(func() (*simulators.World, error) { return simulators.New("paravisor", now) })

// machines makes a VM on each technology.
func machines(t *testing.T, o paravisor.Options) (*simulators.World, map[evidence.Kind]*paravisor.Machine) {
	t.Helper()
	world, err := newWorld() // its RSA keys take a second
	if err != nil {
		t.Fatal(err)
	}
	guest, err := world.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "guest"})
	if err != nil {
		t.Fatal(err)
	}
	vtpm, err := world.TPM.NewMachine(tpm.MachineOptions{Name: "vtpm", Key: tpm.KeyRSA, EK: tpm.EKRSA2048, WithoutCertificate: true})
	if err != nil {
		t.Fatal(err)
	}
	made := map[evidence.Kind]*paravisor.Machine{}
	for kind, hardware := range map[evidence.Kind]tee.Attester{
		evidence.KindSEVSNP: guest, evidence.KindTDX: world.TDX.NewMachine(tdx.DefaultMachine()),
	} {
		if made[kind], err = paravisor.New(hardware, vtpm, o); err != nil {
			t.Fatal(err)
		}
	}
	return world, made
}

// TestReport holds the reports of paravisors to their reader.
func TestReport(t *testing.T) {
	for name, o := range map[string]paravisor.Options{
		"1": {}, "2": {Version: 2}, "capabilities": {Version: 2, Capabilities: true, WithoutSecureBoot: true, Console: true, VMID: "51544E59-0000-4000-8000-00000000ABCD"},
	} {
		t.Run(name, func(t *testing.T) {
			_, made := machines(t, o)
			for kind, m := range made {
				var data [64]byte
				data[63] = 0xa5
				m.SetUserData(data)
				raw, err := m.Report()
				if err != nil {
					t.Fatal(err)
				}
				report, err := hcl.Parse(raw)
				if err != nil {
					t.Fatal(err)
				}
				if report.Kind != kind || report.Version != max(o.Version, 1) || len(raw) != 2600 {
					t.Errorf("a report of %s in version %d with %d bytes", report.Kind, report.Version, len(raw))
				}
				examineHardware(t, report)
				runtime, err := hcl.ParseRuntimeData(report.RuntimeData)
				if err != nil {
					t.Fatal(err)
				}
				claims := runtime.Claims
				if runtime.AKSHA256 != m.TPM.AttestationKey() || claims.EKSHA256 == nil || !bytes.Equal(claims.UserData, data[:]) {
					t.Errorf("runtime data %+v", claims)
				}
				if *claims.SecureBoot == o.WithoutSecureBoot || *claims.Console != o.Console || o.VMID != "" && !strings.EqualFold(claims.VMID, o.VMID) {
					t.Errorf("configuration %+v", claims)
				}
			}
		})
	}
}

// examineHardware looks for the digest of the runtime data where the hardware's
// report has it, and recomputes the digests in a TDREPORT.
func examineHardware(t *testing.T, report *hcl.Report) {
	t.Helper()
	raw, at := report.HardwareReport, 0x50
	want := sha256.Sum256(report.RuntimeData)
	if report.Kind == evidence.KindTDX {
		at = 128
		module, domain := sha512.Sum384(raw[256:495]), sha512.Sum384(raw[512:])
		if len(raw) != 1024 || raw[0] != 0x81 || !bytes.Equal(raw[32:80], module[:]) || !bytes.Equal(raw[80:128], domain[:]) {
			t.Error("the TDREPORT contradicts itself")
		}
	}
	if !bytes.Equal(raw[at:at+64], append(want[:], make([]byte, 32)...)) {
		t.Errorf("%s: REPORT_DATA %x", report.Kind, raw[at:at+64])
	}
}

// TestAttest verifies both items of a VM in both forms.
func TestAttest(t *testing.T) {
	for name, form := range map[string]paravisor.Form{"runtime data": paravisor.RuntimeData, "public area": paravisor.PublicArea} {
		t.Run(name, func(t *testing.T) {
			world, made := machines(t, paravisor.Options{Form: form})
			for kind, m := range made {
				binding := evidence.NewBinding(evidence.PurposeToken, [32]byte{1}, []byte("key"), "example.org", m.Kinds())
				bundle, err := m.Attest(t.Context(), binding)
				if err != nil {
					t.Fatal(err)
				}
				again, err := m.Attest(t.Context(), evidence.Binding{})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(bundle[0], again[0]); kind == evidence.KindSEVSNP && diff != "" {
					t.Errorf("the hardware's report changes:\n%s", diff)
				}
				covered := m.TPM.Public
				if form == paravisor.RuntimeData {
					covered = runtimeOf(bundle[0])
				}
				sum := sha256.Sum256(covered)
				outcomes := verify(t, world, bundle, m)
				if got := outcomes[0].ReportData; !bytes.Equal(got, append(sum[:], make([]byte, 32)...)) {
					t.Errorf("REPORT_DATA of %s is %x", kind, got)
				}
				if got := outcomes[1].ReportData; !bytes.Equal(got, binding.ReportData(evidence.KindTPM)) {
					t.Errorf("the quote carries %x", got)
				}
			}
		})
	}
}

func runtimeOf(item evidence.Item) []byte {
	if report, ok := item.(*evidence.SNP); ok {
		return report.RuntimeData
	}
	return item.(*evidence.TDX).RuntimeData
}

// verify verifies hardware and quote, whose key the hardware vouches for.
func verify(t *testing.T, world *simulators.World, bundle evidence.Bundle, m *paravisor.Machine) []tee.Outcome {
	t.Helper()
	endorsements, err := world.Endorsements()
	if err != nil {
		t.Fatal(err)
	}
	snp, err := snpverifier.New(world.SEVSNP.Anchor())
	if err != nil {
		t.Fatal(err)
	}
	intel, err := tdxverifier.New(world.TDX.Anchor())
	if err != nil {
		t.Fatal(err)
	}
	tpms, err := tpmverifier.New(tpmverifier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	verifiers := map[evidence.Kind]tee.Verifier{evidence.KindSEVSNP: snp, evidence.KindTDX: intel, evidence.KindTPM: tpms}
	params := tee.Params{Now: now, Pooled: true}
	var outcomes []tee.Outcome
	for _, item := range bundle {
		out := verifiers[item.Kind()].Verify(item, endorsements, params)
		if !out.Genuine() {
			t.Errorf("%s is not genuine: %v", item.Kind(), out.Checks.Failed())
		}
		params.Vouched = &tee.VouchedKey{SHA256: m.TPM.AttestationKey(), By: item.Kind(), Anchor: out.Claims.TrustAnchor}
		outcomes = append(outcomes, out)
	}
	return outcomes
}

// TestHardwareOver makes a genuine report over runtime data that no paravisor writes.
func TestHardwareOver(t *testing.T) {
	_, made := machines(t, paravisor.Options{})
	for kind, m := range made {
		text, err := m.RuntimeData()
		if err != nil {
			t.Fatal(err)
		}
		changed := []byte(strings.Replace(string(text), `"HCLEkPub"`, `"HCLAkPub"`, 1))
		item, err := m.HardwareOver(changed)
		if err != nil {
			t.Fatal(err)
		}
		if item.Kind() != kind || !bytes.Equal(runtimeOf(item), changed) {
			t.Errorf("%s: other runtime data", kind)
		}
		if _, err := hcl.ParseRuntimeData(changed); err == nil {
			t.Error("two attestation keys are read")
		}
	}
}

func TestNewRefuses(t *testing.T) {
	world, made := machines(t, paravisor.Options{Form: paravisor.PublicArea})
	ecc, err := world.TPM.NewMachine(tpm.MachineOptions{Name: "ecc"})
	if err != nil {
		t.Fatal(err)
	}
	guest, err := world.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "guest"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := paravisor.New(guest, ecc, paravisor.Options{}); err == nil {
		t.Error("an ECC key in runtime data")
	}
	if _, err := paravisor.New(guest, ecc, paravisor.Options{Form: paravisor.PublicArea}); err != nil {
		t.Error(err)
	}
	if _, err := paravisor.New(ecc, ecc, paravisor.Options{}); err == nil {
		t.Error("a TPM as the machine with a TEE")
	}
	if _, err := made[evidence.KindTDX].Report(); err == nil {
		t.Error("a report of Azure's form elsewhere")
	}
}
