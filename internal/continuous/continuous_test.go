package continuous_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/continuous"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// Whatever changes, who no longer passes is revoked, each for its reason, and the others stay.
func TestWhatNoLongerPassesIsRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		old, good, moving := w.issue("old"), w.issue("good"), w.issue("moving")
		s := w.run(continuous.Revoke)
		w.holds("nothing changed")

		w.apply(map[string]policies.Standing{"old": policies.Refused, "moving": policies.Moved})
		w.holds("another set", old, moving)
		_, d := w.last()
		if len(w.events) != 2 || d.Workload != "web" || d.Policy != "sha256:22" || !slices.Equal(d.Failed, []string{evidence.CodePolicySNPMeasurement.String()}) ||
			!slices.Equal(d.Triggers, []continuous.Trigger{continuous.Policy}) {
			t.Errorf("the events say %+v", d)
		}
		w.evidence["good"] = evidence.CodeReviewAnchor
		s.Trigger(continuous.Collateral)
		w.holds("a list", old, moving, good)
		event, d := w.last()
		if event.Actor != "service" || event.Action != "continuous.revoke" || event.Outcome != store.Done || d.Cause != continuous.ByEvidence || d.Policy != "" ||
			!slices.Equal(d.Failed, []string{evidence.CodeReviewAnchor.String()}) || d.Reason == "" {
			t.Errorf("%+v %+v", event, d)
		}
		st := s.Status()
		if st.Due || st.Fault != "" || st.Failures != 0 || st.Reviewed != 3+3+1 || st.Last.Reviewed != 1 || st.Last.Revoked != 1 ||
			st.Revoked[continuous.ByPolicy] != 1 || st.Revoked[continuous.ByIdentity] != 1 || st.Revoked[continuous.ByEvidence] != 1 ||
			st.Sweeps[continuous.Start] != 1 || st.Sweeps[continuous.Policy] != 1 || st.Sweeps[continuous.Collateral] != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// What the records do not tell revokes nobody: undecided, unreadable, a fault.
func TestTheUnknownIsNotRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issue("dark")
		w.issue("trap")
		w.issue("torn")
		w.live[0].Claims = json.RawMessage(`[{"kind":`)
		w.standings["dark"] = policies.Unknown
		s := w.run(continuous.Revoke)
		w.holds("the start")
		if st := s.Status(); st.Last.Unknown != 3 || st.Last.Reviewed != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// What changed while no service ran is found at the start, and what ended is left alone.
func TestSweepAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issue("old")
		time.Sleep(25 * time.Hour) // it ended
		id := w.issue("old")
		w.standings["old"] = policies.Refused
		w.run(continuous.Revoke)
		w.holds("the start", id)
	})
}

// Reference values end at a time of their own.
func TestSweepOfTheHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.issue("old")
		s := w.run(continuous.Revoke)
		w.standings["old"] = policies.Refused
		time.Sleep(59 * time.Minute)
		w.holds("before the hour")
		time.Sleep(time.Minute)
		w.holds("after the hour", id)
		if st := s.Status(); st.Sweeps[continuous.Hour] != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// However much changes at once, and while a sweep is under way, one more sweep follows.
func TestTriggersCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 600 { // three pages
			w.issue("good")
		}
		var s *continuous.Sweeper
		w.during = func() {
			for range 1000 {
				s.Trigger(continuous.Collateral)
				s.Trigger(continuous.Key)
			}
		}
		s = continuous.New(w.config(continuous.Revoke))
		go s.Run(t.Context())
		w.holds("nothing speaks against anybody")
		if st := s.Status(); w.walks != 2 || st.Reviewed != 1200 || st.Due || !slices.Equal(st.Last.Triggers, []continuous.Trigger{continuous.Collateral, continuous.Key}) {
			t.Errorf("%d walks, %+v", w.walks, st)
		}
	})
}

// All of a large fleet is found, in parts that the ledger takes.
func TestMassRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var all []string
		for range 1100 {
			all = append(all, w.issue("old"))
		}
		w.standings["old"] = policies.Refused
		w.run(continuous.Revoke)
		w.holds("the start", all...)
	})
}

// An issuance by the policy of before, which the ledger gets when the sweep is over, is found:
// whoever records it says so.
func TestAttack_A14_IssuedByThePolicyOfBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.run(continuous.Revoke)
		w.issue("old")
		time.Sleep(time.Minute)
		epoch, at := s.Epoch(), time.Now() // a request is judged by the set of before
		w.apply(map[string]policies.Standing{"old": policies.Refused})
		w.holds("the sweep", "old-0")
		time.Sleep(time.Minute)
		late := w.issue("old")
		w.live[0].IssuedAt = at
		w.holds("nobody told", "old-0")
		s.Issued(epoch, at)
		w.holds("it was told", "old-0", late)
		if st := s.Status(); st.Sweeps[continuous.Issuance] != 1 || st.Last.Triggers[0] != continuous.Policy {
			t.Errorf("%+v", st)
		}
		walks := w.walks
		s.Issued(s.Epoch(), time.Now()) // what was issued by what is in force
		if w.holds("nothing changed", "old-0", late); w.walks != walks {
			t.Error("each issuance has all looked at")
		}
	})
}

// A ledger that cannot be written is tried again, ever less often, and until then nothing is
// published and nothing counts as revoked.
func TestAttack_H08_RevocationThatCannotBeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.issue("old")
		w.standings["old"] = policies.Refused
		w.fails = evidence.Errorf(evidence.CodeLedgerUnavailable, "", "the disk is full")
		s := w.run(continuous.Revoke)
		w.holds("it fails")
		if st := s.Status(); !st.Due || st.Fault == "" || st.Failures != 1 || st.Revoked[continuous.ByPolicy] != 0 || !st.Last.At.IsZero() {
			t.Errorf("%+v", st)
		}
		time.Sleep(24 * time.Hour / 2)
		w.holds("it fails still")
		failures := s.Status().Failures
		if failures < 10 || failures > 40 {
			t.Errorf("%d tries in half a day", failures)
		}
		w.mu.Lock()
		w.fails = nil
		w.mu.Unlock()
		time.Sleep(time.Hour)
		w.holds("it is repaired", id)
		if st := s.Status(); st.Due || st.Fault != "" || st.Revoked[continuous.ByPolicy] != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// What failed is done with whatever is wanted next, be that much less.
func TestFailedSweepIsMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.issue("old")
		w.standings["old"] = policies.Refused
		w.fails = evidence.Errorf(evidence.CodeLedgerUnavailable, "", "the disk is full")
		s := w.run(continuous.Revoke)
		w.mu.Lock()
		w.fails = nil
		w.mu.Unlock()
		s.Issued(s.Epoch()-1, time.Now().Add(time.Hour)) // nothing that is there
		w.holds("the next sweep", id)
		if st := s.Status(); st.Due || st.Last.Revoked != 1 {
			t.Errorf("%+v", st)
		}
		walks := w.walks
		if time.Sleep(time.Minute); w.walks != walks {
			t.Error("it is made up for twice")
		}
	})
}

// Who was revoked or ended meanwhile is no failure.
func TestRevokedByOthersMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issue("old")
		w.standings["old"] = policies.Refused
		w.fails = evidence.Errorf(evidence.CodeRevocationNone, "", "nothing is left")
		if st := w.run(continuous.Revoke).Status(); st.Failures != 0 || st.Due || st.Last.Revoked != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A report records what would be revoked, and revokes nothing.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 300 {
			w.issue("old")
		}
		w.issue("good")
		w.standings["old"] = policies.Refused
		s := w.run(continuous.Report)
		w.holds("the start")
		event, d := w.last()
		if len(w.events) != 1 || event.Action != "continuous.report" || d.Count != 300 || len(d.Attestations) != 16 || d.Cause != continuous.ByPolicy {
			t.Errorf("%d events, %+v %+v", len(w.events), event, d)
		}
		if st := s.Status(); st.Last.Failing != 300 || st.Last.Revoked != 0 || st.Revoked[continuous.ByPolicy] != 0 {
			t.Errorf("%+v", st)
		}
		w.mu.Lock()
		w.fails = errors.New("disk")
		w.mu.Unlock()
		s.Trigger(continuous.Key)
		synctest.Wait()
		if st := s.Status(); !st.Due || st.Failures != 1 {
			t.Errorf("a report that is not on record counts as made: %+v", st)
		}
	})
}

// However many reasons there are, a report says them in so many events.
func TestReportOfManyReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for n := range 200 {
			w.issue("old")
			w.live[0].Workload = fmt.Sprintf("web-%d", n)
		}
		w.anyWorkload = true
		w.standings["old"] = policies.Refused
		w.run(continuous.Report)
		w.holds("the start")
		total := 0
		for _, e := range w.events {
			var d said
			if err := json.Unmarshal(e.Detail, &d); err != nil || len(e.Detail) > 4<<10 {
				t.Errorf("%d bytes, %v", len(e.Detail), err)
			}
			total += d.Count
		}
		if len(w.events) > 70 || total != 200 {
			t.Errorf("%d events of %d", len(w.events), total)
		}
	})
}
