package main

import (
	"crypto/sha512"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// workload is a simulated machine, and the policy that grants it an identity.
type workload struct {
	name     string // also the last part of its SPIFFE ID
	kind     evidence.Kind
	title    string // for people
	machine  tee.Attester
	policy   string // the workload's requirement, YAML
	verifies string // the signature that cannot be left out
}

// launched stands for what the firmware measured: the digest of an image.
func launched(image string) [48]byte { return sha512.Sum384([]byte(image)) }

// newWorkloads makes one machine of each technology.
func newWorkloads(w *simulators.World) ([]workload, error) {
	payments, err := snpMachine(w, "payments", "payments 1.4.2")
	if err != nil {
		return nil, err
	}
	ledger := tdxMachine(w, "ledger", "ledger 7.0.1")
	builder, err := tpmMachine(w, "builder", builderBoots)
	if err != nil {
		return nil, err
	}
	return []workload{payments, ledger, builder}, nil
}

const builderBoots = "bootloader 2.12"

// forEach returns the workload for n clients at once. With a TPM each has a machine of its own: of two quotes
// by one attestation key the later one is refused if the other overtakes it.
func (w workload) forEach(world *simulators.World, n int) ([]workload, error) {
	all := slices.Repeat([]workload{w}, n)
	if w.kind != evidence.KindTPM {
		return all, nil
	}
	for i := range all {
		var err error
		if all[i], err = tpmMachine(world, fmt.Sprintf("%s %d", w.name, i), builderBoots); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func snpMachine(w *simulators.World, name, image string) (workload, error) {
	report := w.SEVSNP.Report(name)
	report.Measurement = launched(image)
	tcb := report.ReportedTCB
	machine, err := w.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: name, Report: report})
	return workload{
		name: name, kind: evidence.KindSEVSNP, title: "an AMD SEV-SNP guest", machine: machine, verifies: "ECDSA P-384",
		policy: fmt.Sprintf("sev_snp: {measurements: [%x], minimum_tcb: {bootloader: %d, tee: %d, snp: %d, microcode: %d}}",
			report.Measurement, tcb.Bootloader, tcb.TEE, tcb.SNP, tcb.Microcode),
	}, err
}

func tdxMachine(w *simulators.World, name, image string) workload {
	options := tdx.DefaultMachine()
	options.Name, options.MRTD = name, launched(image)
	for i, part := range []string{"firmware", "loader", "kernel"} {
		options.RTMR[i] = launched(image + " " + part)
	}
	return workload{
		name: name, kind: evidence.KindTDX, title: "an Intel TDX trust domain", machine: w.TDX.NewMachine(options), verifies: "ECDSA P-256",
		policy: fmt.Sprintf("tdx: {mrtd: [%x], rtmr0: [%x], rtmr1: [%x], rtmr2: [%x], rtmr3: any}",
			options.MRTD, options.RTMR[0], options.RTMR[1], options.RTMR[2]),
	}
}

func tpmMachine(w *simulators.World, name, bootloader string) (workload, error) {
	machine, err := w.TPM.NewMachine(tpm.MachineOptions{Name: name, PCRs: []int{0, 4, 7}})
	if err != nil {
		return workload{}, err
	}
	for pcr, event := range map[int]string{0: "firmware 1.1", 4: bootloader, 7: "secure boot on"} {
		if err := machine.Measure(pcr, []byte(event)); err != nil {
			return workload{}, err
		}
	}
	pcrs := machine.PCRs()[tpm.SHA256]
	return workload{
		name: name, kind: evidence.KindTPM, title: "a machine with a TPM 2.0", machine: machine, verifies: "ECDSA P-256",
		policy: fmt.Sprintf("tpm: {ak: {sources: [certificate]}, pcrs: {sha256: {0: [%s], 4: [%s], 7: [%s]}}}", pcrs[0], pcrs[4], pcrs[7]),
	}, nil
}

// document is the workload's policy document. It consents to simulated evidence.
func (w workload) document(trustDomain string) string {
	return fmt.Sprintf(`apiVersion: quotary.dev/v1
kind: Workload
name: %[1]s
identity:
  spiffe_id: spiffe://%[2]s/%[1]s
  dns_names: [%[1]s.%[2]s]
  ttl: 1h
allow_simulated: true
any_of:
  - %[3]s
`, w.name, trustDomain, w.policy)
}
