package tpm

import (
	"fmt"
	"maps"
	"slices"

	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/tee/eventlog"
)

// start does what happens from power-on to a running kernel: TPM2_Startup(CLEAR), the boot
// and its log, and the first entry of the kernel's list.
func (m *Machine) start() error {
	m.pcrs, m.log, m.list = startPCRs(), nil, measurementList{}
	m.resets++
	m.restarts = 0
	if m.options.Boot != nil {
		var banks []eventlog.Algorithm
		for _, name := range m.options.Banks {
			bank, ok := eventlog.ParseAlgorithm(name)
			if !ok {
				return fmt.Errorf("tpm: no bank %q", name)
			}
			banks = append(banks, bank)
		}
		m.log = m.options.Boot.Log(eventlog.PCRs, banks...)
		for _, entry := range m.log.Entries {
			if err := m.follow(entry); err != nil {
				return err
			}
		}
	}
	if m.options.IMA {
		m.list.on = true
		return m.measureBoot()
	}
	return nil
}

// follow extends a PCR with the digests of a log's entry.
func (m *Machine) follow(entry simulated.Entry) error {
	if entry.Type == eventlog.NoAction {
		return nil
	}
	for _, bank := range slices.Sorted(maps.Keys(entry.Digests)) {
		if err := m.extend(entry.Register, entry.Digests[bank]); err != nil {
			return err
		}
	}
	return nil
}

// Reboot starts the machine again, with the same boot. The PCRs begin anew, the
// reset is counted, and the restarts since are not any more.
func (m *Machine) Reboot() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.start()
}

// Boot starts the machine again with another boot, which later reboots repeat. Nil is
// a start without firmware.
func (m *Machine) Boot(boot *simulated.Boot) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.options.Boot = boot
	return m.start()
}

// Suspend suspends the machine and resumes it (TPM2_Startup(STATE)): PCRs that the
// firmware and the kernel measure into keep their values, and the restart is counted.
func (m *Machine) Suspend() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restarts++
	fresh := startPCRs()
	for bank, values := range m.pcrs {
		for index := range values {
			if index >= firstDynamic {
				values[index] = fresh[bank][index]
			}
		}
	}
}

// MeasureEvent extends a PCR in every bank with the digest of measured, and adds
// the event to the log with this type and data.
func (m *Machine) MeasureEvent(pcr int, typ eventlog.EventType, measured, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.log == nil {
		return fmt.Errorf("tpm: the machine keeps no event log")
	}
	m.log.Add(pcr, typ, measured, data)
	return m.follow(m.log.Entries[len(m.log.Entries)-1])
}

// Log returns a copy of the event log, to be altered, or nil if the machine keeps none.
func (m *Machine) Log() *simulated.Builder {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.log == nil {
		return nil
	}
	return m.log.Clone()
}

// EventLog returns what the kernel offers as binary_bios_measurements, or nil if the
// machine keeps no log.
func (m *Machine) EventLog() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.log == nil {
		return nil
	}
	return m.log.Encode()
}
