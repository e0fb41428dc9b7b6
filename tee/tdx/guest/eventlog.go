package guest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/eventlog"
)

// The files of the log, in the folder of ACPI tables.
const (
	tableName = "CCEL"
	areaName  = "data/CCEL"
)

// eventLog returns the log of this machine without its padding, if the registers
// in the TD report bear it out. A log that does not explain them would have the
// quote refused; why it is left out is then worth a note, and no more: the quote
// counts without it.
func (a *Attester) eventLog(report []byte) ([]byte, error) {
	area, err := a.logArea()
	if err != nil {
		return nil, err
	}
	log, err := eventlog.Parse(area, eventlog.RTMRs)
	if err != nil {
		return nil, fmt.Errorf("the event log cannot be read: %w", err)
	}
	if log.Size > evidence.MaxEventLog {
		return nil, fmt.Errorf("the event log has %d bytes; at most %d can be sent", log.Size, evidence.MaxEventLog)
	}
	replay, err := log.Replay(eventlog.SHA384)
	if err != nil {
		return nil, fmt.Errorf("the event log cannot be replayed: %w", err)
	}
	quoted := eventlog.Values{}
	for n := range 4 {
		quoted[n] = report[offRTMRs+n*rtmrSize:][:rtmrSize]
	}
	if wrong := replay.Compare(quoted).Mismatched; len(wrong) > 0 {
		return nil, fmt.Errorf("the event log does not explain the RTMRs %v: something extended them that it does not have", wrong)
	}
	return area[:log.Size:log.Size], nil
}

// Offsets in the CCEL table in bytes (UEFI 2.10, 38.4.2, behind the 36 bytes of
// every ACPI table's header).
const (
	offKind   = 36
	offLength = 40
	tableSize = 56
	kindTDX   = 2
)

// logArea returns the memory with the log, as long as the ACPI table says.
func (a *Attester) logArea() ([]byte, error) {
	table, err := a.read(tableName, maxTable)
	if err != nil {
		return nil, err
	}
	var sum byte
	for _, b := range table {
		sum += b
	}
	switch {
	case len(table) != tableSize || !bytes.HasPrefix(table, []byte(tableName)) || sum != 0:
		return nil, errors.New("the ACPI table of the event log is malformed")
	case table[offKind] != kindTDX:
		return nil, fmt.Errorf("the event log is of a technology with number %d, not of TDX", table[offKind])
	}
	area, err := a.read(areaName, maxArea)
	if err != nil {
		return nil, err
	}
	if length := binary.LittleEndian.Uint64(table[offLength:]); uint64(len(area)) != length {
		return nil, fmt.Errorf("the event log's memory has %d bytes; its ACPI table says %d", len(area), length)
	}
	return area, nil
}

// read reads a file of the machine's ACPI tables. Their size is not known before.
func (a *Attester) read(name string, most int64) ([]byte, error) {
	file, err := a.tables.Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the machine has no event log: %w", err)
		}
		return nil, fmt.Errorf("the event log cannot be had: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, fmt.Errorf("the event log cannot be had: %w", err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return data, nil
}
