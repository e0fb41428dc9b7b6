package main

import (
	"context"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tdx/guest"
)

// collectTDX asks this machine for a TDX quote.
func collectTDX(s streams, o *collectOptions) (evidence.Item, error) {
	machine, err := guest.Open(guest.Options{WithoutEventLog: o.noEventLog})
	if err != nil {
		return nil, explainTDX(err)
	}
	return collectTDXFrom(s, o, machine)
}

// collectTDXFrom waits as long as the kernel does, as collectSNPFrom.
func collectTDXFrom(s streams, o *collectOptions, machine *guest.Attester) (evidence.Item, error) {
	got, err := machine.Collect(context.Background(), o.teeData())
	if err != nil {
		return nil, explainTDX(err)
	}
	if got.Omitted != nil {
		s.note("the quote goes without an event log: %s", printable(got.Omitted.Error()))
	}
	return got.Item, nil
}

// explainTDX says what to look at where a machine gives no quote.
func explainTDX(err error) error {
	hint := "quotes are made on the host, by a quote generation service; the kernel's log may say more: dmesg | grep -i tdx"
	switch evidence.CodeOf(err) {
	case evidence.CodeAttesterAbsent:
		hint = "in a TDX guest the kernel's log has TDX among the memory encryption features; then load the driver (modprobe tdx-guest, Linux 6.7)" +
			" and mount configfs at /sys/kernel/config"
	case evidence.CodeAttesterDenied:
		hint = "quotes are for root: try sudo"
	case evidence.CodeAttesterBusy:
		hint = "the host has too much to do; try again in a minute"
	}
	return withHint(fmt.Errorf("this machine gives no TDX quote: %w", err), hint)
}
