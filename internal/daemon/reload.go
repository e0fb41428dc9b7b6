package daemon

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/quotary/quotary/internal/continuous"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// Reload reads policies and endorsements again and puts them in force together.
// If anything is wrong with them, or the change cannot be recorded, what was in
// force stays so.
func (d *Daemon) Reload(ctx context.Context) error {
	_, err := d.ReloadBy(ctx, d.own("reload"))
	return err
}

// ReloadBy is as [Daemon.Reload], for whom the event names. It implements
// server.Reloader.
func (d *Daemon) ReloadBy(ctx context.Context, by store.Event) (server.Reloaded, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	d.keepAuthority(ctx)
	loaded, err := load(d.Config)
	if err != nil {
		return server.Reloaded{}, err
	}
	active, err := d.policies.Load(loaded.files)
	if err != nil {
		return server.Reloaded{}, err
	}
	if err := d.takeOver(loaded.endorsements); err != nil {
		return server.Reloaded{}, err
	}
	if err := d.administrators.Reload(); err != nil {
		return server.Reloaded{}, err
	}
	err = d.policies.Put(active, func() error {
		set := active.Set
		if now := d.policies.Active(); now.Applied != nil { // perhaps only since
			set = now.Set
		}
		return d.note(ctx, by, loaded, set)
	})
	if err != nil {
		return server.Reloaded{}, err
	}
	d.current.Store(loaded)
	d.continuous.Load().Trigger(continuous.Collateral) // the operator's may be others now
	return d.reloaded(loaded), nil
}

// reloaded says what is in force after a reload.
func (d *Daemon) reloaded(s *snapshot) server.Reloaded {
	now := d.policies.Active()
	r := server.Reloaded{
		Policy:       server.PolicyState{Mode: now.Mode, Digest: now.Set.Digest()},
		Endorsements: s.endorsements.Len(), Unrecognised: len(s.unrecognised()),
	}
	if now.Applied != nil {
		r.Policy.Seq = now.Applied.Seq
	}
	return r
}

// own is an act of the service itself.
func (d *Daemon) own(action string) store.Event {
	return store.Event{Time: d.now(), Actor: "service", Action: action, Outcome: store.Done}
}

// note records what was read from files, before it takes effect.
func (d *Daemon) note(ctx context.Context, event store.Event, s *snapshot, set *policies.Set) error {
	detail := map[string]any{}
	if event.Detail != nil { // of who asked for it
		if err := json.Unmarshal(event.Detail, &detail); err != nil {
			return err
		}
	}
	maps.Copy(detail, map[string]any{
		"policy_digest": set.Digest(), "workloads": len(set.Workloads()), "policy_mode": d.mode,
		"endorsements": s.endorsements.Len(), "simulated_accepted": d.Config.Simulated.Accept,
	})
	var err error
	if event.Detail, err = json.Marshal(detail); err != nil {
		return err
	}
	unrecognised := s.unrecognised()
	attrs := []any{"policy_digest", set.Digest(), "policy_mode", d.mode, "workloads", set.Workloads(),
		"endorsements", s.endorsements.Len(), "unrecognised_files", len(unrecognised)}
	if len(unrecognised) > 0 {
		attrs = append(attrs, "unrecognised", unrecognised[:min(len(unrecognised), maxLoggedFiles)])
	}
	d.logger.Info(event.Action, attrs...)
	return d.ledger.Record(ctx, store.Entry{Event: event})
}
