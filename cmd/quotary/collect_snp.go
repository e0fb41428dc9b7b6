package main

import (
	"context"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/sevsnp/guest"
)

// collectSNP asks this machine for an SEV-SNP report.
func collectSNP(s streams, o *collectOptions) (evidence.Item, error) {
	machine, err := guest.Open(guest.Options{VMPL: o.vmpl})
	if err != nil {
		return nil, explainSNP(err)
	}
	return collectSNPFrom(s, o, machine)
}

// collectSNPFrom waits as long as the kernel does, which bounds it: who wants less
// interrupts the command.
func collectSNPFrom(s streams, o *collectOptions, machine *guest.Attester) (evidence.Item, error) {
	got, err := machine.Collect(context.Background(), o.teeData())
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
