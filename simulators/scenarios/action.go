package scenarios

import (
	"context"
	"fmt"
	"strings"
)

// action is what a step does.
type action struct {
	name    string // its key
	what    string // for people, beside the name
	machine string // that must be there; empty where none is named
	judged  bool   // that the service accepts or refuses it
	run     func(ctx context.Context, t *stage) (Got, error)
}

// action returns the one thing that a step does.
func (step Step) action() (action, error) {
	var found []action
	add := func(set bool, a action) {
		if set {
			found = append(found, a)
		}
	}
	add(step.Attest != "", action{"attest", step.Attest, step.Attest, true, func(ctx context.Context, t *stage) (Got, error) { return t.attest(ctx, step.Attest) }})
	add(step.Relay != "", action{"relay", step.Relay, step.Relay, true, func(ctx context.Context, t *stage) (Got, error) { return t.relay(ctx, step.Relay) }})
	add(step.Enrol != "", action{"enrol", step.Enrol, step.Enrol, true, func(ctx context.Context, t *stage) (Got, error) { return t.enrol(ctx, step.Enrol) }})
	add(step.Grant != nil, action{"grant", step.Grant.told(), "", true, func(ctx context.Context, t *stage) (Got, error) { return t.grant(ctx, step.Grant) }})
	if e := step.Extend; e != nil {
		add(true, action{"extend", e.Machine + " " + e.Register, e.Machine, false, done(func(_ context.Context, t *stage) error { return t.extend(e) })})
	}
	add(step.Reboot != "", action{"reboot", step.Reboot, step.Reboot, false, done(func(_ context.Context, t *stage) error { return t.reboot(step.Reboot) })})
	add(step.Inject != "", action{"inject", step.Inject, "", false, done(func(_ context.Context, t *stage) error { return t.fleet.Inject(step.Inject, step.On...) })})
	add(step.Clear != "", action{"clear", step.Clear, "", false, done(func(_ context.Context, t *stage) error { return t.fleet.Clear(step.Clear, step.On...) })})
	add(step.Travel != "", action{"travel", step.Travel, "", false, done(func(_ context.Context, t *stage) error { return t.travel(step.Travel) })})
	add(step.Refresh, action{"refresh", "", "", false, done(func(ctx context.Context, t *stage) error { return t.lab.Refresh(ctx) })})
	add(step.Restart, action{"restart", "", "", false, done(func(_ context.Context, t *stage) error { return t.lab.Restart() })})
	if len(found) != 1 {
		return action{}, fmt.Errorf("a step does exactly one thing: attest, relay, enrol, grant, extend, reboot, inject, clear, travel, refresh or restart; this one does %d", len(found))
	}
	return found[0], nil
}

// done is what nobody judges.
func done(do func(context.Context, *stage) error) func(context.Context, *stage) (Got, error) {
	return func(ctx context.Context, t *stage) (Got, error) { return Got{Outcome: "done"}, do(ctx, t) }
}

// told is the action for people.
func (step Step) told() string {
	a, err := step.action()
	if err != nil {
		return "nothing"
	}
	text := strings.TrimSpace(a.name + " " + a.what)
	if len(step.On) > 0 {
		text += " on " + strings.Join(step.On, ", ")
	}
	return text
}

// told lists what is granted.
func (p *Policy) told() string {
	if p == nil {
		return ""
	}
	names := append([]string(nil), p.Machines...)
	for _, d := range p.Documents {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}
