//go:build proof

package attacks

import (
	"fmt"
	"testing"

	"github.com/quotary/quotary/evidence"
)

// TestProofs tries every case twice: on the service as it is, and without the checks that
// refuse it. Then it must be accepted: so it is these checks that refused it, and
// they alone. It is run by TestProof, in a build in which checks can be taken away.
func TestProofs(t *testing.T) {
	a, err := newAttacker(service(t))
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	for _, of := range allSeries() {
		p := prover{runner{attacker: a, controls: map[string]error{}}, map[string]int{}}
		t.Run(of.letter, func(t *testing.T) {
			for _, row := range of.rows() {
				for _, c := range row.Cases {
					if _, known := p.controls[c.Subject]; !known {
						p.controls[c.Subject] = p.control(t.Context(), c.Subject)
					}
					p.prove(t, task{row, c})
				}
			}
			t.Logf("proofs of series %s: %v", of.letter, p.counts)
		})
	}
}

type prover struct {
	runner
	counts map[string]int
}

// prove leaves to TestSuite what no check refuses.
func (p *prover) prove(t *testing.T, c task) {
	t.Helper()
	name := fmt.Sprintf("%s, %s", c.row.ID, c.Name)
	switch {
	case c.Proof == ByParser && p.without(t, c, c.Want).Accepted:
		t.Errorf("%s: accepted without its check, so let that be its proof", name)
	case c.Proof != ByCheck:
		p.counts[c.Proof.String()]++
	default:
		p.proveByCheck(t, c, name)
	}
}

// proveByCheck counts how much must be taken away until the mutant is accepted.
func (p *prover) proveByCheck(t *testing.T, c task, name string) {
	t.Helper()
	switch plain := p.one(t.Context(), c); {
	case plain.Verdict == Skipped:
		p.counts["skipped"]++
		return
	case plain.Verdict != Held:
		t.Errorf("%s: %s: %s", name, plain.Verdict, plain.Reason)
		return
	}
	got := p.without(t, c, c.Want)
	if len(c.Behind) > 0 {
		if got.Accepted {
			t.Errorf("%s: %v would not refuse it", name, c.Behind)
		}
		got = p.without(t, c, append(codes(c.Want...), c.Behind...))
		if last := []evidence.Code{got.Code}; len(got.Failed) == 0 && len(without(last, c.Behind)) == 0 {
			got.Accepted = true
		}
	}
	switch {
	case !got.Accepted:
		t.Errorf("%s: refused without its checks %v, too: %s, code %s %v", name, c.Want, got, got.Code, got.Faults)
	case len(c.Behind) > 0:
		p.counts["check, with a second behind"]++
	case len(c.Want) > 1:
		p.counts["several checks together"]++
	default:
		p.counts["one check"]++
	}
}

// without tries a case while these checks are taken away.
func (p *prover) without(t *testing.T, c task, codes []evidence.Code) Got {
	t.Helper()
	evidence.Disable(codes...)
	defer evidence.Disable()
	return p.one(t.Context(), c).Got
}
