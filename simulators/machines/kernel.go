package machines

import (
	"bytes"
	"crypto/rand"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"github.com/google/go-configfs-tsm/configfs/configfsi"
	"github.com/google/go-configfs-tsm/configfs/faketsm"
)

// kernel is what a guest's kernel shows of its TEE.
type kernel struct {
	provider string
	// report returns the hardware's report or quote with this data, for a privilege
	// level where the technology has them.
	report func(data [64]byte, level uint) ([]byte, error)
	table  func() []byte // the host's certificates; nil without them
	// registers are the runtime registers that software may extend; nil without them.
	registers *registers
	tables    fs.FS // of ACPI
}

// configFS returns the kernel's configfs-tsm.
func (k *kernel) configFS() configfsi.Client {
	subsystems := map[string]configfsi.Client{"report": &faketsm.ReportSubsystem{
		MakeEntry: func() *faketsm.ReportEntry {
			return &faketsm.ReportEntry{InAttrs: map[string]*faketsm.ReportAttributeState{"privlevel": {Value: []byte("0")}, "inblob": {}}}
		},
		CheckInAttr: check,
		ReadAttr:    k.read,
		Random:      rand.Reader,
	}}
	if k.registers != nil {
		subsystems["rtmrs"] = k.registers
	}
	return &faketsm.Client{Subsystems: subsystems}
}

// check refuses what Linux refuses to have written.
func check(_ *faketsm.ReportEntry, attribute string, value []byte) error {
	switch attribute {
	case "inblob":
		if len(value) == 0 || len(value) > 64 {
			return syscall.EINVAL
		}
	case "privlevel":
		if level, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 8); err != nil || level > 3 {
			return syscall.EINVAL
		}
	default:
		return os.ErrPermission
	}
	return nil
}

// read makes an attribute's value, as Linux does on the first read.
func (k *kernel) read(entry *faketsm.ReportEntry, attribute string) ([]byte, error) {
	switch attribute {
	case "provider":
		return []byte(k.provider + "\n"), nil
	case "privlevel_floor":
		return []byte("0\n"), nil
	case "outblob":
		var data [64]byte
		if copy(data[:], entry.InAttrs["inblob"].Value) == 0 {
			return nil, syscall.EINVAL
		}
		level, err := strconv.ParseUint(string(bytes.TrimSpace(entry.InAttrs["privlevel"].Value)), 10, 8)
		if err != nil {
			return nil, syscall.EINVAL
		}
		return k.report(data, uint(level))
	case "auxblob":
		if k.table != nil {
			return k.table(), nil
		}
	}
	return nil, os.ErrNotExist
}

// ConfigFS returns the machine's configfs-tsm, for code that collects evidence: a fake
// client of go-configfs-tsm, or nil if the machine is no guest of a TEE. Its runtime
// registers can be extended in it.
func (m *Machine) ConfigFS() configfsi.Client {
	if m.kernel == nil {
		return nil
	}
	return m.kernel.configFS()
}

// ACPITables returns the machine's ACPI tables as Linux has them in
// /sys/firmware/acpi/tables: those of the event log, if there is one.
func (m *Machine) ACPITables() fs.FS {
	if m.kernel == nil || m.kernel.tables == nil {
		return files{}
	}
	return m.kernel.tables
}
