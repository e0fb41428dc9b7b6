package attacks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// Subject is what is attacked, or stood in for: an honest machine, and the policy
// that accepts it. A mutant differs from it in one thing.
type Subject struct {
	Name string // of its workload, too
	// Requires is one alternative of its workload, YAML as below any_of. Workloads must be
	// told apart by two things, such as measurement and host data: where the check of
	// one of them is taken away, the other still says which machine it is. Empty if another
	// subject's workload accepts this one as well.
	Requires string
	// Machine is the honest machine.
	Machine tee.Attester
	// Honest attests as the honest machine does. Nil is an attestation by Machine.
	Honest func(ctx context.Context, a *Attacker) (Got, error)
	// Documents are what else the policy needs, such as reference values.
	Documents []policies.File
}

// Documents are the policy documents that a target must have in force, all others'
// aside: the workloads of all subjects, in this trust domain.
func Documents(w *simulators.World, trustDomain string) ([]policies.File, error) {
	subjects, err := allSubjects(w)
	if err != nil {
		return nil, err
	}
	var files []policies.File
	for _, s := range subjects {
		if s.Requires != "" {
			files = append(files, policies.File{Name: "attacks-" + s.Name + ".yaml", Data: []byte(s.workload(trustDomain))})
		}
		files = append(files, s.Documents...)
	}
	return files, nil
}

// workload is the subject's policy document. It consents to simulated evidence.
func (s *Subject) workload(trustDomain string) string {
	requires := strings.ReplaceAll(strings.TrimSpace(s.Requires), "\n", "\n    ")
	return fmt.Sprintf(`apiVersion: quotary.dev/v1
kind: Workload
name: attacks-%[1]s
identity:
  spiffe_id: spiffe://%[2]s/attacks/%[1]s
  ttl: 1h
allow_simulated: true
any_of:
  - %[3]s
`, s.Name, trustDomain, requires)
}

// newTPM makes a machine with a TPM whose clock does not go backwards from one run to
// the next, since services remember it.
func newTPM(w *simulators.World, o tpm.MachineOptions) (*tpm.Machine, error) {
	o.Since = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) // before any world's time
	return w.TPM.NewMachine(o)
}

// allSubjects makes every series' subjects. The same world gives the same.
func allSubjects(w *simulators.World) ([]Subject, error) {
	var all []Subject
	known := map[string]bool{}
	for _, of := range allSeries() {
		subjects, err := of.subjects(w)
		if err != nil {
			return nil, fmt.Errorf("attacks: the subjects of series %s: %w", of.letter, err)
		}
		for _, s := range subjects {
			if known[s.Name] {
				return nil, fmt.Errorf("attacks: there are two subjects of the name %q", s.Name)
			}
			known[s.Name] = true
			all = append(all, s)
		}
	}
	return all, nil
}
