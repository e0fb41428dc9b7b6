package main

import (
	"context"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/sevsnp/guest"
)

const collectHelp = `usage: quotary evidence collect --report-data HEX [FLAG]… [--out FILE]

Make evidence (a CMW collection) of the machine that this runs on: an SEV-SNP
guest under Linux, asked over configfs-tsm or /dev/sev-guest. Certificates that
the host put beside the report go along. Nothing is judged.

flags:
  --report-data HEX  what the evidence is to carry: all 64 bytes of REPORT_DATA
  --vmpl N           the privilege level that the report is to name: 0, the most
                     privileged and the default, to 3
  -o json|cbor       encoding
  --out FILE         write to FILE, which must not exist yet, instead of standard output

examples:
  DATA=$(openssl rand -hex 64)
  sudo quotary evidence collect --report-data $DATA --out evidence.json
  quotary verify --endorsements ./amd --report-data $DATA evidence.json
`

// reportDataSize is the size of REPORT_DATA in bytes.
const reportDataSize = 64

// collectOptions are evidence collect's flags.
type collectOptions struct {
	reportData [reportDataSize]byte
	vmpl       uint
	output     bundleOutput
}

func parseCollect(args []string) (*collectOptions, error) {
	o := &collectOptions{}
	fs := flagSet("evidence collect")
	var reportData hexBytes
	fs.Var(&reportData, "report-data", "")
	fs.UintVar(&o.vmpl, "vmpl", 0, "")
	o.output.define(fs)
	operands, err := parse(fs, args)
	switch {
	case err != nil:
		return nil, err
	case len(operands) > 0:
		return nil, usage(fmt.Sprintf("evidence collect takes no operand, got %q", operands[0]), "try: quotary evidence collect --help")
	case len(reportData) == 0:
		return nil, usage("there is no --report-data", "give the 64 bytes that the evidence is to carry; without a fresh value from its verifier it proves nothing of today")
	case len(reportData) != reportDataSize:
		return nil, usage(fmt.Sprintf("--report-data has %d bytes, not %d", len(reportData), reportDataSize), "REPORT_DATA is compared as a whole: hash a value with SHA-512, or pad it with zeros")
	case o.vmpl > 3:
		return nil, usage(fmt.Sprintf("there is no VMPL %d", o.vmpl), "privilege levels are 0 to 3")
	}
	o.reportData = [reportDataSize]byte(reportData)
	return o, nil
}

// collector asks this machine for evidence of one kind. That the machine has none
// of it is [evidence.CodeAttesterAbsent].
type collector func(streams, *collectOptions) (evidence.Item, error)

// collectors lists all; a machine is asked for evidence of each kind.
func collectors() []collector { return []collector{collectSNP} }

func collect(s streams, args []string) (exit, error) {
	o, err := parseCollect(args)
	if err != nil {
		return exitFailed, err
	}
	var items []evidence.Item
	var absent []error
	for _, ask := range collectors() {
		item, err := ask(s, o)
		switch {
		case evidence.CodeOf(err) == evidence.CodeAttesterAbsent:
			absent = append(absent, err)
		case err != nil:
			return exitFailed, err
		default:
			items = append(items, item)
		}
	}
	if len(items) == 0 {
		for _, err := range absent[1:] {
			s.report(err)
		}
		return exitFailed, absent[0]
	}
	bundle, err := evidence.NewBundle(items...)
	if err != nil {
		return exitFailed, err
	}
	return exitAccepted, o.output.write(s, bundle)
}

// collectSNP asks this machine for an SEV-SNP report.
func collectSNP(s streams, o *collectOptions) (evidence.Item, error) {
	machine, err := guest.Open(guest.Options{VMPL: o.vmpl})
	if err != nil {
		return nil, explainSNP(err)
	}
	return collectFrom(s, o, machine)
}

// collectFrom waits as long as the kernel does, which bounds it: who wants less
// interrupts the command.
func collectFrom(s streams, o *collectOptions, machine *guest.Attester) (evidence.Item, error) {
	got, err := machine.Collect(context.Background(), o.reportData)
	if err != nil {
		return nil, explainSNP(err)
	}
	if got.Omitted != nil {
		s.note("the report goes without certificates of the host: %s", printable(got.Omitted.Error()))
	}
	return got.Item, nil
}

// explainSNP says what to look at where a machine gives no report.
func explainSNP(err error) error {
	hint := "the kernel's log may say more: dmesg | grep -i sev"
	switch evidence.CodeOf(err) {
	case evidence.CodeAttesterAbsent:
		hint = "in an SNP guest the kernel's log has SEV-SNP among the memory encryption features; then load the driver (modprobe sev-guest, Linux 5.19)" +
			" or, for configfs-tsm (Linux 6.7), mount configfs at /sys/kernel/config as well"
	case evidence.CodeAttesterDenied:
		hint = "reports are for root: try sudo, or let a group of yours open /dev/sev-guest"
	case evidence.CodeAttesterVMPL:
		hint = "name the level that the kernel runs at, or a higher number, with --vmpl"
	case evidence.CodeAttesterBusy:
		hint = "the host throttles requests for reports; try again in a minute"
	}
	return withHint(fmt.Errorf("this machine gives no SEV-SNP report: %w", err), hint)
}
