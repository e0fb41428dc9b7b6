package simulators_test

import (
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	snpverifier "github.com/quotary/quotary/tee/sevsnp"
	tdxverifier "github.com/quotary/quotary/tee/tdx"
	"github.com/quotary/quotary/tee/teetest"
	tpmverifier "github.com/quotary/quotary/tee/tpm"
)

// Simulated machines are attesters like real ones.
func TestMachinesConform(t *testing.T) {
	world, err := simulators.New("golden", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	guest, err := world.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "guest"})
	if err != nil {
		t.Fatal(err)
	}
	module, err := world.TPM.NewMachine(tpm.MachineOptions{Name: "machine", PCRs: []int{7}})
	if err != nil {
		t.Fatal(err)
	}
	boot := tdx.DefaultBoot()
	logged, err := world.TPM.NewMachine(tpm.MachineOptions{Name: "logged", Boot: &boot, IMA: true})
	if err != nil {
		t.Fatal(err)
	}
	key, err := logged.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	logged.UseKey(key)
	snp, err := snpverifier.New()
	if err != nil {
		t.Fatal(err)
	}
	intel, err := tdxverifier.New()
	if err != nil {
		t.Fatal(err)
	}
	tpms, err := tpmverifier.New(tpmverifier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		machine tee.Attester
		reader  tee.Verifier
	}{
		"sev-snp": {guest, snp}, "tdx": {world.TDX.NewMachine(tdx.DefaultMachine()), intel},
		"tpm": {module, tpms}, "tpm with logs": {logged, tpms},
	} {
		t.Run(name, func(t *testing.T) {
			teetest.ConformAttester(t, teetest.AttesterConformance{
				Attester: c.machine,
				ReportData: func(_ testing.TB, item evidence.Item) []byte {
					return c.reader.Verify(item, nil, tee.Params{Now: time.Now()}).ReportData
				},
			})
		})
	}
}
