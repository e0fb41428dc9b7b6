package continuous_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/continuous"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// world is everything that a Sweeper works with. What is known of an identity is the text of
// its measurement: what speaks against one is listed by that.
type world struct {
	t *testing.T

	mu          sync.Mutex
	live        []store.Issuance // the newest first, as the ledger has them
	revoked     []string
	events      []store.Event
	published   int
	walks       int
	fails       error                        // of the ledger, to write
	evidence    map[string]evidence.Code     // that speaks against a measurement,
	standings   map[string]policies.Standing // what policy makes of one
	changed     chan struct{}
	anyWorkload bool   // identities need not be web's
	during      func() // called when the walk has passed the first page
}

func newWorld(t *testing.T) *world {
	return &world{t: t, evidence: map[string]evidence.Code{}, standings: map[string]policies.Standing{}, changed: make(chan struct{})}
}

// issue adds an identity. Its ID is the measurement with a number.
func (w *world) issue(measurement string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := fmt.Sprintf("%s-%d", measurement, len(w.live))
	claims, err := json.Marshal([]evidence.Claims{{Kind: evidence.KindSEVSNP, SEVSNP: &evidence.SNPClaims{Product: measurement}}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.live = slices.Insert(w.live, 0, store.Issuance{
		AttestationID: id, Serial: "5e" + id, Workload: "web", SPIFFEID: "spiffe://example.org/web", Names: []string{"web.example.org"},
		IssuedAt: time.Now().UTC(), NotBefore: time.Now(), NotAfter: time.Now().Add(24 * time.Hour), Claims: claims,
	})
	return id
}

// Issuances implements continuous.Ledger.
func (w *world) Issuances(_ context.Context, f store.IssuanceFilter) (list []store.Issuance, next *store.IssuanceCursor, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !f.Certified || !f.Unrevoked || !f.Claims || f.EndsAfter.IsZero() || f.Limit < 1 || f.Limit > store.MaxPage {
		w.t.Errorf("the walk asks for %+v", f)
	}
	if f.Before == nil {
		w.walks++
	} else if w.during != nil {
		w.during()
		w.during = nil
	}
	for _, i := range w.live {
		behind := f.Before == nil || i.IssuedAt.Before(f.Before.IssuedAt) || i.IssuedAt.Equal(f.Before.IssuedAt) && i.AttestationID < f.Before.AttestationID
		if behind && !i.IssuedAt.Before(f.Since) && f.EndsAfter.Before(i.NotAfter) && !slices.Contains(w.revoked, i.AttestationID) {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b store.Issuance) int {
		return cmp.Or(b.IssuedAt.Compare(a.IssuedAt), cmp.Compare(b.AttestationID, a.AttestationID))
	})
	if len(list) > f.Limit {
		list = list[:f.Limit]
		last := list[f.Limit-1]
		next = &store.IssuanceCursor{IssuedAt: last.IssuedAt, AttestationID: last.AttestationID}
	}
	return list, next, nil
}

// Revoke implements continuous.Ledger.
func (w *world) Revoke(_ context.Context, event store.Event, ids []string) (int, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fails != nil {
		return 0, 0, w.fails
	}
	if len(ids) > store.MaxRevoked {
		w.t.Errorf("%d at once", len(ids))
	}
	w.events = append(w.events, event)
	w.revoked = append(w.revoked, ids...)
	return len(ids), int64(len(w.revoked)), nil
}

// Record implements continuous.Ledger.
func (w *world) Record(_ context.Context, e store.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fails == nil {
		w.events = append(w.events, e.Event)
	}
	return w.fails
}

// Review implements continuous.Reviewer.
func (w *world) Review(recorded []evidence.Claims) (claims []evidence.Claims, checks evidence.Checks) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if recorded[0].SEVSNP.Product == "trap" {
		panic("nobody expected that")
	}
	if code := w.evidence[recorded[0].SEVSNP.Product]; !code.IsZero() {
		checks.Fail(code, "nothing that speaks against it", "a list names it")
	}
	checks.NotPerformed(evidence.CodeReviewClaims, "", "a list is old")
	return recorded, checks
}

// Reconsider implements continuous.Policies.
func (w *world) Reconsider(claims []evidence.Claims, at time.Time, granted policies.Granted) policies.Reconsidered {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at.IsZero() || granted.SPIFFEID != "spiffe://example.org/web" || granted.Workload != "web" && !w.anyWorkload || len(granted.Names) != 1 {
		w.t.Errorf("asked about %+v at %s", granted, at)
	}
	r := policies.Reconsidered{Standing: policies.Stands, Digest: "sha256:22"}
	if standing, ok := w.standings[claims[0].SEVSNP.Product]; ok {
		r.Standing = standing
		r.Reasons.Fail(evidence.CodePolicySNPMeasurement, "another", claims[0].SEVSNP.Product)
	}
	return r
}

// Changed implements continuous.Policies.
func (w *world) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// apply puts another set in force.
func (w *world) apply(standings map[string]policies.Standing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.standings = standings
	close(w.changed)
	w.changed = make(chan struct{})
}

// Renew implements continuous.Publisher.
func (w *world) Renew(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.published = len(w.revoked)
	return nil
}

// run starts a Sweeper in a bubble, and lets it do the sweep of the start.
func (w *world) run(mode continuous.Mode) *continuous.Sweeper {
	s := continuous.New(w.config(mode))
	go s.Run(w.t.Context())
	synctest.Wait()
	return s
}

func (w *world) config(mode continuous.Mode) continuous.Config {
	return continuous.Config{Mode: mode, Ledger: w, Reviewer: w, Policies: w, Publisher: w, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
}

// holds reports revocations that are not those, or are not published.
func (w *world) holds(what string, revoked ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := slices.Sorted(slices.Values(w.revoked))
	if slices.Sort(revoked); !slices.Equal(got, revoked) || w.published != len(revoked) {
		w.t.Errorf("%s: revoked %q, published %d; want %q", what, got, w.published, revoked)
	}
}

// said is the detail of an event.
type said struct {
	Reason       string
	Cause        continuous.Cause
	Failed       []string
	Workload     string
	Policy       string `json:"policy_digest"`
	Triggers     []continuous.Trigger
	Count        int
	Attestations []string
}

func (w *world) last() (store.Event, said) {
	w.t.Helper()
	if len(w.events) == 0 {
		w.t.Fatal("nothing was recorded")
	}
	event, d := w.events[len(w.events)-1], said{}
	if err := json.Unmarshal(event.Detail, &d); err != nil {
		w.t.Fatal(err)
	}
	return event, d
}
