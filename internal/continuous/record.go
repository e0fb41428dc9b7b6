package continuous

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/quotary/quotary/internal/store"
)

// The actions of events.
const (
	actionRevoke = "continuous.revoke"
	actionReport = "continuous.report"
)

// actor is who did it.
const actor = "service"

// detail is what an event says of why identities no longer pass.
type detail struct {
	Reason   string    `json:"reason"` // in a sentence
	Cause    Cause     `json:"cause"`
	Failed   []string  `json:"failed,omitempty"` // codes of checks
	Workload string    `json:"workload,omitempty"`
	Policy   string    `json:"policy_digest,omitempty"` // of the set that judged
	Triggers []Trigger `json:"triggers"`
	// In a report: how many would be revoked, and the attestations of some.
	Count        int      `json:"count,omitempty"`
	Attestations []string `json:"attestations,omitempty"`
}

func (k *walking) event(action string, why group, of *examples) (e store.Event, err error) {
	d := detail{
		Reason: why.reason(), Cause: why.cause, Failed: strings.Fields(why.failed), Workload: why.workload, Policy: why.policy, Triggers: k.triggers,
	}
	if of != nil {
		d.Count, d.Attestations = of.count, of.ids
	}
	e = store.Event{Time: k.Now(), Actor: actor, Action: action, Outcome: store.Done}
	e.Detail, err = json.Marshal(d)
	return e, err
}

// keep notes what would be revoked. Beyond the bound reasons are no longer told apart.
func (k *walking) keep(why group, ids []string) {
	k.found.Failing += len(ids)
	of := k.reported[why]
	if of == nil && len(k.reported) >= maxGroups {
		why = group{cause: why.cause, policy: why.policy}
		of = k.reported[why]
	}
	if of == nil {
		of = &examples{}
		k.reported[why] = of
	}
	of.count += len(ids)
	of.ids = append(of.ids, ids[:min(len(ids), maxExamples-len(of.ids))]...)
}

// report records what would be revoked.
func (k *walking) report(ctx context.Context) error {
	for why, of := range k.reported {
		event, err := k.event(actionReport, why, of)
		if err != nil {
			return err
		}
		if err := k.Ledger.Record(ctx, store.Entry{Event: event}); err != nil {
			return err
		}
		k.Logger.Warn("would revoke what no longer passes", "certificates", of.count, "workload", why.workload, "reason", why.reason(), "triggers", k.triggers)
	}
	return nil
}
