package sevsnp

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// MachineOptions say what a machine is.
type MachineOptions struct {
	// Name tells machines apart: another name is another chip with another key.
	Name string
	// Processor is one of the vendor's product line: empty, or a name as [TurinDense].
	// It is left out where Report is given.
	Processor string
	// Report is what the machine's reports say; nil is what [Vendor.Report] returns.
	Report *Report
	// CSPID, if set, names a cloud provider, whose VLEK then signs in place of the
	// chip's VCEK; CHIP_ID is masked, as such providers do.
	CSPID string
	// WithoutCertificates leaves the certificates out of the evidence, as a guest
	// does that asks for a plain report.
	WithoutCertificates bool
}

// Machine is a guest on a simulated chip. It implements tee.Attester and is safe
// for concurrent use as long as nobody changes Template.
type Machine struct {
	// Template is what the machine's reports say, all but REPORT_DATA.
	Template Report
	// Certificate is that of the key that signs.
	Certificate *x509.Certificate

	key          *ecdsa.PrivateKey
	certificates [][]byte // that travel with a report
}

// Report returns what reports of a healthy machine of that name say: a
// production guest of version 3, with the newest TCB.
func (v *Vendor) Report(name string) *Report {
	label := v.options.Product + "/machine/" + name
	cpu := processors()[v.options.Product]
	r := &Report{
		Version:            3,
		Policy:             1<<17 | 1<<16, // no debugging, no migration; SMT allowed
		SignatureAlgorithm: 1,
		PlatformInfo:       1<<5 | 1<<2 | 1, // SMT, ECC, alias check complete
		CPUFamily:          cpu.family,
		CPUModel:           cpu.model,
		CPUStepping:        1,
		Current:            Firmware{1, 55, 29},
		Committed:          Firmware{1, 55, 29},
	}
	r.CurrentTCB, r.ReportedTCB, r.CommittedTCB, r.LaunchTCB = cpu.tcb, cpu.tcb, cpu.tcb, cpu.tcb
	v.source.Fill(hwid(v.options.Product, &r.ChipID), label+"/chip")
	v.source.Fill(r.Measurement[:], "measurement")
	v.source.Fill(r.ReportID[:], label+"/report")
	for i := range r.ReportIDMA {
		r.ReportIDMA[i] = 0xff // no migration agent
	}
	return r
}

// NewMachine makes a machine and publishes the certificate of its key.
func (v *Vendor) NewMachine(options MachineOptions) (*Machine, error) {
	report := options.Report
	if report == nil {
		cpu, err := processorOf(v.options.Product, options.Processor)
		if err != nil {
			return nil, err
		}
		report = v.Report(options.Name)
		report.CPUModel = cpu.model
	}
	m := &Machine{Template: *report}
	chip := m.Template.ChipID
	if chip == [64]byte{} { // masked, which only the report is
		chip = v.Report(options.Name).ChipID
	}
	issuer, template := v.ask, v.VCEKTemplate(chip, m.Template.ReportedTCB)
	if options.CSPID != "" {
		m.Template.SigningKey = KeyVLEK
		m.Template.ChipID = [64]byte{}
		template = v.VLEKTemplate(options.CSPID, m.Template.ReportedTCB)
		var err error
		if issuer, err = v.ASVK(); err != nil {
			return nil, err
		}
		v.publish(issuer.Certificate)
	}
	m.key = v.source.ECDSA(elliptic.P384(), fmt.Sprintf("%s/key/%s/%s/%v", v.options.Product, options.Name, options.CSPID, m.Template.ReportedTCB))
	var err error
	if m.Certificate, err = issuer.Issue(template, m.key.Public()); err != nil {
		return nil, fmt.Errorf("sevsnp: cannot issue the key certificate of %q: %w", options.Name, err)
	}
	v.publish(m.Certificate)
	if !options.WithoutCertificates {
		m.certificates = [][]byte{m.Certificate.Raw, issuer.Certificate.Raw}
	}
	return m, nil
}

// Kinds returns the one kind of evidence that Attest gives.
func (*Machine) Kinds() []evidence.Kind { return []evidence.Kind{evidence.KindSEVSNP} }

// Attest returns a report that carries the binding.
func (m *Machine) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	item, err := m.Item([64]byte(binding.ReportData(evidence.KindSEVSNP)))
	if err != nil {
		return nil, err
	}
	return evidence.NewBundle(item)
}

// Item returns a signed report with this REPORT_DATA, and its certificates.
func (m *Machine) Item(reportData [64]byte) (*evidence.SNP, error) {
	report := m.Template
	report.ReportData = reportData
	raw, err := m.Sign(report.Marshal())
	if err != nil {
		return nil, err
	}
	item := &evidence.SNP{Report: raw}
	for _, der := range m.certificates { // the evidence is the caller's
		item.Certificates = append(item.Certificates, slices.Clone(der))
	}
	return item, nil
}

// Table returns the auxiliary certificate table that the host hands the guest (GHCB
// 56421, "SNP Extended Guest Request"): the signing key's certificate and its issuer's,
// or zeros if the host has none.
func (m *Machine) Table() []byte {
	guids := []evidence.AuxiliaryGUID{evidence.AuxiliaryVCEK, evidence.AuxiliaryASK}
	if m.Template.SigningKey == KeyVLEK {
		guids[0] = evidence.AuxiliaryVLEK
	}
	const entry = 24
	var header, blobs []byte
	for i, der := range m.certificates {
		header = append(header, guids[i][:]...)
		header = binary.LittleEndian.AppendUint32(header, uint32(entry*(len(m.certificates)+1)+len(blobs)))
		header = binary.LittleEndian.AppendUint32(header, uint32(len(der)))
		blobs = append(blobs, der...)
	}
	return append(append(header, make([]byte, entry)...), blobs...)
}

// Public returns the public key of the machine's signing key.
func (m *Machine) Public() *ecdsa.PublicKey { return &m.key.PublicKey }

// Sign returns a copy of a report, which may say anything, with the machine's
// signature over its first [SignedSize] bytes.
func (m *Machine) Sign(report []byte) ([]byte, error) { return SignReport(m.key, report) }

// SignReport returns a copy of a report with this P-384 key's signature over its
// first [SignedSize] bytes. The same report gets the same signature.
func SignReport(key *ecdsa.PrivateKey, report []byte) ([]byte, error) {
	if len(report) < ReportSize {
		return nil, fmt.Errorf("sevsnp: %d bytes are no report", len(report))
	}
	sum := sha512.Sum384(report[:SignedSize])
	der, err := key.Sign(nil, sum[:], crypto.SHA384)
	if err != nil {
		return nil, fmt.Errorf("sevsnp: cannot sign: %w", err)
	}
	var numbers struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &numbers); err != nil {
		return nil, fmt.Errorf("sevsnp: cannot sign: %w", err)
	}
	signed := slices.Clone(report)
	clear(signed[SignedSize:ReportSize])
	putScalar(signed[SignedSize:], numbers.R)
	putScalar(signed[SignedSize+72:], numbers.S)
	return signed, nil
}

// putScalar writes a number as the firmware does: little-endian, 72 bytes.
func putScalar(field []byte, n *big.Int) {
	number := n.FillBytes(make([]byte, 72))
	slices.Reverse(number)
	copy(field, number)
}
