package scenarios

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/strictyaml"
	"github.com/quotary/quotary/simulators/fleet"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/vendors"
)

// Parse reads a scenario. Whatever it says that could never be run is an error with line and
// column: evidence.CodeConfigMalformed. Files that machines are made of are not read; see
// [Scenario.Load].
func Parse(file string, data []byte) (*Scenario, error) {
	switch {
	case len(data) > maxScenario:
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, file, "a scenario has at most %d bytes, this one has %d", maxScenario, len(data))
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, file, "the scenario is not UTF-8 text")
	}
	s := &Scenario{}
	if err := strictyaml.Parse(file, data, s); err != nil {
		return nil, err
	}
	s.places = newPlaces(file, data)
	if s.Seed == "" {
		s.Seed = defaultSeed
	}
	return s, s.check()
}

// Load returns the scenario with the files that its machines name read by read.
func (s *Scenario) Load(read func(name string) ([]byte, error)) (*Scenario, error) {
	loaded := *s
	loaded.Machines = slices.Clone(s.Machines)
	for i, m := range loaded.Machines {
		var err error
		if loaded.Machines[i], err = m.Load(read); err != nil {
			return nil, s.places.wrong([]any{"machines", i}, "%w", err)
		}
	}
	return &loaded, nil
}

// check holds a scenario to what can be run.
func (s *Scenario) check() error {
	wrong := s.places.wrong
	switch {
	case s.Name == "" || s.Title == "":
		return wrong(nil, "a scenario needs the keys name and title")
	case len(s.Machines) == 0 || len(s.Machines) > maxMachines:
		return wrong([]any{"machines"}, "a scenario has 1 to %d machines", maxMachines)
	case len(s.Steps) == 0 || len(s.Steps) > maxSteps:
		return wrong([]any{"steps"}, "a scenario has 1 to %d steps", maxSteps)
	}
	for i, m := range s.Machines {
		if m.Name == "" || m.Technology == "" {
			return wrong([]any{"machines", i}, "a machine needs the keys name and technology")
		}
		if slices.ContainsFunc(s.Machines[:i], func(other machines.Spec) bool { return other.Name == m.Name }) {
			return wrong([]any{"machines", i, "name"}, "there are two machines %q", m.Name)
		}
	}
	for i, fault := range s.Service.Faults {
		if !vendorsFault(fault) {
			return wrong([]any{"service", "faults", i}, "%.60q is no fault that vendors can have from the start; quotary-sim faults lists them", fault)
		}
	}
	if err := s.checkPolicy(s.Policy, "policy"); err != nil {
		return err
	}
	for i, step := range s.Steps {
		if err := s.checkStep(step, i); err != nil {
			return err
		}
	}
	return nil
}

// vendorsFault reports whether vendors can have a fault whatever machines there are.
func vendorsFault(name string) bool {
	return slices.ContainsFunc(vendors.Faults(), func(f vendors.Fault) bool { return f.Name == name && !f.Machines })
}

// known reports whether there is a machine of that name.
func (s *Scenario) known(name string) bool {
	return slices.ContainsFunc(s.Machines, func(m machines.Spec) bool { return m.Name == name })
}

func (s *Scenario) checkNames(names []string, path ...any) error {
	for i, name := range names {
		if !s.known(name) {
			return s.places.wrong(append(slices.Clone(path), i), "there is no machine %.80q in this scenario", name)
		}
	}
	return nil
}

func (s *Scenario) checkPolicy(p *Policy, path ...any) error {
	if p == nil {
		return nil
	}
	if len(p.Machines)+len(p.Documents) == 0 {
		return s.places.wrong(path, "name machines whose workloads are granted, or documents")
	}
	for i, d := range p.Documents {
		if d.Name == "" || d.Text == "" {
			return s.places.wrong(append(slices.Clone(path), "documents", i), "a document needs the keys name and text")
		}
		for _, name := range placeholders(d.Text) {
			if !s.known(name) {
				return s.places.wrong(append(slices.Clone(path), "documents", i, "text"), "there is no machine %.80q in this scenario", name)
			}
		}
	}
	return s.checkNames(p.Machines, append(slices.Clone(path), "machines")...)
}

// checkStep holds a step to be one thing, with what must come of it.
func (s *Scenario) checkStep(step Step, i int) error {
	a, err := step.action()
	if err != nil {
		return s.places.wrong([]any{"steps", i}, "%w", err)
	}
	at := func(key string) []any { return []any{"steps", i, key} }
	if a.machine != "" && !s.known(a.machine) {
		return s.places.wrong(at(a.name), "there is no machine %.80q in this scenario", a.machine)
	}
	if err := step.checkExpectation(a); err != nil {
		return s.places.wrong(at("expect"), "%w", err)
	}
	for j, name := range step.Codes {
		if new(evidence.Code).UnmarshalText([]byte(name)) != nil {
			return s.places.wrong([]any{"steps", i, "codes", j}, "%.60q is no code; docs/codes.md lists them", name)
		}
	}
	if a.name == "inject" || a.name == "clear" {
		if !fleet.OfMachines(a.what) && !vendorsFault(a.what) && !slices.ContainsFunc(vendors.Faults(), func(f vendors.Fault) bool { return f.Name == a.what }) {
			return s.places.wrong(at(a.name), "%.60q is no fault; quotary-sim faults lists them", a.what)
		}
	} else if step.On != nil {
		return s.places.wrong(at("on"), "on is of inject and clear")
	}
	if a.name == "travel" {
		if _, err := parseTravel(a.what); err != nil {
			return s.places.wrong(at("travel"), "%w", err)
		}
	}
	if err := s.checkPolicy(step.Grant, "steps", i, "grant"); err != nil {
		return err
	}
	return s.checkNames(step.On, "steps", i, "on")
}

func (step Step) checkExpectation(a action) error {
	codes, brought := len(step.Codes) > 0, step.Workload != "" || step.SPIFFEID != ""
	switch {
	case !a.judged && (step.Expect != "" || codes || brought):
		return errors.New("nobody judges this step: expect, codes, workload and spiffe_id are of attest, relay, enrol and grant")
	case !a.judged:
		return nil
	case step.Expect != accepted && step.Expect != refused:
		return errors.New("say what must come of it: expect is accepted or refused")
	case step.Expect == refused && !codes:
		return errors.New("say what it is refused with: codes lists every one")
	case step.Expect == accepted && codes:
		return errors.New("what is accepted has no codes")
	case brought && (step.Expect != accepted || a.name != "attest"):
		return errors.New("workload and spiffe_id are of attestations that are accepted")
	}
	return nil
}

// parseTravel reads a duration as Go writes them, or a whole number of days: "40d".
func parseTravel(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		if n > int(maxTravel/(24*time.Hour)) || n < -int(maxTravel/(24*time.Hour)) {
			n, err = 0, errors.New("too far")
		}
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d == 0 || d.Abs() > maxTravel {
		return 0, evidence.Errorf(evidence.CodeConfigMalformed, "", "%.40q is no time to travel; write 36h, 40d or -1d, at most ten years", text)
	}
	return d, nil
}
