// Package guest is the attester's side of Intel TDX: it asks the machine that it
// runs on, a trust domain, for a quote that carries given data, and takes along
// the event log that firmware left in memory.
//
// Linux makes quotes over configfs-tsm (since 6.7;
// Documentation/ABI/testing/configfs-tsm-report), with a quoting enclave on the
// host, and shows the log among the ACPI tables (UEFI 2.10, 38.4.2). An
// [Attester] asks, checks that the answer is what it asked for, and sends the log
// only where the quote's registers bear it out. Whether the quote is genuine is
// not its business; the verifier is package tdx.
//
// Start at [Open].
package guest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/go-configfs-tsm/configfs/configfsi"
	"github.com/google/go-configfs-tsm/configfs/linuxtsm"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/internal/tsm"
)

// Options say what is asked for.
type Options struct {
	// WithoutEventLog leaves the event log at home.
	WithoutEventLog bool
}

// provider is what configfs-tsm calls the driver of TDX guests.
const provider = "tdx_guest"

// Attester is a trust domain that gives evidence of itself. It implements
// tee.Attester and is safe for concurrent use; it asks for one quote at a time, as
// the kernel would.
type Attester struct {
	options Options
	client  configfsi.Client
	tables  fs.FS
	slot    tsm.Slot // held while the kernel is asked
}

// New returns an attester that reaches configfs-tsm through client, and the ACPI
// tables in tables as Linux has them in /sys/firmware/acpi/tables.
func New(o Options, client configfsi.Client, tables fs.FS) *Attester {
	return &Attester{options: o, client: client, tables: tables, slot: tsm.NewSlot()}
}

// acpiTables is where Linux has the ACPI tables.
const acpiTables = "/sys/firmware/acpi/tables"

// Open returns an attester for the machine it runs on. If configfs-tsm is not
// there, it says so with [evidence.CodeAttesterAbsent]; if it may not be looked at,
// with [evidence.CodeAttesterDenied]. That a quote can be had shows only when one is
// asked for.
func Open(o Options) (*Attester, error) {
	client, err := linuxtsm.MakeClient()
	if err != nil {
		return nil, tsm.Classify(tsm.Name, tsm.Absent(tsm.Name, err))
	}
	return New(o, client, os.DirFS(acpiTables)), nil
}

// Kinds returns the one kind of evidence that Attest gives.
func (*Attester) Kinds() []evidence.Kind { return []evidence.Kind{evidence.KindTDX} }

// Attest returns a quote that carries the binding, and the event log. See
// [Attester.Collect] for its errors.
func (a *Attester) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	c, err := a.Collect(ctx, [64]byte(binding.ReportData(evidence.KindTDX)))
	if err != nil {
		return nil, err
	}
	return evidence.NewBundle(c.Item)
}

// Collected is what a trust domain gave.
type Collected struct {
	// Item has the quote, and the event log without its padding.
	Item *evidence.TDX
	// Omitted says why the quote goes without an event log, or is nil.
	Omitted error
}

// Collect asks for a quote with this REPORTDATA. A busy kernel is asked again a
// few times. An error is an [*evidence.Error] with one of the attester's codes, or
// wraps ctx's: Collect returns when ctx ends, though the kernel may be at work until
// it has an answer; until then later calls wait.
func (a *Attester) Collect(ctx context.Context, reportData [64]byte) (*Collected, error) {
	quote, err := tsm.Ask(ctx, a.slot, func() (quote []byte, err error) {
		err = tsm.Report(a.client, provider, reportData, func(entry *tsm.Entry) error {
			quote, err = entry.Read("outblob")
			return err
		})
		return quote, err
	})
	if ctx.Err() != nil && err != nil {
		return nil, fmt.Errorf("guest: no quote before the end: %w", ctx.Err())
	}
	if err != nil {
		return nil, tsm.Classify(tsm.Name, err)
	}
	report, err := reportOf(quote, reportData)
	if err != nil {
		return nil, err
	}
	c := &Collected{Item: &evidence.TDX{Quote: quote}}
	if !a.options.WithoutEventLog {
		c.Item.EventLog, c.Omitted = a.eventLog(report)
	}
	return c, nil
}

// Offsets and sizes in bytes (Intel TDX DCAP Quoting Library API, appendix A).
const (
	headerSize     = 48
	descriptorSize = 6 // version 5: body type and size
	reportSize     = 584
	offTEEType     = 4
	offRTMRs       = 328 // in the TD report
	offReportData  = 520
	rtmrSize       = 48
	teeTDX         = 0x81
)

// reportOf returns the TD report in a quote that was asked for with this
// REPORTDATA: a driver that mixed up two requests, or another process at the same
// entry, must not pass unnoticed.
func reportOf(quote []byte, reportData [64]byte) ([]byte, error) {
	refuse := func(format string, args ...any) ([]byte, error) {
		return nil, evidence.Errorf(evidence.CodeAttesterReport, tsm.Name, format, args...)
	}
	if len(quote) < headerSize+descriptorSize+reportSize || len(quote) > evidence.MaxReport {
		return refuse("the quote has %d bytes", len(quote))
	}
	start := headerSize
	switch version := binary.LittleEndian.Uint16(quote); version {
	case 4:
	case 5:
		start += descriptorSize
	default:
		return refuse("the quote is of version %d, not 4 or 5", version)
	}
	if kind := binary.LittleEndian.Uint32(quote[offTEEType:]); kind != teeTDX {
		return refuse("the quote is of TEE type %#x, not TDX", kind)
	}
	report := quote[start:][:reportSize]
	if !bytes.Equal(report[offReportData:], reportData[:]) {
		return refuse("the quote carries other REPORTDATA than was asked for")
	}
	return report, nil
}
