package machines

import (
	"fmt"
	"io/fs"

	"github.com/quotary/quotary/simulators/paravisor"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	snpguest "github.com/quotary/quotary/tee/sevsnp/guest"
	tdxguest "github.com/quotary/quotary/tee/tdx/guest"
)

// plan is what a machine is about to be made of. Faults change it.
type plan struct {
	spec Spec

	amd    *sevsnp.Vendor
	guest  sevsnp.MachineOptions
	vmpl   uint // that the guest asks for
	intel  *tdx.Vendor
	domain tdx.MachineOptions // Boot is its own
	maker  *tpm.Vendor
	module tpm.MachineOptions // likewise
	cloned bool               // the TPM is copied, and the machine rebooted then
	// violated are files that are open for writing while they are measured.
	violated []string
	layer    paravisor.Options
}

// plan plans the machine, with its faults.
func (m *Machine) plan() (*plan, error) {
	s := m.spec.clone()
	for _, f := range m.faults {
		if f.launch != nil {
			f.launch(&s)
		}
	}
	inputs := s.software()
	measured, err := launch(s, inputs)
	if err != nil {
		return nil, err
	}
	p := &plan{spec: s, amd: m.amd, intel: m.world.TDX, maker: m.world.TPM}
	if s.Technology.hasSNP() {
		p.guest = sevsnp.MachineOptions{Name: s.Name, CSPID: s.VLEK, Report: p.amd.Report(s.Name)}
		p.guest.Report.Measurement = measured.measurement
	}
	if s.Technology.hasTDX() {
		p.domain = tdx.DefaultMachine()
		p.domain.Name, p.domain.MRTD, p.domain.RTMR = s.Name, measured.mrtd, [4][48]byte{}
		if !s.Technology.isAzure() {
			p.domain.Boot = inputs.boot()
		}
	}
	if s.Technology.hasTPM() {
		p.module = s.moduleOptions()
		p.module.Boot = inputs.boot()
	}
	for _, f := range m.faults {
		if f.build == nil {
			continue
		}
		if err := f.build(m.world, p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// moduleOptions are what a description says of the TPM.
func (s Spec) moduleOptions() tpm.MachineOptions {
	return tpm.MachineOptions{
		Name: s.Name, Key: s.TPM.Key, EK: s.TPM.EK, Bank: s.TPM.Bank, IMA: s.IMA != nil,
		WithoutCertificate: s.Technology.isAzure() || s.TPM.Enrolled,
	}
}

// build makes the machine.
func (m *Machine) build(p *plan) error {
	var hardware tee.Attester
	var err error
	switch {
	case m.spec.Technology.hasSNP():
		hardware, err = m.buildSNP(p)
	case m.spec.Technology.hasTDX():
		hardware = m.buildTDX(p)
	}
	if err != nil {
		return err
	}
	if m.spec.Technology.hasTPM() {
		if m.module, err = newModule(p); err != nil {
			return err
		}
		if inner, ok := m.module.(inProcess); ok && p.cloned {
			m.clone = inner.Clone()
			if err := m.module.Reboot(); err != nil {
				return err
			}
		}
	}
	switch {
	case m.spec.Technology.isAzure():
		return m.buildAzure(p)
	case hardware == nil:
		m.honest = m.module
	case m.module == nil:
		m.honest = hardware
	default:
		m.honest = tee.Compose(hardware, m.module)
	}
	return nil
}

// buildSNP makes a guest that collects its evidence as real ones do.
func (m *Machine) buildSNP(p *plan) (tee.Attester, error) {
	var err error
	if m.guest, err = p.amd.NewMachine(p.guest); err != nil {
		return nil, err
	}
	m.kernel = &kernel{provider: "sev_guest", table: m.guest.Table, report: func(data [64]byte, level uint) ([]byte, error) {
		report := m.report()
		report.ReportData, report.VMPL = data, uint32(level)
		return m.guest.Sign(report.Marshal())
	}}
	return snpguest.New(snpguest.Options{VMPL: p.vmpl}, snpguest.ConfigFS(m.kernel.configFS()))
}

// report returns what the guest's reports say since it was started.
func (m *Machine) report() sevsnp.Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	report := m.guest.Template
	if m.reboots > 0 { // each guest has a report ID of its own
		artefacts.Fill(report.ReportID[:], fmt.Sprintf("report/%s/%d", m.spec.Name, m.reboots))
	}
	return report
}

// buildTDX makes a trust domain that collects its evidence as real ones do.
func (m *Machine) buildTDX(p *plan) tee.Attester {
	m.domain = p.intel.NewMachine(p.domain)
	m.kernel = &kernel{provider: "tdx_guest", registers: &registers{domain: m.domain}, report: func(data [64]byte, _ uint) ([]byte, error) {
		return m.domain.Quote(data), nil
	}}
	if table := m.domain.CCEL(); table != nil {
		m.kernel.tables = logTables{m.domain}
	}
	return tdxguest.New(tdxguest.Options{}, m.kernel.configFS(), m.ACPITables())
}

// logTables are the ACPI tables of a domain: that of its event log, as it is now.
type logTables struct{ *tdx.Machine }

// Open opens a file as Linux shows it in /sys/firmware/acpi/tables.
func (l logTables) Open(name string) (fs.File, error) {
	return files{"CCEL": l.CCEL(), "data/CCEL": l.EventLog()}.Open(name)
}

// buildAzure puts the TPM behind a paravisor.
func (m *Machine) buildAzure(p *plan) error {
	inner, ok := m.module.(inProcess)
	if !ok {
		return fmt.Errorf("a paravisor needs a TPM that runs in-process")
	}
	hardware := tee.Attester(m.guest)
	if m.spec.Technology.hasTDX() {
		hardware = m.domain
	}
	var err error
	m.virtual, err = paravisor.New(hardware, inner.Machine, p.layer)
	m.honest = m.virtual
	return err
}
