package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

// digest is a key's digest; n tells keys apart.
func digest(n byte) evidence.Digest { return evidence.Digest{n, 1, 2} }

// enrolled is an enrolment of attestation key ak by the TPM with endorsement key
// ek; n tells entries apart.
func enrolled(n int, ek, ak byte) store.Entry {
	id := fmt.Sprintf("%032x", 0xe000+n)
	return store.Entry{
		Event: store.Event{Time: now, Actor: "peer:127.0.0.1", Action: "enrolment", Outcome: store.Issued, AttestationID: id},
		Enrolment: &store.Enrolment{
			ID: id, EKSHA256: digest(ek), AKSHA256: digest(ak), AKName: []byte{0, 11, ak}, EKSource: "certificate",
			Manufacturer: "id:414D4400", Model: "AMD", Version: "id:00060017", Serial: "5e" + id,
			IssuedAt: now, NotAfter: now.Add(24 * time.Hour),
		},
	}
}

func replacing(e store.Entry) store.Entry {
	e.Enrolment.Replace = true
	return e
}

// records records entries that must be taken.
func records(t *testing.T, s *store.Store, entries ...store.Entry) {
	t.Helper()
	for n, e := range entries {
		if err := s.Record(t.Context(), e); err != nil {
			t.Fatalf("entry %d: %v", n, err)
		}
	}
}

// refuses records an entry that must be refused with this code, without a trace.
func refuses(t *testing.T, s *store.Store, e store.Entry, code evidence.Code) {
	t.Helper()
	before, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Record(t.Context(), e); evidence.CodeOf(err) != code {
		t.Errorf("got %v, want a refusal with %s", err, code)
	}
	after, err := s.Head(t.Context())
	if err != nil || after.Seq != before.Seq || after.Hash.String() != before.Hash.String() {
		t.Errorf("a refused entry left a trace: %v, %v", after, err)
	}
	if _, _, err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// revoked fails the test unless the key is known and revoked or not, in memory
// and after a restart.
func revoked(t *testing.T, s *store.Store, ak byte, want bool) {
	t.Helper()
	for _, when := range []string{"in memory", "on disk"} {
		if state, _, ok := s.KeyState(digest(ak)); !ok || state.Revoked != want {
			t.Errorf("key %d %s: %+v, %v; want revoked %v", ak, when, state, ok, want)
		}
		if err := s.Reload(100); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEnrolment(t *testing.T) {
	s := fresh(t)
	if _, _, ok := s.KeyState(digest(1)); ok {
		t.Error("a key is known before anything")
	}
	records(t, s, enrolled(1, 100, 1), enrolled(2, 101, 2))
	for _, ak := range []byte{1, 2} {
		if state, policy, ok := s.KeyState(digest(ak)); !ok || state.Quoted || state.Revoked || policy != "" {
			t.Errorf("a new key's state is %+v, %q, %v", state, policy, ok)
		}
	}
	records(t, s, enrolled(3, 100, 1)) // a renewal
	revoked(t, s, 1, false)
	holds(t, s, 3, 0)
	if n, err := s.QueryInt("SELECT count(*) FROM enrolments"); err != nil || n != 3 {
		t.Errorf("%d enrolments, %v", n, err)
	}
}

// A renewal does not take back what was known of the key.
func TestRenewalKeepsTheState(t *testing.T) {
	s := fresh(t)
	records(t, s, enrolled(1, 100, 1), quoted(1, nil, at(5)), enrolled(2, 100, 1))
	if state, policy, _ := s.KeyState(digest(1)); state.Clock != 5 || policy != "sha256:aa" {
		t.Errorf("after the renewal: %+v, %q", state, policy)
	}
}

func TestAttack_P38_KeyOfAnotherTPM(t *testing.T) {
	s := fresh(t)
	records(t, s, enrolled(1, 100, 1))
	refuses(t, s, enrolled(2, 101, 1), evidence.CodeTPMEnrolled)
	refuses(t, s, replacing(enrolled(2, 101, 1)), evidence.CodeTPMEnrolled)
	records(t, s, replacing(enrolled(3, 100, 2))) // even after it was superseded
	refuses(t, s, replacing(enrolled(4, 101, 1)), evidence.CodeTPMEnrolled)
	revoked(t, s, 1, true)
	revoked(t, s, 2, false)
}

func TestAttack_P38_SecondKeyOfATPM(t *testing.T) {
	s := fresh(t)
	records(t, s, enrolled(1, 100, 1))
	refuses(t, s, enrolled(2, 100, 2), evidence.CodeTPMEnrolled)
	revoked(t, s, 1, false)
	if _, _, ok := s.KeyState(digest(2)); ok {
		t.Error("a refused key is known")
	}
	records(t, s, replacing(enrolled(2, 100, 2)))
	revoked(t, s, 1, true)
	refuses(t, s, enrolled(3, 100, 1), evidence.CodeTPMEnrolled) // it would supersede in turn
	records(t, s, replacing(enrolled(3, 100, 1)))                // it comes back
	revoked(t, s, 1, false)
	revoked(t, s, 2, true)
	holds(t, s, 3, 0)
}

// A key that the operator gave, and that quoted, may be enrolled later.
func TestKnownKeyIsEnrolled(t *testing.T) {
	s := fresh(t)
	records(t, s, quoted(1, nil, at(5)), enrolled(1, 100, 1))
	refuses(t, s, enrolled(2, 101, 1), evidence.CodeTPMEnrolled)
	if state, _, _ := s.KeyState(digest(1)); state.Clock != 5 {
		t.Errorf("its state is %+v", state)
	}
}

// A hundred TPMs want the same key at once, and a hundred keys the same TPM: one
// gets it each time.
func TestAttack_P38_ConcurrentEnrolments(t *testing.T) {
	for name, entry := range map[string]func(n int) store.Entry{
		"one key":          func(n int) store.Entry { return enrolled(n, byte(n), 200) },
		"one key replaced": func(n int) store.Entry { return replacing(enrolled(n, byte(n), 200)) },
		"one TPM":          func(n int) store.Entry { return enrolled(n, 200, byte(n)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := fresh(t)
			won := race(t, s, 100, entry, evidence.CodeTPMEnrolled)
			if won != 1 {
				t.Errorf("%d enrolments won", won)
			}
			holds(t, s, int64(won), 0)
		})
	}
	t.Run("one TPM replaced", func(t *testing.T) {
		s := fresh(t)
		if won := race(t, s, 100, func(n int) store.Entry { return replacing(enrolled(n, 200, byte(n))) }, evidence.Code{}); won != 100 {
			t.Errorf("%d enrolments were taken", won)
		}
		if n, err := s.QueryInt("SELECT count(*) FROM attestation_keys WHERE revoked = ''"); err != nil || n != 1 {
			t.Errorf("%d keys are current, %v", n, err)
		}
		holds(t, s, 100, 0)
	})
}

// race records entries all at once and returns how many were taken; the others
// were refused with this code.
func race(t *testing.T, s *store.Store, callers int, entry func(n int) store.Entry, code evidence.Code) (won int) {
	t.Helper()
	var ready sync.WaitGroup
	ready.Add(callers)
	errs := make(chan error, callers)
	for n := range callers {
		go func() {
			e := entry(n)
			ready.Done()
			ready.Wait()
			errs <- s.Record(context.Background(), e)
		}()
	}
	for range callers {
		switch err := <-errs; evidence.CodeOf(err) {
		case evidence.Code{}:
			if err != nil {
				t.Error(err)
			}
			won++
		case code:
		default:
			t.Error(err)
		}
	}
	return won
}

func TestEnrolmentsAreComplete(t *testing.T) {
	s := fresh(t)
	for name, change := range map[string]func(*store.Entry){
		"another ID":        func(e *store.Entry) { e.Event.AttestationID = "another" },
		"no ID":             func(e *store.Entry) { e.Event.AttestationID, e.Enrolment.ID = "", "" },
		"no certificate":    func(e *store.Entry) { e.Enrolment.Serial = "" },
		"no name":           func(e *store.Entry) { e.Enrolment.AKName = nil },
		"long name":         func(e *store.Entry) { e.Enrolment.AKName = make([]byte, 3000) },
		"long manufacturer": func(e *store.Entry) { e.Enrolment.Manufacturer = string(make([]byte, 3000)) },
		"beside an update":  func(e *store.Entry) { e.Key = quoted(1, nil, at(1)).Key },
	} {
		e := enrolled(1, 100, 1)
		change(&e)
		if err := s.Record(t.Context(), e); err == nil {
			t.Errorf("%s: recorded", name)
		}
	}
	records(t, s, enrolled(1, 100, 1))
	twice := enrolled(2, 100, 1)
	twice.Enrolment.Serial = enrolled(1, 100, 1).Enrolment.Serial
	if err := s.Record(t.Context(), twice); evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
		t.Errorf("one serial number twice: %v", err)
	}
	holds(t, s, 1, 0)
}

// A file of an earlier build keeps its data, its chain and its head.
func TestAttack_H06_MigrationFromVersion2(t *testing.T) {
	s := fresh(t)
	records(t, s, issued(1), refused(), issued(2))
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path, err := s.Path()
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "quotary.db")
	err = store.OpenVersion(t.Context(), old, 2, `ATTACH ? AS new;
	   INSERT INTO issuances SELECT attestation_id, purpose, issued_at, not_before, not_after, serial, token_id,
	      spki_sha256, spiffe_id, workload, policy_digest, kinds, simulated, claims FROM new.issuances;
	   INSERT INTO audit_events SELECT seq, time, actor, action, outcome, code, attestation_id, detail, issuance, hash FROM new.audit_events;`, path)
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, old)
	holds(t, s, 3, 2)
	if _, _, err := s.Verify(t.Context(), head); err != nil {
		t.Errorf("by the old head: %v", err)
	}
	records(t, s, enrolled(1, 100, 1), quoted(1, nil, at(5)))
	holds(t, s, 5, 2)
}
