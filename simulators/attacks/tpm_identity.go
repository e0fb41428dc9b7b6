package attacks

import (
	"context"
	"crypto/rand"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
)

// contenders is how many want the same at once.
const contenders = 6

// tpmIdentityRows enrol a TPM's key with another TPM, and another key with a TPM.
func tpmIdentityRows() []Row {
	const recorded = "what is recorded of keys decides once TPMs have shown that they have them"
	return []Row{{"P38", "enrolment of another machine under one identity", []Case{
		{
			Name: "a key that is another TPM's", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEnrolled), Proof: ByService, Why: recorded,
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				key := rand.Text()
				if _, err := a.enrolledWith(ctx, key); err != nil {
					return Got{}, err
				}
				thief, err := a.another(func(o *tpm.MachineOptions) { o.AK = key })
				if err != nil {
					return Got{}, err
				}
				_, answer, err := a.enrol(ctx, thief)
				return answer.Got(nil), err
			},
		},
		{
			Name: "one key for many TPMs at once", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEnrolled), Proof: ByService, Why: recorded,
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				key := rand.Text()
				return race(ctx, func(ctx context.Context, _ int) (Got, error) {
					m, err := a.another(func(o *tpm.MachineOptions) { o.AK = key })
					if err != nil {
						return Got{}, err
					}
					_, answer, err := a.enrol(ctx, m)
					return answer.Got(nil), err
				})
			},
		},
		{
			Name: "one enrolment answered many times at once", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEnrolment), Proof: ByService, Why: "an enrolment is spent before anything is compared",
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				m, err := a.another()
				if err != nil {
					return Got{}, err
				}
				b, secret, err := a.proven(ctx, m)
				if err != nil {
					return Got{}, err
				}
				return race(ctx, func(ctx context.Context, _ int) (Got, error) {
					answer, err := a.activate(ctx, b.Enrolment, secret)
					return answer.Got(nil), err
				})
			},
		},
		{
			Name: "a key that a later one superseded", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMAKRevoked),
			// The policy names another TPM, and the ledger does not take back a revocation.
			Behind: codes(evidence.CodePolicyTPMEK, evidence.CodeInternal),
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				machine := rand.Text()
				first, certificates, err := a.enrolledAs(ctx, machine, "first")
				if err != nil {
					return Got{}, err
				}
				if _, _, err := a.enrolledAs(ctx, machine, "second"); err != nil {
					return Got{}, err
				}
				return a.attestUnder(ctx, first, certificates)
			},
		},
		{
			Name: "many keys of one TPM at once", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMAKRevoked), Proof: ByService, Why: "the last key of a TPM is its key, whichever it is",
			Try: manyKeys,
		},
	}}}
}

// enrolledWith enrols a TPM that nobody has seen before, with the attestation key of that name.
func (a *Attacker) enrolledWith(ctx context.Context, key string) (*tpm.Machine, error) {
	m, err := a.another(func(o *tpm.MachineOptions) { o.AK = key })
	if err != nil {
		return nil, err
	}
	_, answer, err := a.enrol(ctx, m)
	if got := answer.Got(nil); err == nil && !got.Accepted {
		err = fmt.Errorf("an honest enrolment is refused: %s", got)
	}
	return m, err
}

// enrolledAs enrols one of the keys of a TPM.
func (a *Attacker) enrolledAs(ctx context.Context, machine, key string) (*tpm.Machine, [][]byte, error) {
	m, err := a.another(func(o *tpm.MachineOptions) { o.Name, o.AK = machine, machine+"/"+key })
	if err != nil {
		return nil, nil, err
	}
	certificates, answer, err := a.enrol(ctx, m)
	if got := answer.Got(nil); err == nil && !got.Accepted {
		err = fmt.Errorf("an honest enrolment is refused: %s", got)
	}
	return m, certificates, err
}

// race does something at the same time, as often as there are contenders. It is accepted if
// that is more than once.
func race(ctx context.Context, try func(ctx context.Context, n int) (Got, error)) (Got, error) {
	got := make([]Got, contenders)
	group, ctx := errgroup.WithContext(ctx)
	for n := range got {
		group.Go(func() (err error) {
			got[n], err = try(ctx, n)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Got{}, err
	}
	return onlyOne(got), nil
}

// onlyOne is accepted if more than one was, and at fault if none was. Otherwise it is one
// that was not.
func onlyOne(got []Got) Got {
	var refused Got
	accepted := 0
	for _, g := range got {
		if g.Accepted {
			accepted++
		} else {
			refused = g
		}
	}
	refused.Accepted = accepted > 1
	refused.Note = fmt.Sprintf("%d of %d were accepted", accepted, len(got))
	if accepted == 0 {
		refused.fault("none was accepted")
	}
	return refused
}

// manyKeys enrols many keys of one TPM at once, and then quotes by each: one may count.
func manyKeys(ctx context.Context, a *Attacker) (Got, error) {
	machine := rand.Text()
	machines, certificates := make([]*tpm.Machine, contenders), make([][][]byte, contenders)
	group, grouped := errgroup.WithContext(ctx)
	for n := range machines {
		group.Go(func() (err error) {
			machines[n], certificates[n], err = a.enrolledAs(grouped, machine, fmt.Sprint(n))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Got{}, err
	}
	got := make([]Got, contenders)
	for n, m := range machines {
		var err error
		if got[n], err = a.attestUnder(ctx, m, certificates[n]); err != nil {
			return Got{}, err
		}
		// The policy names another TPM: what counts is whether it came to be asked.
		got[n].Accepted = len(got[n].Failed) > 0 && len(without(got[n].Failed, codes(evidence.CodePolicyTPMEK, evidence.CodePolicyWorkload))) == 0
	}
	return onlyOne(got), nil
}
