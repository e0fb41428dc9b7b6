package tpm

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"sync"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/tee"
)

// MachineOptions say what a machine is.
type MachineOptions struct {
	// Name tells machines apart: another name is another TPM with other keys.
	Name string
	Key  KeyType // of the attestation key; empty is KeyECC
	EK   EKType  // empty is EKP256, which is the fastest to make
	Bank string  // that quotes cover; empty is SHA256
	// Since is from when on the TPM's clock runs; zero is from now on. A TPM that is
	// simulated again and again needs one, or its clock would go backwards.
	Since time.Time
	PCRs  []int // that quotes cover; nil is 0 to 15
	// Firmware is the version of the TPM's firmware; zero is that of any other simulated TPM.
	Firmware uint64
	// AK names the attestation key: another name is another key of the same TPM, and the same
	// one in another TPM the same key, as no real TPM has it. Empty is Name.
	AK string
	// Attributes of the attestation key; zero is those of a restricted one.
	Attributes tpm2.TPMAObject
	// Hierarchy that the attestation key is a primary key of; zero is the
	// endorsement hierarchy. In others than that and the platform's, TPMs disguise their
	// counters (TPM 2.0 part 1, 36.7).
	Hierarchy tpm2.TPMHandle
	// WithoutCertificate leaves the attestation key's certificates out of the
	// evidence, as on a machine whose key the operator knows, or before its enrolment.
	WithoutCertificate bool
	// WithoutEKCertificate leaves the endorsement key's certificate out of enrolments,
	// as with TPMs that have none.
	WithoutEKCertificate bool

	// Boot is what the machine boots whenever it starts, or nil. A machine that boots
	// sends its event log along.
	Boot *eventlog.Boot
	// Banks are those that firmware extends and logs; nil is both. Others keep their
	// first values then.
	Banks []string
	// IMA says that the kernel measures files (see [Machine.MeasureFile]). The machine
	// sends its list along.
	IMA bool
}

// Machine is a computer with a simulated TPM. It implements tee.KeyAttester and is
// safe for concurrent use.
type Machine struct {
	// Key is the attestation key. No TPM gives it out.
	Key crypto.Signer
	// Public is the attestation key's TPMT_PUBLIC.
	Public []byte
	// Certificate is that of the attestation key.
	Certificate *x509.Certificate

	vendor      *Vendor
	options     MachineOptions // with the defaults filled in
	ak          *Key
	made        time.Time
	endorsement func() (*endorsementKey, error) // made at first use: RSA keys take long

	mu    sync.Mutex
	state // guarded by mu
}

// state is what changes in a machine and its TPM.
type state struct {
	certificates [][]byte // of the attestation key, that evidence carries
	certified    *Key     // whose certification evidence carries, or nil
	keys         int      // made so far
	pcrs         evidence.PCRs
	resets       uint32
	restarts     uint32
	elapsed      uint64            // milliseconds that the TPM was busy, beside those of the vendor's clock
	log          *eventlog.Builder // nil without a boot
	list         measurementList
}

var _ tee.KeyAttester = (*Machine)(nil)

// NewMachine makes a machine, starts it and certifies its attestation key.
func (v *Vendor) NewMachine(options MachineOptions) (*Machine, error) {
	m := &Machine{vendor: v, options: options.filled(), made: options.Since}
	o := m.options
	if m.made.IsZero() {
		m.made = v.clock()
	}
	m.endorsement = sync.OnceValues(func() (*endorsementKey, error) { return v.newEK(o.EK, o.Name) })
	var err error
	if m.ak, err = v.attestationKey(o); err != nil {
		return nil, err
	}
	m.Key, m.Public = m.ak.signer, m.ak.area
	if m.Certificate, err = v.Intermediate.Issue(v.AKTemplate(o.Name), m.Key.Public()); err != nil {
		return nil, err
	}
	if !o.WithoutCertificate {
		m.certificates = [][]byte{m.Certificate.Raw, v.Intermediate.Certificate.Raw}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m, m.start()
}

// AttestationKey returns the SHA-256 of the SubjectPublicKeyInfo of the attestation key
// that a machine with these options has.
func (v *Vendor) AttestationKey(options MachineOptions) (evidence.Digest, error) {
	ak, err := v.attestationKey(options.filled())
	if err != nil {
		return evidence.Digest{}, err
	}
	return sha256.Sum256(must(x509.MarshalPKIXPublicKey(ak.Public()))), nil
}

func (v *Vendor) attestationKey(o MachineOptions) (*Key, error) {
	return v.newKey("machine/"+o.AK, keyOptions{o.Key, o.Attributes, o.Hierarchy, true})
}

// filled puts the defaults in.
func (o MachineOptions) filled() MachineOptions {
	if o.Key == "" {
		o.Key = KeyECC
	}
	if o.AK == "" {
		o.AK = o.Name
	}
	if o.Firmware == 0 {
		o.Firmware = firmwareVersion
	}
	if o.EK == "" {
		o.EK = EKP256
	}
	if o.Bank == "" {
		o.Bank = SHA256
	}
	if o.PCRs == nil {
		o.PCRs = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	}
	if o.Banks == nil {
		o.Banks = []string{SHA256, SHA384}
	}
	if o.Attributes == (tpm2.TPMAObject{}) {
		o.Attributes = restricted
	}
	if o.Hierarchy == 0 {
		o.Hierarchy = tpm2.TPMRHEndorsement
	}
	return o
}

// AttestationKey returns the SHA-256 of the attestation key's SubjectPublicKeyInfo.
func (m *Machine) AttestationKey() evidence.Digest {
	return sha256.Sum256(must(x509.MarshalPKIXPublicKey(m.Key.Public())))
}

// UseCertificates makes the machine send these certificates of its attestation key:
// the key's first, then intermediates; none if there are none.
func (m *Machine) UseCertificates(certificates [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.certificates = nil
	for _, der := range certificates {
		m.certificates = append(m.certificates, slices.Clone(der))
	}
}

// Clone returns a copy of the machine as it is now, as whoever runs a virtual TPM
// can make one: with the same keys, and counters that go their own ways from here on.
func (m *Machine) Clone() *Machine {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Machine{
		Key: m.Key, Public: m.Public, Certificate: m.Certificate,
		vendor: m.vendor, options: m.options, ak: m.ak, made: m.made, endorsement: m.endorsement,
		state: m.state,
	}
	c.pcrs = copyPCRs(m.pcrs)
	c.certificates = slices.Clone(m.certificates)
	c.list.entries = slices.Clone(m.list.entries)
	if m.log != nil {
		c.log = m.log.Clone()
	}
	return c
}
