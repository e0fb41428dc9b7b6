package machines

import (
	"context"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
)

// Fault is something that is wrong with a machine.
type Fault struct {
	Name         string
	Title        string
	Technologies []Technology  // that it can befall
	Code         evidence.Code // that a service refuses it with
	// After is how often the machine attests as it should before the fault shows: what is
	// wrong with it contradicts what was accepted earlier.
	After int
	// Measuring says that it befalls only machines whose kernel measures files.
	Measuring bool
	// Sent says that it is in what the machine sends, so that it can begin and end while the
	// machine runs ([Machine.Inject]).
	Sent bool
	// Pinned says that it shows only where the requirement asks for this very machine.
	Pinned bool
}

// fault is a fault and what it does. What is nil is as it should be.
type fault struct {
	Fault
	// inside says that the fault is in a TPM, or needs its keys: only one that runs
	// in-process has it.
	inside bool
	// launch has the machine launch something else.
	launch func(*Spec)
	// build has it be something else.
	build func(*simulators.World, *plan) error
	// send has it send something else; honest is what it would send.
	send func(ctx context.Context, m *Machine, binding evidence.Binding, honest attest) (evidence.Bundle, error)
}

// attest is a way of attesting.
type attest = func(context.Context, evidence.Binding) (evidence.Bundle, error)

// Faults lists the faults of machines, sorted by name.
func Faults() []Fault {
	var all []Fault
	for _, f := range faults() {
		all = append(all, f.Fault)
	}
	return all
}

// faults are what [Faults] lists, with what they do.
func faults() []fault {
	all := slices.Concat(generalFaults(), compositeFaults(), snpReportFaults(), snpKeyFaults(), tdxFaults(), tdxQuoteFaults(), tpmFaults(), tpmQuoteFaults(), logFaults(), imaFaults(), pinnedFaults())
	for i, f := range all {
		all[i].Sent = f.send != nil && f.build == nil && f.launch == nil
	}
	slices.SortFunc(all, func(a, b fault) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// The technologies that faults befall.
var (
	everyTechnology = Technologies()
	withSNP         = []Technology{SEVSNP, SEVSNPTPM, AzureSNP}
	withTDX         = []Technology{TDX, TDXTPM, AzureTDX}
	withTDXLog      = []Technology{TDX, TDXTPM}
	withTPM         = []Technology{TPM, SEVSNPTPM, TDXTPM, AzureSNP, AzureTDX}
	withCertifiedAK = []Technology{TPM, SEVSNPTPM, TDXTPM}
	covering        = []Technology{SEVSNPTPM, TDXTPM}
	azure           = []Technology{AzureSNP, AzureTDX}
)

// faultsOf returns the faults that a description names.
func faultsOf(s Spec) ([]fault, error) {
	if len(s.Faults) > maxFaults {
		return nil, wrong("faults", "a machine has at most %d faults", maxFaults)
	}
	all := faults()
	var named []fault
	for _, name := range s.Faults {
		at := slices.IndexFunc(all, func(f fault) bool { return f.Name == name })
		if at < 0 {
			return nil, wrong("faults", "%.60q is no fault of a machine; quotary-sim faults lists them", name)
		}
		if !slices.Contains(all[at].Technologies, s.Technology) {
			return nil, wrong("faults", "%s does not befall a machine of technology %s, but %s", name, s.Technology, joined(all[at].Technologies))
		}
		if all[at].inside && s.TPM.Backend == SWTPM {
			return nil, wrong("faults", "%s is of TPMs that run in-process", name)
		}
		if all[at].Measuring && s.IMA == nil {
			return nil, wrong("faults", "%s befalls machines whose kernel measures files: add ima", name)
		}
		if all[at].Pinned && !s.Pinned {
			return nil, wrong("faults", "%s shows where the machine is pinned only: add pinned: true", name)
		}
		named = append(named, all[at])
	}
	return named, nil
}
