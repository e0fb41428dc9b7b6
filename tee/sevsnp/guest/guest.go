// Package guest is the attester's side of AMD SEV-SNP: it asks the machine that
// it runs on, a guest, for a report that carries given data.
//
// Linux offers two interfaces: configfs-tsm (since 6.7; Documentation/ABI/testing/configfs-tsm-report),
// and the ioctls of /dev/sev-guest (since 5.19; linux/sev-guest.h). [Open] takes
// what is there, in this order. An [Attester] asks, checks that the answer is
// what it asked for, and takes along the certificates that the host put beside
// it. Whether the report is genuine is not its business; the verifier is
// package sevsnp.
//
// Kernel, driver and host answer as they like: nothing here trusts them with
// more than a report that a verifier will judge, so a host's certificate table
// that cannot be read is left out (see [Collected.Omitted]) and the report counts alone.
package guest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/google/go-configfs-tsm/configfs/linuxtsm"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/internal/tsm"
)

// Options say what is asked for.
type Options struct {
	// VMPL is the privilege level that the report is to name, 0 (the most
	// privileged) to 3. The kernel gives its own and less privileged ones only.
	VMPL uint
}

// maxVMPL is the least privileged level (SEV-SNP ABI 56860, "VMPL").
const maxVMPL = 3

// Interface is a way to the guest's firmware: [ConfigFS] or [SEVGuest].
type Interface interface {
	name() string
	// report asks for a report. It may block for as long as the kernel does.
	report(data [64]byte, vmpl uint) (answer, error)
}

// answer is what an interface gave, unchecked.
type answer struct {
	report []byte
	table  []byte // the host's certificates; empty if there are none
	lost   error  // why there is no table although there may be one, or nil
}

// Attester is a guest that gives evidence of itself. It implements tee.Attester
// and is safe for concurrent use; it asks for one report at a time, as the
// kernel would.
type Attester struct {
	vmpl       uint
	interfaces []Interface
	slot       tsm.Slot // held while the kernel is asked
}

// New returns an attester that asks the first of interfaces that is there and
// may be used. It refuses a level that does not exist with [evidence.CodeAttesterVMPL].
func New(o Options, interfaces ...Interface) (*Attester, error) {
	if o.VMPL > maxVMPL {
		return nil, evidence.Errorf(evidence.CodeAttesterVMPL, "vmpl", "there are the levels 0 to %d, not %d", maxVMPL, o.VMPL)
	}
	if len(interfaces) == 0 {
		return nil, evidence.Errorf(evidence.CodeAttesterAbsent, "", "no interface to ask")
	}
	return &Attester{vmpl: o.VMPL, interfaces: interfaces, slot: tsm.NewSlot()}, nil
}

// Open returns an attester for the machine it runs on. If neither interface is
// there, it says so with [evidence.CodeAttesterAbsent]; if one is there that may
// not be looked at, with [evidence.CodeAttesterDenied]. That a report can be had
// shows only when one is asked for.
func Open(o Options) (*Attester, error) {
	var found []Interface
	var missing []*evidence.Error
	if client, err := linuxtsm.MakeClient(); err == nil {
		found = append(found, ConfigFS(client))
	} else {
		missing = append(missing, tsm.Classify(tsm.Name, tsm.Absent(tsm.Name, err)))
	}
	if device, err := openDevice(devicePath); err == nil {
		found = append(found, SEVGuest(device))
	} else {
		missing = append(missing, tsm.Classify(devicePath, tsm.Absent(devicePath, err)))
	}
	if len(found) == 0 {
		return nil, noneOf(missing)
	}
	return New(o, found...)
}

// Kinds returns the one kind of evidence that Attest gives.
func (*Attester) Kinds() []evidence.Kind { return []evidence.Kind{evidence.KindSEVSNP} }

// Attest returns a report that carries the binding, and the host's certificates.
// See [Attester.Collect] for its errors.
func (a *Attester) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	c, err := a.Collect(ctx, [64]byte(binding.ReportData(evidence.KindSEVSNP)))
	if err != nil {
		return nil, err
	}
	return evidence.NewBundle(c.Item)
}

// Collected is what a guest gave.
type Collected struct {
	// Item has the report, 1184 bytes, and of the host's certificates those of the
	// signing key (VCEK, VLEK) and its issuer (ASK, ASVK), without the root.
	Item *evidence.SNP
	// Interface names where it is from: "configfs-tsm" or "/dev/sev-guest".
	Interface string
	// Omitted says why some or all of the host's certificates were left out, or is
	// nil. A host without certificates is no reason.
	Omitted error
}

// Collect asks for a report with this REPORT_DATA. A busy interface is asked
// again a few times. An error is an [*evidence.Error] with one of the attester's
// codes, or wraps ctx's: Collect returns when ctx ends, though the kernel may be
// at work until it has an answer; until then later calls wait.
func (a *Attester) Collect(ctx context.Context, reportData [64]byte) (*Collected, error) {
	var refused []*evidence.Error
	for _, i := range a.interfaces {
		got, err := tsm.Ask(ctx, a.slot, func() (answer, error) { return i.report(reportData, a.vmpl) })
		if ctx.Err() != nil && err != nil {
			return nil, fmt.Errorf("guest: no report before the end: %w", ctx.Err())
		}
		if err == nil {
			return a.check(i, got, reportData)
		}
		e := tsm.Classify(i.name(), err)
		if e.Code != evidence.CodeAttesterAbsent && e.Code != evidence.CodeAttesterDenied {
			return nil, e
		}
		refused = append(refused, e)
	}
	return nil, noneOf(refused)
}

// Offsets in a report in bytes (SEV-SNP ABI 56860, table 23).
const (
	reportSize    = 0x4a0
	offVMPL       = 0x030
	offReportData = 0x050
)

// check holds an answer to what was asked for: a driver that mixed up two
// requests, or another process at the same entry, must not pass unnoticed.
func (a *Attester) check(i Interface, got answer, reportData [64]byte) (*Collected, error) {
	refuse := func(format string, args ...any) (*Collected, error) {
		return nil, evidence.Errorf(evidence.CodeAttesterReport, i.name(), format, args...)
	}
	if len(got.report) != reportSize {
		return refuse("the report has %d bytes, not %d", len(got.report), reportSize)
	}
	if carried := got.report[offReportData : offReportData+len(reportData)]; !bytes.Equal(carried, reportData[:]) {
		return refuse("the report carries other REPORT_DATA than was asked for")
	}
	if vmpl := binary.LittleEndian.Uint32(got.report[offVMPL:]); vmpl != uint32(a.vmpl) {
		return refuse("the report is of VMPL %d; VMPL %d was asked for", vmpl, a.vmpl)
	}
	certificates, omitted := certificatesOf(got.table)
	if got.lost != nil {
		omitted = got.lost
	}
	item := &evidence.SNP{Report: got.report, Certificates: certificates}
	return &Collected{Item: item, Interface: i.name(), Omitted: omitted}, nil
}
