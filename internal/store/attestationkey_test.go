package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/tee"
)

// at is the state after a quote at this clock.
func at(clock uint64) *tee.KeyState {
	return &tee.KeyState{Quoted: true, Clock: clock, Resets: 3, Restarts: 4, Logged: true, IMA: &tee.IMAState{
		Bank: "sha256", Entries: clock, Aggregate: evidence.Hex{1, 2, 3}, Violations: 1, Unread: 2,
	}}
}

// quoted is an event that leaves after of attestation key ak.
func quoted(ak byte, before, after *tee.KeyState) store.Entry {
	return store.Entry{
		Event: store.Event{Time: now, Actor: "peer:127.0.0.1", Action: "attestation", Outcome: store.Issued},
		Key:   &store.KeyUpdate{AK: digest(ak), Before: before, After: after, Policy: "sha256:aa"},
	}
}

func TestKeyStates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotary.db")
	s := open(t, path)
	after := at(1 << 63) // more than a signed number holds
	withIssuance := issued(1)
	withIssuance.Key = quoted(1, nil, after).Key
	records(t, s, withIssuance)
	s.Close()
	s = open(t, path)
	state, policy, ok := s.KeyState(digest(1))
	if !ok || policy != "sha256:aa" || !reflect.DeepEqual(&state, after) {
		t.Fatalf("after a restart: %+v, %q, %v", state, policy, ok)
	}
	records(t, s, quoted(1, &state, at(9)))
	if state, _, _ := s.KeyState(digest(1)); state.Clock != 9 {
		t.Errorf("after another quote: %+v", state)
	}
	holds(t, s, 2, 1)
}

// What is returned is the caller's own.
func TestKeyStateIsACopy(t *testing.T) {
	s := fresh(t)
	records(t, s, quoted(1, nil, at(5)))
	state, _, _ := s.KeyState(digest(1))
	state.IMA.Entries = 99
	if again, _, _ := s.KeyState(digest(1)); again.IMA.Entries != 5 {
		t.Error("a caller changed what is known")
	}
}

// Every field of a state reaches the file and takes part in the comparison.
func TestEveryFieldOfAStateIsKept(t *testing.T) {
	for _, whole := range []bool{false, true} {
		start := &tee.KeyState{}
		if whole {
			start = at(5)
		}
		fields := func(k *tee.KeyState) []reflect.Value {
			var out []reflect.Value
			structs := []reflect.Value{reflect.ValueOf(k).Elem()}
			if k.IMA != nil {
				structs = append(structs, reflect.ValueOf(k.IMA).Elem())
			}
			for _, v := range structs {
				for n := range v.NumField() {
					if name := v.Type().Field(n).Name; name != "IMA" && name != "Revoked" && name != "Superseded" {
						out = append(out, v.Field(n))
					}
				}
			}
			return out
		}
		for n := range fields(start) {
			changed := *start
			if start.IMA != nil {
				ima := *start.IMA
				changed.IMA = &ima
			}
			switch f := fields(&changed)[n]; f.Kind() {
			case reflect.Bool:
				f.SetBool(!f.Bool())
			case reflect.Uint64, reflect.Uint32:
				f.SetUint(f.Uint() + 7)
			case reflect.String:
				f.SetString("sha384")
			case reflect.Slice:
				f.Set(reflect.ValueOf(evidence.Hex{9}))
			case reflect.Struct:
				f.Set(reflect.ValueOf(time.Date(2027, 1, 2, 3, 4, 5, 6, time.UTC)))
			default:
				t.Fatalf("a field of kind %s", f.Kind())
			}
			s := fresh(t)
			records(t, s, quoted(1, nil, &changed))
			if err := s.Reload(10); err != nil {
				t.Fatal(err)
			}
			if got, _, _ := s.KeyState(digest(1)); !reflect.DeepEqual(got, changed) {
				t.Errorf("%+v came back as %+v", changed, got)
			}
			refuses(t, s, quoted(1, start, at(100)), evidence.CodeTPMClock)
			records(t, s, quoted(1, &changed, at(100)))
		}
	}
}

// A quote that was appraised beside another one of the same key is refused,
// whichever is older: its appraisal started from what no longer is.
func TestAttack_P20_TwoQuotesOfOneKeyAtOnce(t *testing.T) {
	s := fresh(t)
	records(t, s, quoted(1, nil, at(5)))
	won := race(t, s, 100, func(n int) store.Entry { return quoted(1, at(5), at(uint64(10+n))) }, evidence.CodeTPMClock)
	if won != 1 {
		t.Errorf("%d quotes were accepted on one state", won)
	}
	refuses(t, s, quoted(1, nil, at(1)), evidence.CodeTPMClock)
	refuses(t, s, quoted(1, &tee.KeyState{}, at(1)), evidence.CodeTPMClock)
	refuses(t, s, quoted(1, at(5), at(1)), evidence.CodeTPMClock)
	holds(t, s, 2, 0)
}

// A refused entry loses its issuance, too; those beside it in the transaction do not.
func TestRefusedUpdateCostsOnlyItself(t *testing.T) {
	s := fresh(t)
	records(t, s, quoted(1, nil, at(5)))
	gate, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	transactions := 0 // touched by the committer alone
	s.SetFault(func(step string) error {
		if step == "begin" {
			transactions++
			once.Do(func() { close(held); <-gate })
		}
		return nil
	})
	errs := make([]error, 21)
	var all sync.WaitGroup
	record := func(n int, e store.Entry) {
		defer all.Done()
		errs[n] = s.Record(context.Background(), e)
	}
	all.Add(1)
	go record(0, refused())
	<-held
	for n := 1; n <= 20; n++ {
		all.Add(1)
		e := issued(n)
		e.Key = quoted(byte(n), nil, at(7)).Key // the first one is there already
		go record(n, e)
	}
	time.Sleep(50 * time.Millisecond)
	close(gate)
	all.Wait()
	for n, err := range errs {
		want := evidence.Code{}
		if n == 1 {
			want = evidence.CodeTPMClock
		}
		if evidence.CodeOf(err) != want {
			t.Errorf("entry %d: %v", n, err)
		}
	}
	if transactions > 3 {
		t.Errorf("%d transactions: a refusal cost the others theirs", transactions)
	}
	s.SetFault(func(string) error { return nil })
	holds(t, s, 21, 19)
}

// A key that was superseded while its quote was appraised earns nothing.
func TestAttack_P38_SupersededWhileAppraised(t *testing.T) {
	s := fresh(t)
	records(t, s, enrolled(1, 100, 1), quoted(1, &tee.KeyState{}, at(5)))
	before, _, _ := s.KeyState(digest(1))
	records(t, s, replacing(enrolled(2, 100, 2)))
	refuses(t, s, quoted(1, &before, at(6)), evidence.CodeTPMAKRevoked)
	refuses(t, s, quoted(1, nil, at(6)), evidence.CodeTPMAKRevoked)
}

// An administrator's revocation stays, for the key and for others of its TPM.
func TestAttack_P38_RevokedKeyDoesNotComeBack(t *testing.T) {
	s := fresh(t)
	records(t, s, enrolled(1, 100, 1), quoted(1, nil, at(5)))
	gone := *at(5)
	gone.Revoked = true
	records(t, s, quoted(1, at(5), &gone))
	revoked(t, s, 1, true)
	for _, e := range []store.Entry{
		enrolled(3, 100, 1), replacing(enrolled(3, 100, 1)), replacing(enrolled(3, 100, 2)), enrolled(3, 100, 2),
		quoted(1, at(5), at(6)), quoted(1, nil, at(6)),
	} {
		refuses(t, s, e, evidence.CodeTPMAKRevoked)
	}
	if err := s.Record(t.Context(), quoted(1, &gone, at(6))); err == nil {
		t.Error("an update took the revocation back")
	}
	revoked(t, s, 1, true)
	// One that was never seen can be revoked beforehand, and one that was superseded.
	records(t, s, enrolled(4, 101, 3), replacing(enrolled(5, 101, 4)), quoted(5, nil, &tee.KeyState{Revoked: true}))
	refuses(t, s, enrolled(6, 102, 5), evidence.CodeTPMAKRevoked)
	revoked(t, s, 5, true)
}

func TestUpdatesAreBounded(t *testing.T) {
	s := fresh(t)
	for name, change := range map[string]func(*store.KeyUpdate){
		"leaves nothing": func(u *store.KeyUpdate) { u.After = nil },
		"long policy":    func(u *store.KeyUpdate) { u.Policy = strings.Repeat("x", 3000) },
		"long bank":      func(u *store.KeyUpdate) { u.After.IMA.Bank = strings.Repeat("x", 3000) },
		"long aggregate": func(u *store.KeyUpdate) { u.After.IMA.Aggregate = make([]byte, 3000) },
	} {
		e := quoted(1, nil, at(5))
		change(e.Key)
		if err := s.Record(t.Context(), e); err == nil {
			t.Errorf("%s: recorded", name)
		}
	}
	holds(t, s, 0, 0)
}

// What memory has no room for is refused once, then known again.
func TestMemoryIsBounded(t *testing.T) {
	s := fresh(t)
	for ak := range byte(10) {
		records(t, s, quoted(ak, nil, at(uint64(ak)+1)))
	}
	if err := s.Reload(4); err != nil {
		t.Fatal(err)
	}
	known := func() (n int) {
		for ak := range byte(10) {
			if _, _, ok := s.KeyState(digest(ak)); ok {
				n++
			}
		}
		return n
	}
	if _, _, ok := s.KeyState(digest(9)); !ok || known() != 4 {
		t.Errorf("%d keys are in memory, the last one: %v", known(), ok)
	}
	refuses(t, s, quoted(0, nil, at(50)), evidence.CodeTPMClock)
	state, _, ok := s.KeyState(digest(0))
	if !ok || state.Clock != 1 || known() != 4 {
		t.Fatalf("after the refusal: %+v, %v", state, ok)
	}
	records(t, s, quoted(0, &state, at(50)))
	holds(t, s, 11, 0)
}

// Every write of an entry that changes keys fails once: nothing is half-written,
// in the file or in memory, and the same entry is taken afterwards.
func TestAttack_Y18_FailureOfEachWriteOfAKey(t *testing.T) {
	for _, step := range store.KeySteps {
		t.Run(step, func(t *testing.T) {
			s := fresh(t)
			records(t, s, enrolled(1, 100, 1), quoted(1, nil, at(5)), enrolled(3, 101, 3))
			replace, update, revoke := replacing(enrolled(2, 100, 2)), issued(1), changed(t, s, 3, store.RevokeKey)
			update.Key = quoted(1, at(5), at(6)).Key
			for _, e := range []store.Entry{update, replace, revoke} {
				reached := false
				s.SetFault(func(at string) error {
					if reached = reached || at == step; at == step {
						return errors.New("no space left on device")
					}
					return nil
				})
				before, _, _ := s.KeyState(digest(1))
				head, _ := s.Head(t.Context())
				err := s.Record(t.Context(), e)
				if !reached {
					if err != nil {
						t.Fatal(err)
					}
					continue // the other entry has this step
				}
				if evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
					t.Errorf("got %v", err)
				}
				s.SetFault(func(string) error { return nil })
				after, _, _ := s.KeyState(digest(1))
				if now, _ := s.Head(t.Context()); now.Seq != head.Seq || !reflect.DeepEqual(before, after) {
					t.Errorf("a failed entry left %+v", after)
				}
				if _, _, err := s.Verify(t.Context()); err != nil {
					t.Error(err)
				}
				records(t, s, e)
			}
			revoked(t, s, 1, true)
			revoked(t, s, 2, false)
			revoked(t, s, 3, true)
			holds(t, s, 6, 1)
		})
	}
}

// A commit that is durable although it was reported as failed: memory is behind
// the file, which decides.
func TestAttack_Y18_KeyPersistedButFailed(t *testing.T) {
	s := fresh(t)
	records(t, s, quoted(1, nil, at(5)))
	s.SetFault(func(at string) error {
		if at != "commit" {
			return nil
		}
		if err := s.ExecWriter("COMMIT"); err != nil {
			t.Error(err)
		}
		return errors.New("input/output error")
	})
	if err := s.Record(t.Context(), quoted(1, at(5), at(6))); evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
		t.Errorf("got %v", err)
	}
	s.SetFault(func(string) error { return nil })
	refuses(t, s, quoted(1, at(5), at(6)), evidence.CodeTPMClock)
	state, _, _ := s.KeyState(digest(1))
	records(t, s, quoted(1, &state, at(7)))
	holds(t, s, 3, 0)
}

func TestAttack_H01_KilledBetweenWritesOfAKey(t *testing.T) {
	for _, step := range store.KeySteps {
		t.Run(step, func(t *testing.T) {
			s := fresh(t)
			records(t, s, enrolled(1, 100, 1), quoted(1, nil, at(5)))
			path, err := s.Path()
			if err != nil {
				t.Fatal(err)
			}
			crashed := filepath.Join(t.TempDir(), "quotary.db")
			s.SetFault(func(at string) error {
				if at == step {
					copyFiles(t, path, crashed)
				}
				return nil
			})
			if step == "issuance" {
				e := issued(1)
				e.Key = quoted(1, at(5), at(6)).Key
				records(t, s, e)
			} else {
				records(t, s, replacing(enrolled(2, 100, 2)))
			}
			c := open(t, crashed)
			holds(t, c, 2, 0)
			if state, _, ok := c.KeyState(digest(1)); !ok || !reflect.DeepEqual(&state, at(5)) {
				t.Errorf("the crash left %+v", state)
			}
			if _, _, ok := c.KeyState(digest(2)); ok {
				t.Error("the crash left half an enrolment")
			}
		})
	}
}

func TestAttack_A26_ChangedKeysAreNoticed(t *testing.T) {
	statements := map[string]string{
		"enrolment removed":    `DELETE FROM enrolments WHERE serial LIKE '%1'`,
		"enrolment added":      `INSERT INTO enrolments SELECT 'x', ek_sha256, ak_sha256, ak_name, ek_source, manufacturer, model, version, 'x', issued_at, not_after, simulated FROM enrolments LIMIT 1`,
		"enrolment unlinked":   `UPDATE audit_events SET enrolment = NULL WHERE seq = 1`,
		"keys unlinked":        `UPDATE audit_events SET keys = NULL WHERE seq = 2`,
		"keys cut":             `UPDATE audit_events SET keys = substr(keys, 1, 64) WHERE seq = 3`,
		"odd mark":             `UPDATE enrolments SET simulated = simulated + 2`,
		"key removed":          `DELETE FROM attestation_keys WHERE revoked = ''`,
		"key added":            `INSERT INTO attestation_keys SELECT zeroblob(32), NULL, '', state, policy, event FROM attestation_keys LIMIT 1`,
		"key not revoked":      `UPDATE attestation_keys SET ek_sha256 = NULL, revoked = '' WHERE revoked <> ''`,
		"key with another TPM": `UPDATE attestation_keys SET ek_sha256 = zeroblob(32) WHERE revoked <> ''`,
		"key without a TPM":    `UPDATE attestation_keys SET ek_sha256 = NULL`,
	}
	for column, change := range map[string]string{
		"id": "id || '0'", "ek_sha256": "zeroblob(32)", "ak_sha256": "zeroblob(32)", "ak_name": "x'00'", "ek_source": "'listed'",
		"manufacturer": "''", "model": "''", "version": "''", "serial": "serial || '0'", "issued_at": "issued_at - 1",
		"not_after": "not_after + 1", "simulated": "1",
	} {
		statements["enrolment's "+column] = fmt.Sprintf("UPDATE enrolments SET %s = %s WHERE ak_sha256 = (SELECT ak_sha256 FROM attestation_keys WHERE revoked = '' AND ek_sha256 IS NOT NULL)", column, change)
	}
	for column, change := range map[string]string{
		"ak_sha256": "randomblob(32)", "revoked": "'administrator'", "state": "replace(state, 'clock\":5', 'clock\":4')", "policy": "''",
		"event": "event + 1",
	} {
		statements["key's "+column] = fmt.Sprintf("UPDATE attestation_keys SET %s = %s WHERE ak_sha256 = (SELECT ak_sha256 FROM attestation_keys WHERE ek_sha256 IS NULL)", column, change)
	}
	for name, statement := range statements {
		t.Run(name, func(t *testing.T) {
			s := fresh(t)
			records(t, s, enrolled(1, 100, 1), quoted(1, nil, at(5)), replacing(enrolled(2, 100, 2)), quoted(3, nil, at(5)))
			holds(t, s, 4, 0)
			result, err := s.Exec(statement)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := result.RowsAffected(); n == 0 {
				t.Fatal("nothing was changed")
			}
			if _, _, err := s.Verify(t.Context()); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A row that is put back to what it once was, with the number of its event, is
// no longer what the chain says.
func TestAttack_H02_KeyStatePutBack(t *testing.T) {
	s := fresh(t)
	records(t, s, quoted(1, nil, at(5)))
	if _, err := s.Exec("CREATE TABLE old AS SELECT * FROM attestation_keys"); err != nil {
		t.Fatal(err)
	}
	records(t, s, quoted(1, at(5), at(6)))
	holds(t, s, 2, 0)
	if _, err := s.Exec("DELETE FROM attestation_keys; INSERT INTO attestation_keys SELECT * FROM old"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Verify(t.Context()); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
		t.Errorf("got %v", err)
	}
}

// A state that cannot be read is refused, not taken for none.
func TestUnreadableStateIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotary.db")
	s := open(t, path)
	records(t, s, quoted(1, nil, at(5)))
	if _, err := s.Exec("UPDATE attestation_keys SET state = '{'"); err != nil {
		t.Fatal(err)
	}
	refuse := s.Record(t.Context(), quoted(1, at(5), at(6)))
	if evidence.CodeOf(refuse) != evidence.CodeTPMClock {
		t.Errorf("got %v", refuse)
	}
	s.Close()
	if _, err := store.Open(t.Context(), path); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
		t.Errorf("opened: %v", err)
	}
}

// The encoding of what events say of attestation keys is a format as well.
func TestChainOfKeysGolden(t *testing.T) {
	s := fresh(t)
	records(t, s, enrolled(1, 100, 1), quoted(1, nil, at(5)), replacing(enrolled(2, 100, 2)))
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const want = "0634e6525fe1561640f97b426c5f4c0a7f7b51c3fac7a81539f037bf5f793f94"
	if got := head.Hash.String(); got != want {
		t.Errorf("head is %s, want %s", got, want)
	}
}
