package machines

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee/launch/pcr"
)

// Requirement returns an alternative of a workload that the machine meets if nothing
// is wrong with it, as YAML: one line for each kind of evidence. It is computed from
// the description alone.
func (m *Machine) Requirement() string {
	var lines []string
	if m.spec.Technology.hasSNP() {
		lines = append(lines, m.requireSNP())
	}
	if m.spec.Technology.hasTDX() {
		lines = append(lines, m.requireTDX())
	}
	if m.spec.Technology.hasTPM() {
		lines = append(lines, m.requireTPM())
	}
	if m.spec.Technology.isAzure() {
		lines = append(lines, "paravisor: {secure_boot: required, console: forbidden}")
	}
	return strings.Join(lines, "\n")
}

func (m *Machine) requireSNP() string {
	tcb := m.amd.Report(m.spec.Name).ReportedTCB
	levels := fmt.Sprintf("bootloader: %d, tee: %d, snp: %d, microcode: %d", tcb.Bootloader, tcb.TEE, tcb.SNP, tcb.Microcode)
	if m.spec.Product == sevsnp.Turin {
		levels = fmt.Sprintf("fmc: %d, ", tcb.FMC) + levels
	}
	signer := "signing_keys: [vcek]"
	if m.spec.VLEK != "" {
		signer = fmt.Sprintf("signing_keys: [vlek], csp_ids: [%q]", m.spec.VLEK)
	}
	if m.spec.Pinned {
		chip := m.amd.Report(m.spec.Name).ChipID
		signer += fmt.Sprintf(", chip_ids: {allow: [%x]}", chip)
	}
	return fmt.Sprintf("sev_snp: {measurements: [%x], products: [%s], minimum_tcb: {%s}, %s}", m.fits.measurement, m.spec.Product, levels, signer)
}

func (m *Machine) requireTDX() string {
	r, pin := m.fits.rtmrs, ""
	if m.spec.Pinned {
		pin = fmt.Sprintf(", ppids: {allow: [%x]}", m.world.TDX.PPID(m.spec.Name))
	}
	return fmt.Sprintf("tdx: {mrtd: [%x], rtmr0: [%s], rtmr1: [%s], rtmr2: [%s], rtmr3: [%s]%s}", m.fits.mrtd, r[0], r[1], r[2], r[3], pin)
}

func (m *Machine) requireTPM() string {
	var values []string
	for _, n := range slices.Sorted(maps.Keys(m.fits.pcrs)) {
		values = append(values, fmt.Sprintf("%d: [%s]", n, m.fits.pcrs[n]))
	}
	source := "certificate"
	switch {
	case m.spec.Technology.isAzure():
		source = "tee"
	case m.spec.TPM.Enrolled:
		source = "enrolled"
	}
	pin := ""
	if m.spec.Pinned {
		pin = fmt.Sprintf(", sha256: [%x]", m.fits.ak)
	}
	measured := ""
	if m.spec.IMA != nil {
		values = append(values, "8: boot")
		measured = m.requireFiles()
	}
	return fmt.Sprintf("tpm: {ak: {sources: [%s]%s}, pcrs: {%s: {%s}}%s}", source, pin, m.spec.TPM.Bank, strings.Join(values, ", "), measured)
}

// requireFiles asks for the files that the kernel measures, and for what decides that it
// measures them: its command line and initial RAM disk.
func (m *Machine) requireFiles() string {
	var digests []string
	for _, f := range m.spec.IMA {
		digests = append(digests, fmt.Sprintf("%x", f.digest()))
	}
	bank := m.spec.TPM.hash()
	options, initrd := pcr.Text(m.inputs.commandLine)(bank), pcr.Bytes(m.inputs.initrd)(bank)
	return fmt.Sprintf(", boot: {load_options: [%x], initrds: [%x]}, ima: {files: [%s]}", options, initrd, strings.Join(digests, ", "))
}

// digest returns the SHA-256 of a file's content.
func (f File) digest() [sha256.Size]byte {
	content := f.Content
	if content == "" {
		content = "SIMULATED content of " + f.Path
	}
	return sha256.Sum256([]byte(content))
}

// Workload returns a policy document that grants the machine, if it meets its
// requirement, the identity of its name in a trust domain. It consents to simulated evidence.
func (m *Machine) Workload(trustDomain string) policies.File {
	return policies.File{Name: m.spec.Name + ".yaml", Data: fmt.Appendf(nil, `apiVersion: quotary.dev/v1
kind: Workload
name: %[1]s
identity:
  spiffe_id: spiffe://%[2]s/%[1]s
  dns_names: [%[1]s.%[2]s]
  ttl: 1h
allow_simulated: true
any_of:
  - %[3]s
`, m.spec.Name, trustDomain, strings.ReplaceAll(m.Requirement(), "\n", "\n    "))}
}
