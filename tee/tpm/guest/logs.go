package guest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/eventlog"
	"github.com/quotary/quotary/tee/ima"
)

// imaList is the kernel's measurement list.
const imaList = "ima/binary_runtime_measurements"

// eventLogName returns where the event log of the TPM is: each has a folder of its own.
func eventLogName(device string) string {
	number, isManaged := strings.CutPrefix(path.Base(device), "tpmrm")
	if !isManaged {
		number, _ = strings.CutPrefix(path.Base(device), "tpm")
	}
	if number == "" || strings.Trim(number, "0123456789") != "" {
		number = "0"
	}
	return "tpm" + number + "/binary_bios_measurements"
}

// addLogs adds the logs that explain the quote. They are read after it: PCR 10 then
// has a value that the list leads to on its way.
func (a *Attester) addLogs(c *Collected) {
	values := c.Item.PCRs[a.selection.bank.name]
	var err error
	if !a.quoting.WithoutEventLog {
		c.Item.EventLog, err = a.eventLog(values)
		// Without an event log there is nothing to say: virtual TPMs often have none.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.Omitted = append(c.Omitted, fmt.Errorf("the event log is left out: %w", err))
		}
	}
	if a.quoting.IMA {
		if c.Item.IMALog, err = a.imaLog(values); err != nil {
			c.Omitted = append(c.Omitted, fmt.Errorf("the IMA log is left out: %w", err))
			return
		}
		c.Item.IMAOffset = a.quoting.IMAOffset
	}
}

// lastFirmware is the last PCR that is firmware's and the boot loader's alone, which
// their log must explain.
const lastFirmware = 7

// eventLog returns the event log if the quoted PCRs bear it out. One that does not
// would have the quote refused; without it the quote counts alone.
func (a *Attester) eventLog(quoted map[int]evidence.Hex) ([]byte, error) {
	raw, err := a.read(eventLogName(a.tpm.device.String()), maxEventLog)
	if err != nil || len(raw) == 0 {
		return nil, err
	}
	if len(raw) > evidence.MaxEventLog {
		return nil, fmt.Errorf("it has %d bytes; at most %d can be sent", len(raw), evidence.MaxEventLog)
	}
	log, err := eventlog.Parse(raw, eventlog.PCRs)
	if err != nil {
		return nil, err
	}
	algorithm, ok := eventlog.ParseAlgorithm(a.selection.bank.name)
	if !ok {
		return nil, fmt.Errorf("digests of %s cannot be computed", a.selection.bank.name)
	}
	replay, err := log.Replay(algorithm)
	if err != nil {
		return nil, err
	}
	wrong := slices.DeleteFunc(replay.Compare(quoted).Mismatched, func(n int) bool { return n > lastFirmware })
	if len(wrong) > 0 {
		return nil, fmt.Errorf("it does not explain the PCRs %v: something extended them that it does not have, or it is of another machine's TPM", wrong)
	}
	return raw, nil
}

// imaLog returns the entries of the kernel's list that have not been sent. A list from
// its start is held to PCR 10, and cut behind the entry that leads to the quoted value.
func (a *Attester) imaLog(quoted map[int]evidence.Hex) ([]byte, error) {
	pcr, ok := quoted[ima.PCR]
	if !ok {
		return nil, fmt.Errorf("the quote does not cover PCR %d", ima.PCR)
	}
	raw, err := a.read(imaList, maxIMAList)
	if err != nil {
		return nil, err
	}
	rest, err := ima.Skip(raw, a.quoting.IMAOffset)
	if err != nil {
		return nil, err
	}
	if len(rest) > evidence.MaxIMALog {
		return nil, fmt.Errorf("%d bytes of it are new; at most %d can be sent", len(rest), evidence.MaxIMALog)
	}
	list, err := ima.Parse(rest)
	if err != nil {
		return nil, err
	}
	if a.quoting.IMAOffset > 0 {
		return rest, nil // what PCR 10 held before them is not known here
	}
	covered, ok := list.Replay(nil, a.selection.bank.hash).Find(pcr)
	switch {
	case !ok:
		return nil, fmt.Errorf("no entry of it leads to the quoted value of PCR %d: something else extended it, or the kernel is older than 5.8", ima.PCR)
	case covered < len(list.Entries):
		rest = rest[:list.Entries[covered].Offset:list.Entries[covered].Offset]
	}
	return rest, nil
}

// read reads a log. Its size is not known before.
func (a *Attester) read(name string, most int64) ([]byte, error) {
	file, err := a.quoting.Logs.Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%w; logs are for root", err)
		}
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return data, nil
}
