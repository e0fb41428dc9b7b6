package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

// fleet records twelve issuances, one an hour, each live for two: the even ones are
// of web on SEV-SNP and a TPM, the odd ones of db on TDX; and a refusal after each.
func fleet(t *testing.T) *store.Store {
	t.Helper()
	s := fresh(t)
	for n := range 12 {
		e := issued(n)
		at := now.Add(time.Duration(n) * time.Hour)
		e.Event.Time, e.Issuance.IssuedAt, e.Issuance.NotBefore, e.Issuance.NotAfter = at, at, at, at.Add(2*time.Hour)
		e.Event.Actor, e.Issuance.Simulated = fmt.Sprintf("peer:10.0.0.%d", n%4), n%2 == 1
		if n%2 == 1 {
			e.Issuance.Workload, e.Issuance.SPIFFEID, e.Issuance.PolicyDigest = "db", "spiffe://example.org/db", "sha256:11"
			e.Issuance.Kinds, e.Issuance.Purpose = []evidence.Kind{evidence.KindTDX}, "token"
			e.Issuance.Serial = ""
		}
		no := refused()
		no.Event.Time = at
		records(t, s, e, no)
	}
	return s
}

func TestIssuances(t *testing.T) {
	s := fleet(t)
	hour := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	serial, token := issued(6).Issuance.Serial, issued(4).Issuance.TokenID
	for name, c := range map[string]struct {
		filter store.IssuanceFilter
		want   []int
	}{
		"all":               {store.IssuanceFilter{}, []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		"live":              {store.IssuanceFilter{EndsAfter: hour(11)}, []int{11, 10}},
		"live at the end":   {store.IssuanceFilter{EndsAfter: hour(13)}, nil},
		"workload":          {store.IssuanceFilter{Workload: "db"}, []int{11, 9, 7, 5, 3, 1}},
		"identity":          {store.IssuanceFilter{SPIFFEID: "spiffe://example.org/web"}, []int{10, 8, 6, 4, 2, 0}},
		"kind":              {store.IssuanceFilter{Kind: evidence.KindTPM, Since: hour(5)}, []int{10, 8, 6}},
		"part of a kind":    {store.IssuanceFilter{Kind: "td"}, nil},
		"pattern of a kind": {store.IssuanceFilter{Kind: "%"}, nil},
		"range":             {store.IssuanceFilter{Since: hour(2), Until: hour(5)}, []int{4, 3, 2}},
		"policy":            {store.IssuanceFilter{PolicyDigest: "sha256:11", Until: hour(4)}, []int{3, 1}},
		"purpose":           {store.IssuanceFilter{Purpose: "token", EndsAfter: hour(10)}, []int{11, 9}},
		"serial":            {store.IssuanceFilter{Serial: serial}, []int{6}},
		"token":             {store.IssuanceFilter{TokenID: token}, []int{4}},
		"certified":         {store.IssuanceFilter{Certified: true, Since: hour(8)}, []int{10, 8}},
		"simulated":         {store.IssuanceFilter{Simulated: new(true), Since: hour(10)}, []int{11}},
		"not simulated":     {store.IssuanceFilter{Simulated: new(false), Since: hour(10)}, []int{10}},
		"quote":             {store.IssuanceFilter{Workload: "web' OR '1'='1"}, nil},
		"several":           {store.IssuanceFilter{Workload: "web", EndsAfter: hour(7), Kind: evidence.KindSEVSNP, Until: hour(8)}, []int{6}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, limit := range []int{1, 2, 5, 100} {
				var got []int
				f := c.filter
				f.Limit = limit
				for pages := 0; ; pages++ {
					list, next, err := s.Issuances(t.Context(), f)
					if err != nil || len(list) > limit || pages > 13 {
						t.Fatal(len(list), err)
					}
					for _, i := range list {
						var n int
						if _, err := fmt.Sscanf(i.AttestationID, "%x", &n); err != nil {
							t.Fatal(err)
						}
						got = append(got, n)
						if i.Claims != nil {
							t.Error("claims that nobody asked for")
						}
					}
					if f.Before = next; next == nil {
						break
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("with limit %d: %v, want %v", limit, got, c.want)
				}
			}
		})
	}
}

// What was issued while the clock was ahead is live, and can be revoked, when that is put right.
func TestAttack_B19_IssuedByAClockThatWasAhead(t *testing.T) {
	s := fresh(t)
	ahead := issued(1)
	at := now.Add(10 * time.Minute)
	ahead.Event.Time, ahead.Issuance.IssuedAt, ahead.Issuance.NotBefore, ahead.Issuance.NotAfter = at, at, at.Add(-time.Minute), at.Add(time.Hour)
	records(t, s, ahead)
	live, _, err := s.Issuances(t.Context(), store.IssuanceFilter{EndsAfter: now, Certified: true, Unrevoked: true, Limit: 1})
	if err != nil || len(live) != 1 {
		t.Fatalf("%d are live: %v", len(live), err)
	}
	if count, _ := revokes(t, s, 1); count != 1 {
		t.Errorf("%d revoked", count)
	}
}

// Issuances of the same instant are all found, page by page.
func TestIssuancesOfOneInstant(t *testing.T) {
	s := fresh(t)
	for n := range 50 {
		records(t, s, issued(n))
	}
	seen := map[string]bool{}
	for f := (store.IssuanceFilter{Limit: 7}); ; {
		list, next, err := s.Issuances(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range list {
			seen[i.AttestationID] = true
		}
		if f.Before = next; next == nil {
			break
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d of 50 were found", len(seen))
	}
}

// Every field of an issuance comes back.
func TestIssuance(t *testing.T) {
	s := fresh(t)
	whole, bare := issued(1), issued(2)
	*bare.Issuance = store.Issuance{AttestationID: bare.Event.AttestationID, Purpose: "appraisal", IssuedAt: now}
	records(t, s, whole, bare)
	for _, want := range []*store.Issuance{whole.Issuance, bare.Issuance} {
		got, err := s.Issuance(t.Context(), want.AttestationID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		list, _, err := s.Issuances(t.Context(), store.IssuanceFilter{Purpose: want.Purpose, Claims: true, Limit: 2})
		if err != nil || len(list) != 1 || !reflect.DeepEqual(&list[0], want) {
			t.Errorf("listed as %+v, %v", list, err)
		}
	}
	if _, err := s.Issuance(t.Context(), "none"); evidence.CodeOf(err) != evidence.CodeAttestationUnknown {
		t.Errorf("got %v", err)
	}
}

// An answer with claims ends early where they are long, and goes on from there.
func TestClaimsBoundAnAnswer(t *testing.T) {
	s := fresh(t)
	const count = 40
	for n := range count {
		e := issued(n)
		e.Issuance.Claims = json.RawMessage(`"` + strings.Repeat("x", 250<<10) + `"`)
		records(t, s, e)
	}
	seen, pages := 0, 0
	for f := (store.IssuanceFilter{Limit: 500, Claims: true}); ; pages++ {
		list, next, err := s.Issuances(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) > 18 || len(list[0].Claims) < 250<<10 {
			t.Errorf("%d issuances in one answer", len(list))
		}
		seen += len(list)
		if f.Before = next; next == nil {
			break
		}
	}
	if seen != count || pages != 2 {
		t.Errorf("%d issuances in %d answers", seen, pages+1)
	}
}

func TestEvents(t *testing.T) {
	s := fleet(t)
	p := proposes(t, s, "a", "")
	if _, err := s.ApplyProposal(t.Context(), by("alice", "policy.apply", 2), p.ID, p.Digest); err != nil {
		t.Fatal(err)
	}
	shadow := candidate("b", "")
	if err := s.SetShadow(t.Context(), by("alice", "policy.shadow", 3), &shadow); err != nil {
		t.Fatal(err)
	}
	hour := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	for name, c := range map[string]struct {
		filter store.EventFilter
		want   []int64
	}{
		"newest":      {store.EventFilter{Limit: 3}, []int64{27, 26, 25}},
		"before":      {store.EventFilter{Before: 3, Limit: 3}, []int64{2, 1}},
		"oldest":      {store.EventFilter{OldestFirst: true, Limit: 2}, []int64{1, 2}},
		"followed":    {store.EventFilter{OldestFirst: true, After: 24, Limit: 100}, []int64{25, 26, 27}},
		"nothing new": {store.EventFilter{OldestFirst: true, After: 27, Limit: 100}, nil},
		"between":     {store.EventFilter{After: 4, Before: 7, Limit: 100}, []int64{6, 5}},
		"actor":       {store.EventFilter{Actor: "peer:10.0.0.1", Limit: 100}, []int64{19, 11, 3}},
		"action":      {store.EventFilter{Action: "policy.apply", Limit: 100}, []int64{26}},
		"outcome":     {store.EventFilter{Outcome: store.Done, Limit: 100}, []int64{27, 26, 25}},
		"code":        {store.EventFilter{Code: evidence.CodeChallengeSpent.String(), Limit: 2}, []int64{24, 22}},
		"attestation": {store.EventFilter{AttestationID: issued(2).Event.AttestationID, Limit: 2}, []int64{5}},
		"since":       {store.EventFilter{Since: hour(11), Limit: 100}, []int64{24, 23}},
		"range":       {store.EventFilter{Since: hour(1), Until: hour(2), Outcome: store.Refused, Limit: 100}, []int64{4}},
	} {
		list, err := s.Events(t.Context(), c.filter)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, e := range list {
			got = append(got, e.Seq)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestStoredEvent(t *testing.T) {
	s := fresh(t)
	records(t, s, issued(1), refused())
	p := proposes(t, s, "a", "")
	if _, err := s.ApplyProposal(t.Context(), by("alice", "policy.apply", 2), p.ID, p.Digest); err != nil {
		t.Fatal(err)
	}
	if err := s.SetShadow(t.Context(), by("alice", "policy.shadow", 3), nil); err != nil {
		t.Fatal(err)
	}
	list, err := s.Events(t.Context(), store.EventFilter{OldestFirst: true, Limit: 10})
	if err != nil || len(list) != 5 {
		t.Fatal(list, err)
	}
	head, _ := s.Head(t.Context())
	set, err := s.ActivePolicy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, want := list[0], issued(1).Event
	if !first.Time.Equal(want.Time) || first.Actor != want.Actor || first.Action != want.Action || first.Outcome != want.Outcome ||
		first.AttestationID != want.AttestationID || string(first.Detail) != string(want.Detail) || first.Code != "" || first.PolicySet != nil || first.Proposal != 0 || first.Shadow {
		t.Errorf("the first event is %+v", first)
	}
	if list[1].Code != "challenge.spent" || list[1].Detail != nil {
		t.Errorf("the refusal is %+v", list[1])
	}
	if list[2].Proposal != p.ID || list[3].Proposal != p.ID || list[3].PolicySet.String() != set.Hash.String() || !list[4].Shadow {
		t.Errorf("the changes are %+v", list[2:])
	}
	if list[4].Hash.String() != head.Hash.String() {
		t.Error("the last event's hash is not the head")
	}
}

func TestQueriesAreBounded(t *testing.T) {
	s := fresh(t)
	for _, limit := range []int{0, -1, store.MaxPage + 1} {
		_, _, issuances := s.Issuances(t.Context(), store.IssuanceFilter{Limit: limit})
		_, events := s.Events(t.Context(), store.EventFilter{Limit: limit})
		_, proposals := s.Proposals(t.Context(), 0, limit)
		for _, err := range []error{issuances, events, proposals} {
			if evidence.CodeOf(err) != evidence.CodeLedgerQuery {
				t.Errorf("limit %d: %v", limit, err)
			}
		}
	}
	_, _, issuances := s.Issuances(t.Context(), store.IssuanceFilter{Limit: 1, Since: now, Until: now.Add(-1)})
	_, events := s.Events(t.Context(), store.EventFilter{Limit: 1, Since: now, Until: now.Add(-1)})
	_, numbers := s.Events(t.Context(), store.EventFilter{Limit: 1, After: 7, Before: 3})
	for _, err := range []error{issuances, events, numbers} {
		if evidence.CodeOf(err) != evidence.CodeLedgerQuery {
			t.Errorf("an empty range: %v", err)
		}
	}
}

func TestQueriesEndWithTheirContext(t *testing.T) {
	s := fleet(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, issuances := s.Issuances(ctx, store.IssuanceFilter{Limit: 1})
	_, events := s.Events(ctx, store.EventFilter{Limit: 1})
	_, issuance := s.Issuance(ctx, issued(1).Event.AttestationID)
	_, active := s.ActivePolicy(ctx)
	for n, err := range []error{issuances, events, issuance, active} {
		if evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
			t.Errorf("query %d: %v", n, err)
		}
	}
}

// A file of the build before keeps its data, its chain and its head, and takes
// policies from then on.
func TestAttack_H06_MigrationFromVersion3(t *testing.T) {
	s := fresh(t)
	records(t, s, issued(1), refused(), enrolled(1, 100, 1), quoted(1, nil, at(5)))
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path, err := s.Path()
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "quotary.db")
	err = store.OpenVersion(t.Context(), old, 3, `ATTACH ? AS new;
	   INSERT INTO issuances SELECT attestation_id, purpose, issued_at, not_before, not_after, serial, token_id,
	      spki_sha256, spiffe_id, workload, policy_digest, kinds, simulated, claims FROM new.issuances;
	   INSERT INTO enrolments SELECT * FROM new.enrolments;
	   INSERT INTO attestation_keys SELECT * FROM new.attestation_keys;
	   INSERT INTO audit_events SELECT seq, time, actor, action, outcome, code, attestation_id, detail, issuance, hash, enrolment, keys FROM new.audit_events;`, path)
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, old)
	holds(t, s, 4, 1)
	active(t, s, 0, "")
	applies(t, s, "a")
	records(t, s, issued(2), quoted(1, at(5), at(6)))
	active(t, s, 1, "a")
	if _, _, err := s.Verify(t.Context(), head); err != nil {
		t.Errorf("by the old head: %v", err)
	}
	holds(t, s, 7, 2)
}

// A record names what its certificate does; of earlier builds' it is not known.
func TestNamesOfIssuances(t *testing.T) {
	s := fresh(t)
	want := map[int][]string{1: nil, 2: {}, 3: {"web.example.org", "192.0.2.1", "2001:db8::1"}}
	for n, names := range want {
		e := issued(n)
		e.Issuance.Names = names
		records(t, s, e)
	}
	holds(t, s, 3, 3)
	for n, names := range want {
		i, err := s.Issuance(t.Context(), issued(n).Issuance.AttestationID)
		if err != nil || !slices.Equal(i.Names, names) || (i.Names == nil) != (names == nil) {
			t.Errorf("%d: %q, %v", n, i.Names, err)
		}
	}
}
