package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

func attestationOf(n int) string { return fmt.Sprintf("%032x", n) }

func revocation() store.Event {
	return store.Event{Time: now, Actor: "admin:certificate:alice", Action: "admin.revocations", Outcome: store.Done, Detail: []byte(`{"reason":"stolen"}`)}
}

// revokes revokes the certificates of issued(n), and returns the number of the last revocation.
func revokes(t *testing.T, s *store.Store, ns ...int) (count int, last int64) {
	t.Helper()
	var ids []string
	for _, n := range ns {
		ids = append(ids, attestationOf(n))
	}
	count, last, err := s.Revoke(t.Context(), revocation(), ids)
	if err != nil {
		t.Fatal(err)
	}
	return count, last
}

func TestRevocationsAreNumberedAndListed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotary.db")
	s := open(t, path)
	ended, token := issued(4), issued(5)
	ended.Issuance.NotAfter = now
	token.Issuance.Serial, token.Issuance.Purpose = "", "token"
	records(t, s, issued(1), issued(2), issued(3), ended, token)
	if count, last := revokes(t, s, 2, 2, 4, 5, 99); count != 1 || last != 1 {
		t.Errorf("%d revoked, the last is %d", count, last)
	}
	if count, last := revokes(t, s, 2, 1); count != 1 || last != 2 {
		t.Errorf("%d revoked, the last is %d", count, last)
	}
	if _, _, err := s.Revoke(t.Context(), revocation(), []string{attestationOf(2)}); evidence.CodeOf(err) != evidence.CodeRevocationNone {
		t.Errorf("revoked again: %v", err)
	}
	holds(t, s, 7, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	list, err := s.Revocations(t.Context(), store.RevocationFilter{Limit: 10})
	if err != nil || len(list) != 2 || list[0].Seq != 2 || list[1].Seq != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	one := list[1]
	if one.Serial != issued(2).Issuance.Serial || one.AttestationID != attestationOf(2) || one.Actor != "admin:certificate:alice" || one.Workload != "web" ||
		string(one.Detail) != `{"reason":"stolen"}` || one.Event != 6 || len(one.SPKISHA256) != 32 || !one.NotAfter.Equal(issued(2).Issuance.NotAfter) || !one.Time.Equal(now) {
		t.Errorf("%+v", one)
	}
	if rest, err := s.Revocations(t.Context(), store.RevocationFilter{Before: 2, Limit: 10}); err != nil || len(rest) != 1 || rest[0].Seq != 1 {
		t.Errorf("%+v, %v", rest, err)
	}
	serials, last, err := s.RevocationList(t.Context(), now)
	if err != nil || last != 2 || len(serials) != 2 || serials[0].Serial != one.Serial {
		t.Errorf("%v, %d, %v", serials, last, err)
	}
	live, _, err := s.Issuances(t.Context(), store.IssuanceFilter{EndsAfter: now, Certified: true, Unrevoked: true, Limit: 10})
	if err != nil || len(live) != 1 || live[0].AttestationID != attestationOf(3) {
		t.Errorf("%+v, %v", live, err)
	}
	all, _, err := s.Issuances(t.Context(), store.IssuanceFilter{Certified: true, Limit: 10})
	if err != nil || len(all) != 4 {
		t.Fatalf("%d issuances, %v", len(all), err)
	}
	for _, i := range all {
		shown, err := s.Issuance(t.Context(), i.AttestationID)
		isRevoked := i.AttestationID == attestationOf(1) || i.AttestationID == attestationOf(2)
		if err != nil || isRevoked != i.RevokedAt.Equal(now) || !isRevoked && !i.RevokedAt.IsZero() || !shown.RevokedAt.Equal(i.RevokedAt) {
			t.Errorf("%s: revoked at %s in the list, %s when shown; %v", i.AttestationID, i.RevokedAt, shown.RevokedAt, err)
		}
	}
	events, err := s.Events(t.Context(), store.EventFilter{Action: "admin.revocations", Limit: 10})
	if err != nil || len(events) != 2 || events[0].Revoked != 1 {
		t.Errorf("%+v, %v", events, err)
	}
}

// What is published gets no longer than what could still be used: a certificate leaves the
// lists some time after its end, and the number of the last one stays.
func TestAttack_A19_ListsForgetWhatEnded(t *testing.T) {
	s := fresh(t)
	records(t, s, issued(1), issued(2))
	revokes(t, s, 1, 2)
	end := issued(1).Issuance.NotAfter
	for at, want := range map[time.Time]int{end.Add(store.RevokedFor - time.Second): 2, end.Add(store.RevokedFor): 0} {
		list, last, err := s.RevocationList(t.Context(), at)
		if err != nil || len(list) != want || last != 2 {
			t.Errorf("at %s: %v, %d, %v", at, list, last, err)
		}
		rows, err := s.Revocations(t.Context(), store.RevocationFilter{PublishedAt: at, Limit: 10})
		if err != nil || len(rows) != want {
			t.Errorf("at %s: %v, %v", at, rows, err)
		}
	}
}

// Lists have a bound: beyond it nothing is revoked any more, and nothing changes.
func TestAttack_A19_ListsHaveABound(t *testing.T) {
	s := fresh(t)
	records(t, s, issued(1), issued(2))
	if _, err := s.Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
	  INSERT INTO revocations SELECT i, 'a' || i, 's' || i, zeroblob(32), %d, 1 FROM n`, store.MaxRevocations-1, now.Add(time.Hour).UnixMicro())); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.Revoke(t.Context(), revocation(), []string{attestationOf(1), attestationOf(2)})
	if evidence.CodeOf(err) != evidence.CodeRevocationFull {
		t.Errorf("got %v", err)
	}
	if _, last := revokes(t, s, 2); last != store.MaxRevocations {
		t.Errorf("the last is %d", last)
	}
	if _, _, err := s.Revoke(t.Context(), revocation(), make([]string, store.MaxRevoked+1)); err == nil {
		t.Error("more than one event has place for")
	}
}

// A revocation that fails at any write leaves nothing behind, and can be made again.
func TestAttack_Y18_RevocationFailsAtEachWrite(t *testing.T) {
	for _, step := range []string{"begin", "head", "look-up", "revocation", "event", "commit"} {
		s := fresh(t)
		records(t, s, issued(1))
		reached := false
		s.SetFault(func(at string) error {
			if reached = reached || at == step; at == step {
				return errors.New("no space left on device")
			}
			return nil
		})
		if _, _, err := s.Revoke(t.Context(), revocation(), []string{attestationOf(1)}); evidence.CodeOf(err) != evidence.CodeLedgerUnavailable || !reached {
			t.Errorf("%s: %v, reached %v", step, err, reached)
		}
		s.SetFault(func(string) error { return nil })
		holds(t, s, 1, 1)
		if _, last := revokes(t, s, 1); last != 1 {
			t.Errorf("%s: the last is %d", step, last)
		}
		holds(t, s, 2, 1)
	}
}

func TestAttack_A26_ChangedRevocationsAreNoticed(t *testing.T) {
	statements := []string{
		`DELETE FROM revocations WHERE seq = 1`,
		`DELETE FROM revocations WHERE seq = 3`,
		`DELETE FROM revocations`,
		`UPDATE revocations SET serial = 'aa' WHERE seq = 2`,
		`UPDATE revocations SET not_after = not_after - 1 WHERE seq = 2`,
		`UPDATE revocations SET spki_sha256 = randomblob(32) WHERE seq = 3`,
		`UPDATE revocations SET event = 1 WHERE seq = 3`,
		`UPDATE revocations SET seq = 4 WHERE seq = 3`,
		`INSERT INTO revocations SELECT 4, 'a', 'b', spki_sha256, not_after, event FROM revocations WHERE seq = 3`,
		`UPDATE audit_events SET revocations = NULL WHERE revocations IS NOT NULL`,
		`UPDATE audit_events SET revocations = substr(revocations, 1, 20) WHERE revocations IS NOT NULL`,
	}
	for i, statement := range slices.Clone(statements) {
		s := fresh(t)
		records(t, s, issued(1), issued(2), issued(3))
		revokes(t, s, 1, 2)
		revokes(t, s, 3)
		holds(t, s, 5, 3)
		if _, err := s.Exec(statement); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Verify(t.Context()); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
			t.Errorf("%d: got %v after %s", i, err, statement)
		}
	}
}
