package scenarios

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/fleet"
	"github.com/quotary/quotary/simulators/lab"
	"github.com/quotary/quotary/simulators/vendors"
	"github.com/quotary/quotary/tee"
)

// stage is where a scenario happens: a world, its machines, and a service.
type stage struct {
	fleet *fleet.Fleet
	lab   *lab.Lab
}

// newStage sets up a scenario in a directory of its own.
func newStage(ctx context.Context, s *Scenario, dir string) (*stage, error) {
	clock := &lab.Clock{}
	world, err := simulators.NewMoving(s.Seed, clock.Now)
	if err != nil {
		return nil, err
	}
	t := &stage{fleet: fleet.New(world)}
	policy := &Policy{}
	for i, spec := range s.Machines {
		if _, err := t.fleet.Add(spec); err != nil {
			return nil, errors.Join(s.places.wrong([]any{"machines", i}, "%w", err), t.close())
		}
		policy.Machines = append(policy.Machines, spec.Name)
	}
	if s.Policy != nil {
		policy = s.Policy
	}
	documents, err := policy.documents(t.fleet, lab.DefaultTrustDomain)
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	t.lab, err = lab.Open(ctx, lab.Options{
		World: world, Clock: clock, Dir: filepath.Join(dir, "service"), Fetch: s.Service.Fetch, Documents: documents,
		Vendors: func(v *vendors.Server) error {
			t.fleet.Use(v)
			for _, fault := range s.Service.Faults {
				if err := v.Inject(fault); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *stage) close() error {
	err := t.fleet.Close()
	if t.lab != nil {
		err = errors.Join(err, t.lab.Close())
	}
	return err
}

// attest has a machine attest for a new key.
func (t *stage) attest(ctx context.Context, name string) (Got, error) {
	m, err := t.fleet.Find(name)
	if err != nil {
		return Got{}, err
	}
	return t.present(ctx, m)
}

// relay has somebody else send what a machine sent last.
func (t *stage) relay(ctx context.Context, name string) (Got, error) {
	m, err := t.fleet.Find(name)
	if err != nil {
		return Got{}, err
	}
	return t.present(ctx, m.Overheard())
}

func (t *stage) present(ctx context.Context, machine tee.Attester) (Got, error) {
	c, err := t.lab.Client()
	if err != nil {
		return Got{}, err
	}
	defer c.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Got{}, err
	}
	identity, err := c.Attest(ctx, machine, key, client.AttestOptions{})
	if err != nil {
		return refusal(err)
	}
	return Got{Outcome: accepted, Workload: identity.Workload, SPIFFEID: identity.SPIFFEID}, nil
}

// enrol enrols a machine's TPM, which uses the certificate from then on.
func (t *stage) enrol(ctx context.Context, name string) (Got, error) {
	m, err := t.fleet.Find(name)
	if err != nil {
		return Got{}, err
	}
	c, err := t.lab.Client()
	if err != nil {
		return Got{}, err
	}
	defer c.Close()
	enrolled, err := c.Enrol(ctx, m, client.EnrolOptions{})
	if err != nil {
		return refusal(err)
	}
	return Got{Outcome: accepted}, m.UseCertificates(enrolled.Certificates)
}

// refusal is what the service's no looks like; other errors are none.
func refusal(err error) (Got, error) {
	var problem *client.Problem
	if !errors.As(err, &problem) {
		return Got{}, err
	}
	got := Got{Outcome: refused, Detail: problem.Reason.Detail}
	if problem.Reason.Code == evidence.CodeNotAccepted {
		for _, check := range problem.Checks.Failed() {
			got.Codes = append(got.Codes, check.Code.String())
		}
	}
	if got.Codes == nil {
		got.Codes = []string{problem.Reason.Code.String()}
	}
	got.Codes = sorted(got.Codes)
	return got, nil
}

// sorted are names, each once.
func sorted(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// grant puts documents in force. A set that does not load is refused.
func (t *stage) grant(ctx context.Context, p *Policy) (Got, error) {
	documents, err := p.documents(t.fleet, t.lab.TrustDomain())
	if err != nil {
		return Got{}, err
	}
	err = t.lab.Grant(ctx, documents...)
	var problems policies.Problems
	switch {
	case err == nil:
		return Got{Outcome: accepted}, nil
	case errors.As(err, &problems):
		got := Got{Outcome: refused, Detail: err.Error()}
		for _, p := range problems {
			got.Codes = append(got.Codes, p.Code.String())
		}
		got.Codes = sorted(got.Codes)
		return got, nil
	}
	return Got{}, fmt.Errorf("granting: %w", err)
}

func (t *stage) extend(e *Extension) error {
	m, err := t.fleet.Find(e.Machine)
	if err != nil {
		return err
	}
	return m.Extend(e.Register, []byte(e.Data))
}

func (t *stage) reboot(name string) error {
	m, err := t.fleet.Find(name)
	if err != nil {
		return err
	}
	return m.Reboot()
}

func (t *stage) travel(text string) error {
	d, err := parseTravel(text)
	if err == nil {
		t.lab.Clock().Travel(d)
	}
	return err
}
