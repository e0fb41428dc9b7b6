package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/vendors"
)

const faultsHelp = `  quotary-sim faults [-o text|json]

faults lists what can be wrong with simulated machines and with their vendors,
and the code that a service refuses it with. docs/simulators.md tells more.
  -o FORMAT  text (default) or json

Examples:
  quotary-sim faults
  quotary-sim faults -o json
`

// fault is something that can be wrong, with a machine or a vendor.
type fault struct {
	Name    string        `json:"name"`
	Title   string        `json:"title"`
	Of      string        `json:"of"`         // machines or vendors
	Applies []string      `json:"applies_to"` // technologies, or the vendor's service
	Code    evidence.Code `json:"code"`       // that a service refuses with
	// Needs says what else must be so: "ima", "pinned", "machines", or how often the
	// machine was accepted before.
	Needs string `json:"needs,omitempty"`
}

// allFaults lists those of machines, then those of vendors.
func allFaults() []fault {
	var all []fault
	for _, f := range machines.Faults() {
		var on []string
		for _, technology := range f.Technologies {
			on = append(on, technology.String())
		}
		all = append(all, fault{f.Name, f.Title, "machines", on, f.Code, needs(f)})
	}
	for _, f := range vendors.Faults() {
		of := fault{f.Name, f.Title, "vendors", []string{f.Service}, f.Code, ""}
		if f.Machines {
			of.Needs = "machines"
		}
		all = append(all, of)
	}
	return all
}

func needs(f machines.Fault) string {
	switch {
	case f.Measuring:
		return "ima"
	case f.Pinned:
		return "pinned"
	case f.After > 0:
		return fmt.Sprintf("%d accepted before", f.After)
	}
	return ""
}

// listFaults is the command faults.
func listFaults(_ context.Context, args []string, s streams) error {
	flags := newFlags("faults")
	format := flags.String("o", "text", "")
	if err := parse(flags, args); err != nil {
		return err
	}
	switch *format {
	case "text":
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "name\tof\twhat is wrong\tapplies to\tcode\tneeds")
		for _, f := range allFaults() {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.Of, f.Title, strings.Join(f.Applies, ","), f.Code, f.Needs)
		}
		return w.Flush()
	case "json":
		encoder := json.NewEncoder(s.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(allFaults())
	}
	return fmt.Errorf("-o takes text or json, not %q", *format)
}
