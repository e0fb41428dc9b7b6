package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

// Every write of a transaction fails once, alone and in a group; after each
// failure every caller has heard of it, nothing is half-written, and the ledger works again.
func TestAttack_Y18_FailureOfEachWrite(t *testing.T) {
	for _, step := range store.Steps {
		for _, group := range []int{1, 20} {
			t.Run(fmt.Sprintf("%s/group=%d", step, group), func(t *testing.T) { failAt(t, step, group) })
		}
	}
}

func failAt(t *testing.T, step string, group int) {
	s := fresh(t)
	if err := s.Record(t.Context(), issued(1)); err != nil {
		t.Fatal(err)
	}
	gate, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	failing := false // touched by the committer alone once the gate is open
	s.SetFault(func(at string) error {
		once.Do(func() { close(held); <-gate })
		if failing && at == step {
			return errors.New("no space left on device")
		}
		return nil
	})
	first := make(chan error, 1)
	go func() { first <- s.Record(context.Background(), refused()) }()
	<-held
	errs := make(chan error, group)
	for n := range group {
		go func() { errs <- s.Record(context.Background(), issued(n+2)) }()
	}
	time.Sleep(20 * time.Millisecond)
	failing = true
	close(gate)
	outcomes := []error{<-first}
	for range group {
		outcomes = append(outcomes, <-errs)
	}
	recorded := int64(1)
	for _, err := range outcomes {
		if err == nil {
			recorded++ // the refusal has no issuance and passes where only that fails
		} else if evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
			t.Errorf("got %v", err)
		}
	}
	for _, err := range outcomes[1:] {
		if err == nil {
			t.Error("an issuance passed although a write failed")
		}
	}
	s.SetFault(func(string) error { return nil })
	holds(t, s, recorded, 1)
	for n := range group {
		if err := s.Record(t.Context(), issued(n+2)); err != nil {
			t.Fatalf("after the failure: %v", err)
		}
	}
	holds(t, s, recorded+int64(group), int64(group)+1)
}

// A commit that is durable although it was reported as failed: the caller is
// told of the failure and issues nothing; the record stays, and the chain goes on.
func TestAttack_Y18_CommitPersistedButFailed(t *testing.T) {
	s := fresh(t)
	s.SetFault(func(at string) error {
		if at != "commit" {
			return nil
		}
		if err := s.ExecWriter("COMMIT"); err != nil {
			t.Error(err)
		}
		return errors.New("input/output error")
	})
	if err := s.Record(t.Context(), issued(1)); evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
		t.Errorf("got %v", err)
	}
	s.SetFault(func(string) error { return nil })
	holds(t, s, 1, 1)
	if err := s.Record(t.Context(), issued(2)); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 2, 2)
}

func TestAttack_H08_FullDisk(t *testing.T) {
	s := fresh(t)
	if err := s.Record(t.Context(), issued(1)); err != nil {
		t.Fatal(err)
	}
	pages, err := s.QueryInt("SELECT page_count FROM pragma_page_count")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ExecWriter(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
	recorded := int64(1)
	for n := 2; ; n++ {
		err := s.Record(t.Context(), issued(n))
		if evidence.CodeOf(err) == evidence.CodeLedgerUnavailable {
			break
		}
		if err != nil || n > 10_000 {
			t.Fatalf("entry %d: %v", n, err)
		}
		recorded++
	}
	holds(t, s, recorded, recorded)
	if err := s.ExecWriter("PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if err := s.Record(t.Context(), issued(99_999)); err != nil {
		t.Errorf("with space again: %v", err)
	}
	holds(t, s, recorded+1, recorded+1)
}

// A copy of the files taken between any two writes is what a kill leaves behind.
func TestAttack_H01_KilledBetweenWrites(t *testing.T) {
	for _, step := range store.Steps {
		t.Run(step, func(t *testing.T) {
			s := fresh(t)
			if err := s.Record(t.Context(), issued(1)); err != nil {
				t.Fatal(err)
			}
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
			if err := s.Record(t.Context(), issued(2)); err != nil {
				t.Fatal(err)
			}
			holds(t, open(t, crashed), 1, 1)
		})
	}
	t.Run("after the commit", func(t *testing.T) {
		s := fresh(t)
		if err := s.Record(t.Context(), issued(1)); err != nil {
			t.Fatal(err)
		}
		path, _ := s.Path()
		crashed := filepath.Join(t.TempDir(), "quotary.db")
		copyFiles(t, path, crashed)
		holds(t, open(t, crashed), 1, 1)
	})
}

func TestAttack_H03_TornLogIsCutAtTheLastCommit(t *testing.T) {
	s := fresh(t)
	for n := 1; n <= 3; n++ {
		if err := s.Record(t.Context(), issued(n)); err != nil {
			t.Fatal(err)
		}
	}
	path, _ := s.Path()
	torn := filepath.Join(t.TempDir(), "quotary.db")
	copyFiles(t, path, torn)
	info, err := os.Stat(torn + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(torn+"-wal", info.Size()-100); err != nil {
		t.Fatal(err)
	}
	holds(t, open(t, torn), 2, 2)
}

func copyFiles(t *testing.T, from, to string) {
	for _, suffix := range []string{"", "-wal"} { // -shm is rebuilt
		in, err := os.Open(from + suffix)
		if err != nil {
			t.Error(err)
			return
		}
		defer in.Close()
		out, err := os.OpenFile(to+suffix, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			t.Error(err)
			return
		}
		defer out.Close()
		if _, err := io.Copy(out, in); err != nil {
			t.Error(err)
		}
	}
}

func TestAttack_A26_ChangedRowsAreNoticed(t *testing.T) {
	for name, statement := range map[string]string{
		"event changed":           `UPDATE audit_events SET outcome = 'issued' WHERE seq = 2`,
		"event's time":            `UPDATE audit_events SET time = time + 1 WHERE seq = 3`,
		"event's code":            `UPDATE audit_events SET code = '' WHERE seq = 2`,
		"event's detail":          `UPDATE audit_events SET detail = '{}' WHERE seq = 3`,
		"event removed":           `DELETE FROM audit_events WHERE seq = 2`,
		"first event removed":     `DELETE FROM audit_events WHERE seq = 1`,
		"removed and renumbered":  `DELETE FROM audit_events WHERE seq = 2; UPDATE audit_events SET seq = seq - 1 WHERE seq > 2`,
		"two swapped":             `UPDATE audit_events SET seq = -1 WHERE seq = 2; UPDATE audit_events SET seq = 2 WHERE seq = 3; UPDATE audit_events SET seq = 3 WHERE seq = -1`,
		"hash changed":            `UPDATE audit_events SET hash = zeroblob(32) WHERE seq = 4`,
		"issuance unlinked":       `UPDATE audit_events SET issuance = NULL WHERE seq = 1`,
		"issuance removed":        `DELETE FROM issuances WHERE workload = 'web' AND serial LIKE '%1'`,
		"issuance added":          `INSERT INTO issuances SELECT 'x', purpose, issued_at, not_before, not_after, 'x', 'x', spki_sha256, spiffe_id, workload, policy_digest, kinds, simulated, claims, names FROM issuances LIMIT 1`,
		"issuance's identity":     `UPDATE issuances SET spiffe_id = 'spiffe://example.org/admin'`,
		"issuance's key":          `UPDATE issuances SET spki_sha256 = randomblob(32)`,
		"issuance's serial":       `UPDATE issuances SET serial = serial || '0'`,
		"issuance not simulated":  `UPDATE issuances SET simulated = 0`,
		"issuance's odd mark":     `UPDATE issuances SET simulated = simulated + 2`,
		"issuance's claims":       `UPDATE issuances SET claims = '[]'`,
		"issuance's policy":       `UPDATE issuances SET policy_digest = 'sha256:11'`,
		"issuance's end":          `UPDATE issuances SET not_after = not_after + 1`,
		"issuance's token":        `UPDATE issuances SET token_id = NULL`,
		"issuance's evidence":     `UPDATE issuances SET kinds = 'tdx'`,
		"issuance's workload":     `UPDATE issuances SET workload = 'db'`,
		"issuance's purpose":      `UPDATE issuances SET purpose = 'token'`,
		"issuance's attestation":  `UPDATE issuances SET attestation_id = attestation_id || '0'`,
		"event's actor":           `UPDATE audit_events SET actor = 'admin' WHERE seq = 1`,
		"event's attestation":     `UPDATE audit_events SET attestation_id = '' WHERE seq = 1`,
		"event's action":          `UPDATE audit_events SET action = 'x' WHERE seq = 1`,
		"issuance's begin":        `UPDATE issuances SET not_before = not_before - 1`,
		"issuance's names":        `UPDATE issuances SET names = 'web.example.org'`,
		"issuance's time":         `UPDATE issuances SET issued_at = issued_at - 1`,
		"event's hash recomputed": `UPDATE audit_events SET hash = randomblob(32) WHERE seq = 2`,
	} {
		t.Run(name, func(t *testing.T) {
			s := fresh(t)
			for _, e := range []store.Entry{issued(1), refused(), issued(2), refused()} {
				if err := s.Record(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			holds(t, s, 4, 2)
			if _, err := s.Exec(statement); err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.Verify(t.Context()); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
				t.Errorf("got %v", err)
			}
		})
	}
}
