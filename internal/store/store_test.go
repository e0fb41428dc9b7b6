package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func fresh(t *testing.T) *store.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "quotary.db"))
}

// issued is a complete entry; n tells entries apart.
func issued(n int) store.Entry {
	id := fmt.Sprintf("%032x", n)
	return store.Entry{
		Event: store.Event{
			Time: now, Actor: "peer:127.0.0.1", Action: "attestation", Outcome: store.Issued,
			AttestationID: id, Detail: json.RawMessage(`{"workload":"web"}`),
		},
		Issuance: &store.Issuance{
			AttestationID: id, Purpose: "certificate", IssuedAt: now, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
			Serial: "5e" + id, TokenID: "jti-" + id, SPKISHA256: make([]byte, 32), SPIFFEID: "spiffe://example.org/web",
			Workload: "web", PolicyDigest: "sha256:00", Kinds: []evidence.Kind{evidence.KindSEVSNP, evidence.KindTPM},
			Simulated: true, Claims: json.RawMessage(`[{"kind":"sev-snp"}]`),
		},
	}
}

func refused() store.Entry {
	return store.Entry{Event: store.Event{
		Time: now, Actor: "peer:127.0.0.1", Action: "attestation", Outcome: store.Refused, Code: evidence.CodeChallengeSpent,
	}}
}

// holds verifies the chain and that the ledger has so many events and issuances.
func holds(t *testing.T, s *store.Store, events, issuances int64) {
	t.Helper()
	head, got, err := s.Verify(t.Context())
	if err != nil {
		t.Fatalf("the chain does not hold: %v", err)
	}
	if head.Seq != events || got != issuances {
		t.Errorf("%d events and %d issuances, want %d and %d", head.Seq, got, events, issuances)
	}
	if again, err := s.Head(t.Context()); err != nil || again.Seq != head.Seq || again.Hash.String() != head.Hash.String() {
		t.Errorf("Head is %v, %v; Verify returned %v", again, err, head)
	}
}

func TestRecordSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotary.db")
	s := open(t, path)
	for n, e := range []store.Entry{issued(1), refused(), issued(2)} {
		if err := s.Record(t.Context(), e); err != nil {
			t.Fatalf("entry %d: %v", n, err)
		}
	}
	holds(t, s, 3, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if err := s.Record(t.Context(), issued(3)); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 4, 3)
}

// The chain's encoding is a format: whoever kept a head must be able to compare it later.
func TestChainGolden(t *testing.T) {
	s := fresh(t)
	for _, e := range []store.Entry{issued(1), refused()} {
		if err := s.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const want = "9300ab3490e5456fb2990db43f9fe44dde4c3b8bcfbfdc7dcc185b9c9f91338f"
	if got := head.Hash.String(); got != want {
		t.Errorf("head is %s, want %s", got, want)
	}
}

func TestEmptyLedgerHolds(t *testing.T) { holds(t, fresh(t), 0, 0) }

func TestFilesAreTheOwnersAlone(t *testing.T) {
	s := fresh(t)
	if err := s.Record(t.Context(), issued(1)); err != nil {
		t.Fatal(err)
	}
	path, err := s.Path()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(name), info.Mode())
		}
	}
}

func TestAttack_A16_LedgerThatOthersMayReadIsRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o666, 0o602} {
		path := filepath.Join(t.TempDir(), "quotary.db")
		open(t, path).Close()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(t.Context(), path)
		if evidence.CodeOf(err) != evidence.CodeDataPermissions {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestDurabilitySettings(t *testing.T) {
	s := fresh(t)
	for query, want := range map[string]int64{
		"SELECT journal_mode = 'wal' FROM pragma_journal_mode": 1,
		"SELECT synchronous FROM pragma_synchronous":           2, // FULL
		"SELECT foreign_keys FROM pragma_foreign_keys":         1,
		"SELECT user_version FROM pragma_user_version":         7,
	} {
		if got, err := s.QueryInt(query); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", query, got, err, want)
		}
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotary.db")
	s := open(t, path)
	if _, err := s.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := store.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "99") {
		t.Errorf("opened a database of a newer build: %v", err)
	}
}

func TestPathsNeedNoEscaping(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%41&_pragma=synchronous(0)")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(dir, "quotary.db"))
	if err := s.Record(t.Context(), issued(1)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "quotary.db-wal")); err != nil || info.Size() == 0 {
		t.Errorf("the ledger is elsewhere: %v", err)
	}
}

func TestGroupCommit(t *testing.T) {
	s := fresh(t)
	var transactions atomic.Int64
	gate := make(chan struct{})
	s.SetFault(func(step string) error {
		if step == "begin" && transactions.Add(1) == 1 {
			<-gate // the first transaction takes as long as all others need to gather
		}
		return nil
	})
	const callers = 500
	errs := make(chan error, callers)
	var waiting sync.WaitGroup
	for n := range callers {
		waiting.Add(1)
		go func() {
			waiting.Done()
			errs <- s.Record(context.Background(), issued(n+1))
		}()
	}
	waiting.Wait()
	time.Sleep(50 * time.Millisecond)
	close(gate)
	for range callers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if got := transactions.Load(); got > callers/10 {
		t.Errorf("%d transactions for %d callers", got, callers)
	}
	holds(t, s, callers, callers)
}

func TestOneBadEntryCostsOnlyItself(t *testing.T) {
	s := fresh(t)
	if err := s.Record(t.Context(), issued(7)); err != nil {
		t.Fatal(err)
	}
	gate, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.SetFault(func(step string) error {
		if step == "begin" {
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
		e := issued(100 + n)
		if n == 10 {
			e = issued(7) // recorded already
		}
		go record(n, e)
	}
	time.Sleep(50 * time.Millisecond)
	close(gate)
	all.Wait()
	for n, err := range errs {
		if want := n == 10; want != (err != nil) {
			t.Errorf("entry %d: %v", n, err)
		}
	}
	holds(t, s, 21, 20)
}

func TestQueueIsBounded(t *testing.T) {
	s := fresh(t)
	gate, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.SetFault(func(string) error { once.Do(func() { close(held); <-gate }); return nil })
	const callers = 4000 // more than the queue and a batch hold
	errs := make(chan error, callers)
	go func() { errs <- s.Record(context.Background(), issued(1)) }()
	<-held
	for n := 1; n < callers; n++ {
		go func() { errs <- s.Record(context.Background(), issued(n+1)) }()
	}
	overloaded := int64(0)
	for overloaded < callers-2048-2 {
		if err := <-errs; evidence.CodeOf(err) != evidence.CodeOverloaded {
			t.Fatalf("while the committer stands still: %v", err)
		}
		overloaded++
	}
	close(gate)
	for range callers - overloaded {
		if err := <-errs; evidence.CodeOf(err) == evidence.CodeOverloaded {
			overloaded++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	holds(t, s, callers-overloaded, callers-overloaded)
}

func TestCloseDrains(t *testing.T) {
	s := fresh(t)
	path, _ := s.Path()
	gate, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.SetFault(func(string) error { once.Do(func() { close(held); <-gate }); return nil })
	errs := make(chan error, 50)
	go func() { errs <- s.Record(context.Background(), issued(1)) }()
	<-held
	for n := 2; n <= 50; n++ {
		go func() { errs <- s.Record(context.Background(), issued(n)) }()
	}
	time.Sleep(50 * time.Millisecond)
	go close(gate)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	committed := int64(0)
	for range 50 {
		switch err := <-errs; evidence.CodeOf(err) {
		case evidence.Code{}:
			committed++
		case evidence.CodeLedgerUnavailable:
		default:
			t.Error(err)
		}
	}
	if committed < 40 {
		t.Errorf("only %d of 50 waiting entries were committed", committed)
	}
	if err := s.Record(t.Context(), issued(99)); evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
		t.Errorf("after Close: %v", err)
	}
	holds(t, open(t, path), committed, committed)
}

func TestRecordWaitsNoLongerThanItsContext(t *testing.T) {
	s := fresh(t)
	gate := make(chan struct{})
	s.SetFault(func(string) error { <-gate; return nil })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Record(ctx, issued(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	close(gate)
}

func TestEntriesAreBounded(t *testing.T) {
	s := fresh(t)
	long := func(n int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", n) + `"`) }
	for name, change := range map[string]func(*store.Entry){
		"detail": func(e *store.Entry) { e.Event.Detail = long(4 << 10) },
		"claims": func(e *store.Entry) { e.Issuance.Claims = long(256 << 10) },
		"actor":  func(e *store.Entry) { e.Event.Actor = strings.Repeat("a", 3000) },
		"two ids": func(e *store.Entry) {
			e.Event.AttestationID = "another"
		},
	} {
		e := issued(1)
		change(&e)
		err := s.Record(t.Context(), e)
		if err == nil {
			t.Errorf("%s: recorded", name)
		}
		// Long claims are the sender's doing; all else would be the service's.
		if sent := evidence.CodeOf(err) == evidence.CodeEvidenceTooLarge; sent != (name == "claims") {
			t.Errorf("%s: %v", name, err)
		}
	}
	holds(t, s, 0, 0)
}

func TestWritable(t *testing.T) {
	s := fresh(t)
	if err := s.Writable(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.SetFault(func(string) error { return errors.New("disk on fire") })
	if err := s.Writable(t.Context()); evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
		t.Errorf("got %v", err)
	}
	s.SetFault(func(string) error { return nil })
	holds(t, s, 0, 0)
}

func BenchmarkRecord(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "quotary.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var n atomic.Int64
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.Record(b.Context(), issued(int(n.Add(1)))); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
