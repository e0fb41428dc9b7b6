package tdx

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"

	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/tee/eventlog"
)

// logArea is how much memory the simulated firmware reserves for the event log,
// as OVMF does.
const logArea = 64 << 10

// DefaultBoot returns a boot of a unified kernel image under secure boot.
func DefaultBoot() simulated.Boot {
	key := func(of string) []byte {
		certificate := sha256.Sum256([]byte("SIMULATED certificate of " + of))
		return simulated.SignatureList(simulated.GUIDX509, certificate[:])
	}
	revoked := sha256.Sum256([]byte("SIMULATED revoked image"))
	return simulated.Boot{
		SecureBoot: true,
		PK:         key("the platform's owner"), KEK: key("the key exchange"), DB: key("the distribution"),
		DBX:   simulated.SignatureList(simulated.GUIDSHA256, revoked[:]),
		Image: []byte("SIMULATED unified kernel image"), Kernel: []byte("SIMULATED kernel"),
		CommandLine: "console=ttyS0 ro quiet", Initrd: []byte("SIMULATED initial RAM disk"),
	}
}

// boot fills log and registers.
func (m *Machine) boot(boot simulated.Boot) {
	m.log = boot.Log(eventlog.RTMRs)
	m.registers = [4][48]byte{}
	for n, value := range m.log.Values(eventlog.SHA384) {
		m.registers[n] = [48]byte(value)
	}
}

// Reboot starts the machine again, with the same boot.
func (m *Machine) Reboot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.registers = m.opts.RTMR
	if m.opts.Boot != nil {
		m.boot(*m.opts.Boot)
	}
}

// Extend extends RTMR2 or RTMR3 with a digest, as software does that writes to
// the kernel's measurement registers: the event log knows nothing of it.
func (m *Machine) Extend(register int, digest [48]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.extend(register, digest)
}

// Measure extends RTMR2 or RTMR3 with the digest of measured, and logs the event
// with this type and data.
func (m *Machine) Measure(register int, typ eventlog.EventType, measured, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.log == nil {
		return fmt.Errorf("tdx: the machine has no event log")
	}
	if err := m.extend(register, sha512.Sum384(measured)); err != nil {
		return err
	}
	m.log.Add(register, typ, measured, data)
	return nil
}

// Announce measures a named event of an application into RTMR3 by the rule of TD
// guests for run-time events: the digest covers type, name and payload.
func (m *Machine) Announce(name string, payload []byte) error {
	data := append([]byte(name+":"), payload...)
	measured := binary.LittleEndian.AppendUint32(nil, uint32(eventlog.RuntimeEvent))
	return m.Measure(3, eventlog.RuntimeEvent, append(append(measured, ':'), data...), data)
}

// extend extends a register that is open to software once the domain runs.
func (m *Machine) extend(register int, digest [48]byte) error {
	if register != 2 && register != 3 {
		return fmt.Errorf("tdx: RTMR%d is not open to software", register)
	}
	m.registers[register] = sha512.Sum384(append(m.registers[register][:], digest[:]...))
	return nil
}

// RTMR returns what the runtime measurement registers hold.
func (m *Machine) RTMR() [4][48]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.registers
}

// EventLog returns the memory with the event log, padded with FF as firmware leaves
// it: 64 KiB, or nil if the machine has no log.
func (m *Machine) EventLog() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.log == nil {
		return nil
	}
	log := m.log.Encode()
	return append(log, bytes.Repeat([]byte{0xff}, max(logArea-len(log), 0))...)
}

// Log returns a copy of the event log, to be altered, or nil if the machine has none.
func (m *Machine) Log() *simulated.Builder {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.log == nil {
		return nil
	}
	return m.log.Clone()
}

// CCEL returns the ACPI table that says where the log is (UEFI 2.10, 38.4.2), or
// nil if the machine has no log.
func (m *Machine) CCEL() []byte {
	area := m.EventLog()
	if area == nil {
		return nil
	}
	const sizeAt, checksumAt, kindAt, areaAt, addressAt, size = 4, 9, 36, 40, 48, 56
	table := make([]byte, size)
	copy(table, "CCEL")
	copy(table[10:], "SIMUL SIMULATESIM")
	table[8], table[kindAt] = 1, 2 // revision; TDX
	binary.LittleEndian.PutUint32(table[sizeAt:], size)
	binary.LittleEndian.PutUint64(table[areaAt:], uint64(len(area)))
	binary.LittleEndian.PutUint64(table[addressAt:], 0xbedb_f000)
	var sum byte
	for _, b := range table {
		sum += b
	}
	table[checksumAt] = -sum // all bytes together make zero
	return table
}
