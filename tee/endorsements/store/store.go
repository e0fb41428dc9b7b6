// Package store fetches vendors' endorsements, keeps them and renews them ahead
// of their end, so that verifying evidence does not wait for a vendor and goes on
// while one is down.
//
// [Open] a store, hand its [Store.Endorsements] to verifiers, call [Store.Fetch]
// for what a verification lacked, and have [Store.Run] refresh. Without a network,
// [Store.Import] what [Store.Export] wrote elsewhere.
//
// The rules that everything here follows:
//
//   - Verify, then swap: an endorsement gets in only if its vendor's
//     [tee.Endorser] admits it as authentic, wherever it came from (vendor, mirror,
//     evidence, archive, the store's own directory). Nothing else displaces one.
//   - No way back: of each list and document the newest issue ever seen is
//     remembered; older ones are refused. A list that was superseded stays if it
//     names a certificate that the newer one does not.
//   - A vendor is spared: one request at a time for a name, so many a second, none
//     while it is down or asked for a pause; what is not there is remembered.
//     While nobody can be asked, nobody waits.
//   - Failing to renew takes nothing away. Validity in time is the verifier's to judge.
package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/lru"
	"github.com/quotary/quotary/tee"
)

// Store is a store of endorsements. It is safe for concurrent use.
type Store struct {
	config   Config
	vendors  []*vendor
	snapshot atomic.Pointer[tee.Endorsements]

	directory *directory // nil: memory only

	background context.Context // of fetches, which outlive the calls that asked for them
	stop       context.CancelFunc
	running    sync.WaitGroup
	poke       chan struct{} // wakes the refresh loop

	mu      sync.Mutex // guards what follows; never held while waiting or verifying
	closed  bool
	table   table
	flights map[tee.EndorsementName]*flight
	wanted  map[tee.EndorsementName]struct{} // at leisure; see Want
	// Failures to fetch: of names that the store is responsible for, and of others.
	failures  map[tee.EndorsementName]failure
	strangers *lru.Cache[tee.EndorsementName, failure]
	tally     tally
}

// Open returns a store with what its directory holds, each endorsement admitted
// anew. What is not authentic there is left alone and shows in [Store.Directory].
// The error of an unsuitable vendor has [evidence.CodeEndorsementVendor], that of a
// directory which cannot be read [evidence.CodeEndorsementStore].
func Open(config Config) (*Store, error) {
	return open(config, func(string) error { return nil })
}

// open is Open with a fault for operations on the directory.
func open(config Config, fault func(operation string) error) (*Store, error) {
	s := &Store{
		config:  config.withDefaults(),
		flights: map[tee.EndorsementName]*flight{},
		wanted:  map[tee.EndorsementName]struct{}{},
		poke:    make(chan struct{}, 1),

		failures:  map[tee.EndorsementName]failure{},
		strangers: lru.New[tee.EndorsementName, failure](maxStrangers),
	}
	s.table = newTable(s.config)
	for _, given := range config.Vendors {
		v, err := newVendor(given, s.config)
		if err != nil {
			return nil, err
		}
		s.vendors = append(s.vendors, v)
	}
	s.background, s.stop = context.WithCancel(context.Background())
	s.publishLocked() // nobody else has it yet
	if config.Dir == "" {
		return s, nil
	}
	var err error
	if s.directory, err = openDirectory(config.Dir, fault); err != nil {
		return nil, evidence.Errorf(evidence.CodeEndorsementStore, config.Dir, "%w", err)
	}
	if _, err := s.reload(); err != nil {
		s.directory.root.Close()
		return nil, err
	}
	return s, nil
}

// Close ends running fetches, writes what was not written yet, and waits for both.
// The error is that of the directory.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.running.Wait()
	if closed || s.directory == nil {
		return nil
	}
	s.persist(true)
	return errors.Join(s.Directory().Err, s.directory.root.Close())
}

// Endorsements returns what the store holds at this moment. It never changes
// and may be used for as long as the caller likes; asking costs nothing.
func (s *Store) Endorsements() *tee.Endorsements { return s.snapshot.Load() }

// publishLocked makes the table's contents the current snapshot. The caller holds s.mu.
func (s *Store) publishLocked() { s.snapshot.Store(s.table.view(s.config.Now())) }

// Baseline names what every verification may draw on, whatever the evidence, and a
// vendor hands out.
func (s *Store) Baseline() []tee.EndorsementName {
	var names []tee.EndorsementName
	for _, v := range s.vendors {
		names = append(names, v.baseline...)
	}
	return names
}

// now is the time by which validity is judged.
func (s *Store) now() time.Time { return s.config.Now() }

// errClosed ends fetches of a store that was closed.
func errClosed() error {
	return evidence.Errorf(evidence.CodeEndorsementOffline, "", "the endorsement store was closed")
}
