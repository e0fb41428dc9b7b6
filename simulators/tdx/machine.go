package tdx

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"sync"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/tee"
)

// MachineOptions are what a machine is and runs. Start from [DefaultMachine].
type MachineOptions struct {
	Name      string // determines the keys and the serial number
	Version   uint16 // of quotes: 4 or 5
	TD15      bool   // TD report 1.5 instead of 1.0; needs version 5
	Processor bool   // the PCK certificate is issued by the Processor CA

	Platform // PPID is derived from the name where it is zero

	TEETCBSVN      [16]byte
	TEETCBSVN2     [16]byte // 1.5 only
	MRSEAM         [48]byte
	MRSignerSEAM   [48]byte
	SEAMAttributes [8]byte
	Attributes     [8]byte // little-endian
	XFAM           [8]byte // little-endian
	MRTD           [48]byte
	MRConfigID     [48]byte
	MROwner        [48]byte
	MROwnerConfig  [48]byte
	RTMR           [4][48]byte // of a machine without Boot
	MRServiceTD    [48]byte    // 1.5 only
	QESVN          uint16      // ISVSVN of the quoting enclave

	// Boot is what the machine boots, or nil. A machine that boots has an event log,
	// and in its RTMRs what the log leads to.
	Boot *eventlog.Boot
}

// The machines' quoting enclave.
const (
	quotingEnclaveProduct = 2
	quotingEnclaveSVN     = 6
)

func quotingEnclaveSigner() [32]byte { return sha256.Sum256([]byte("SIMULATED TD quoting enclave")) }

// DefaultMachine returns an up-to-date machine with a well-configured TD:
// SEPT_VE_DISABLE set, no debugging, quotes of version 4.
func DefaultMachine() MachineOptions {
	return MachineOptions{
		Name: "machine", Version: 4,
		Platform: Platform{
			FMSPC:      [6]byte{'S', 'I', 'M', 'T', 'D', 'X'},
			Components: [16]byte{8, 8, 2, 2, 4, 1, 0, 6},
			PCESVN:     11,
		},
		TEETCBSVN: [16]byte{5, 1, 8}, TEETCBSVN2: [16]byte{5, 1, 8},
		MRSEAM:     measurement("TDX module"),
		Attributes: [8]byte{3: 0x10}, XFAM: [8]byte{0xe7, 0x18, 0x06},
		MRTD: measurement("firmware"),
		RTMR: [4][48]byte{measurement("firmware configuration"), measurement("boot loader"), measurement("kernel")},

		QESVN: quotingEnclaveSVN,
	}
}

// BootedMachine returns a machine like [DefaultMachine] that boots [DefaultBoot],
// and sends its event log along.
func BootedMachine() MachineOptions {
	o, boot := DefaultMachine(), DefaultBoot()
	o.Boot = &boot
	return o
}

// measurement returns 48 bytes that stand for a piece of software.
func measurement(of string) (out [48]byte) {
	first := sha256.Sum256([]byte("SIMULATED " + of))
	second := sha256.Sum256(first[:])
	copy(out[copy(out[:], first[:]):], second[:])
	return out
}

// Machine is a simulated machine. It is safe for concurrent use.
type Machine struct {
	opts        MachineOptions
	ca          Issuer
	root        *x509.Certificate
	pck         *ecdsa.PrivateKey
	certificate *x509.Certificate
	attestation *ecdsa.PrivateKey

	mu        sync.Mutex
	registers [4][48]byte       // RTMRs
	log       *eventlog.Builder // nil without a boot
}

var _ tee.Attester = (*Machine)(nil)

// PPID returns the platform identifier of the machine of that name.
func (v *Vendor) PPID(name string) (id [16]byte) {
	v.source.Fill(id[:], "ppid "+name)
	return id
}

// NewMachine returns a machine with a PCK certificate by this vendor.
func (v *Vendor) NewMachine(opts MachineOptions) *Machine {
	if opts.PPID == [16]byte{} {
		opts.PPID = v.PPID(opts.Name)
	}
	m := &Machine{
		opts: opts, ca: v.Platform, root: v.Root.Certificate,
		pck: v.NewKey("pck " + opts.Name), attestation: v.NewKey("attestation " + opts.Name),
		registers: opts.RTMR,
	}
	if opts.Boot != nil {
		m.boot(*opts.Boot)
	}
	if opts.Processor {
		m.ca = v.Processor
	}
	m.certificate = v.IssuePCK(opts.Name, opts.Platform, m.ca, &m.pck.PublicKey)
	return m
}

// Certificate returns the machine's PCK certificate.
func (m *Machine) Certificate() *x509.Certificate { return m.certificate }

// PCKKey returns the key of the PCK certificate.
func (m *Machine) PCKKey() *ecdsa.PrivateKey { return m.pck }

// Kinds returns [evidence.KindTDX] alone.
func (m *Machine) Kinds() []evidence.Kind { return []evidence.Kind{evidence.KindTDX} }

// Attest returns a quote that carries binding in REPORTDATA, with the machine's
// event log if it has one.
func (m *Machine) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var data [64]byte
	copy(data[:], binding.ReportData(evidence.KindTDX))
	return evidence.NewBundle(m.Item(data))
}

// Quote returns a quote with this REPORTDATA.
func (m *Machine) Quote(reportData [64]byte) []byte { return m.Parts(reportData).Assemble() }

// Item returns a quote with this REPORTDATA and the event log that explains it.
func (m *Machine) Item(reportData [64]byte) *evidence.TDX {
	m.mu.Lock()
	defer m.mu.Unlock()
	item := &evidence.TDX{Quote: m.parts(reportData).Assemble()}
	if m.log != nil {
		item.EventLog = m.log.Encode()
	}
	return item
}

// EncodeChain returns certificates as a quote carries them.
func EncodeChain(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, cert := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return out
}
