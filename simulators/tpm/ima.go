package tpm

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // of the digests in the list
	"encoding/binary"
	"fmt"
)

// pcrIMA is the PCR that the kernel measures files into.
const pcrIMA = 10

// The templates of the simulated kernel's entries (kernel documentation,
// security/IMA-templates).
const (
	templateNG  = "ima-ng"
	templateSig = "ima-sig"
	templateBuf = "ima-buf"
)

// measurementList is the kernel's list of what it measured.
type measurementList struct {
	on      bool
	from    int      // the first entry that evidence carries
	entries [][]byte // in the binary form
}

// encode returns the entries that evidence carries, and how many come before.
func (l *measurementList) encode() (log []byte, offset uint64) {
	if !l.on {
		return nil, 0
	}
	return bytes.Join(l.entries[l.from:], nil), uint64(l.from)
}

// MeasureFile measures a file as the kernel does that integrity measurement is
// switched on in (template ima-ng): digest is the SHA-256 of its content.
func (m *Machine) MeasureFile(path string, digest []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.measure(templateNG, fieldDigest(digest), fieldName(path))
}

// MeasureSignedFile is [Machine.MeasureFile] with the file's signature as the
// security.ima attribute has it (template ima-sig).
func (m *Machine) MeasureSignedFile(path string, digest, signature []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.measure(templateSig, fieldDigest(digest), fieldName(path), field(signature))
}

// MeasureBuffer measures something in memory, such as the command line of another
// kernel, by a name that is no path (template ima-buf).
func (m *Machine) MeasureBuffer(name string, buffer []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.measure(templateBuf, fieldDigest(sum(crypto.SHA256, buffer)), fieldName(name), field(buffer))
}

// MeasureEntry appends an entry of any template with any data.
func (m *Machine) MeasureEntry(template string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.measure(template, data)
}

// Violate notes that a file was open for writing while it was measured: the entry
// has no digest, and the PCR is extended with ones.
func (m *Machine) Violate(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.list.on {
		return errNoIMA
	}
	data := append(fieldDigest(make([]byte, crypto.SHA256.Size())), fieldName(path)...)
	m.append(make([]byte, crypto.SHA1.Size()), templateNG, data)
	for _, bank := range banks {
		if err := m.extend(pcrIMA, bytes.Repeat([]byte{0xff}, bank.hash.Size())); err != nil {
			return err
		}
	}
	return nil
}

// SendIMAFrom makes the evidence carry the list from this entry on, as a machine
// does whose earlier entries were judged. A reboot sets it back.
func (m *Machine) SendIMAFrom(entry int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.list.on {
		return errNoIMA
	}
	if entry < 0 || entry > len(m.list.entries) {
		return fmt.Errorf("tpm: the list has %d entries, not %d", len(m.list.entries), entry)
	}
	m.list.from = entry
	return nil
}

// IMAEntries returns how many entries the kernel's list has.
func (m *Machine) IMAEntries() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.list.entries)
}

// IMALog returns what the kernel offers as binary_runtime_measurements.
func (m *Machine) IMALog() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Join(m.list.entries, nil)
}

var errNoIMA = fmt.Errorf("tpm: the machine's kernel measures no files")

// measureBoot makes the first entry: the digest of PCRs 0 to 9, as kernels since 5.8
// take it.
func (m *Machine) measureBoot() error {
	h := crypto.SHA256.New()
	for pcr := range 10 {
		h.Write(m.pcrs[SHA256][pcr])
	}
	return m.measure(templateNG, fieldDigest(h.Sum(nil)), fieldName("boot_aggregate"))
}

// measure appends an entry and extends the PCR in every bank with the digest of
// its data, as kernels since 5.8 do.
func (m *Machine) measure(template string, fields ...[]byte) error {
	if !m.list.on {
		return errNoIMA
	}
	data := bytes.Join(fields, nil)
	m.append(sum(crypto.SHA1, data), template, data)
	for _, bank := range banks {
		if err := m.extend(pcrIMA, sum(bank.hash, data)); err != nil {
			return err
		}
	}
	return nil
}

// append writes an entry: PCR, SHA-1 of the data, template and data, with numbers in
// the byte order of little-endian machines.
func (m *Machine) append(digest []byte, template string, data []byte) {
	entry := binary.LittleEndian.AppendUint32(nil, pcrIMA)
	entry = append(entry, digest...)
	entry = append(entry, field([]byte(template))...)
	m.list.entries = append(m.list.entries, append(entry, field(data)...))
}

// field is a field with its length before it.
func field(value []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(value))), value...)
}

// fieldDigest is the field d-ng.
func fieldDigest(digest []byte) []byte { return field(append([]byte("sha256:\x00"), digest...)) }

// fieldName is the field n-ng.
func fieldName(path string) []byte { return field(append([]byte(path), 0)) }

func sum(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}
