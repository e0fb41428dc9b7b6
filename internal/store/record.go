package store

import (
	"context"
	"errors"

	"github.com/quotary/quotary/evidence"
)

// job is an entry, or a heartbeat, on its way to the committer.
type job struct {
	entry Entry
	beat  bool
	done  chan error // buffered: the committer never waits for a caller that left
	// refusal is what the writer found against the entry, which then was not written.
	refusal error
}

// Record commits e and returns once it is durable. On an error nothing of e was
// written, with one exception: if ctx ended, e may yet be committed. The error is
// an *evidence.Error with CodeOverloaded if too many entries wait,
// CodeLedgerUnavailable if the file cannot be written, CodeTPMEnrolled or
// CodeTPMAKRevoked for an enrolment that the rules refuse, CodeTPMClock or
// CodeTPMAKRevoked if an attestation key is not what the appraisal started from,
// CodeAttestationKeyUnknown or CodeAttestationKeyChanged if it is not what an
// administrator looked at.
func (s *Store) Record(ctx context.Context, e Entry) error {
	if err := e.check(); err != nil {
		return err
	}
	return s.submit(ctx, &job{entry: e, done: make(chan error, 1)})
}

// Writable commits a heartbeat and so proves that entries could be committed.
func (s *Store) Writable(ctx context.Context) error {
	return s.submit(ctx, &job{beat: true, done: make(chan error, 1)})
}

func (s *Store) submit(ctx context.Context, j *job) error {
	if err := s.enqueue(j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) enqueue(j *job) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return evidence.Errorf(evidence.CodeLedgerUnavailable, "", "the ledger is closed")
	}
	select {
	case s.queue <- j:
		return nil
	default:
		return evidence.Errorf(evidence.CodeOverloaded, "", "too many requests wait for the ledger; try again later")
	}
}

// commitLoop is the committer. While one transaction waits for its fsync the
// next jobs gather in the queue; they make up the next transaction.
func (s *Store) commitLoop() {
	defer close(s.done)
	for first := range s.queue {
		s.commitBatch(s.gather(first))
	}
}

// gather takes what waits already, without waiting for more.
func (s *Store) gather(first *job) []*job {
	batch := []*job{first}
	for len(batch) < maxBatch {
		select {
		case j, open := <-s.queue:
			if !open {
				return batch
			}
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// commitBatch commits all jobs together. If one of them is at fault, they are
// committed one by one, so that only that one fails.
func (s *Store) commitBatch(batch []*job) {
	err := s.commit(batch)
	var single *entryError
	if errors.As(err, &single) && len(batch) > 1 {
		for _, j := range batch {
			j.finish(s.commit([]*job{j}))
		}
		return
	}
	for _, j := range batch {
		j.finish(err)
	}
}

// commit commits the jobs in one transaction. What they change of attestation
// keys is known before any of them hears of it.
func (s *Store) commit(batch []*job) error {
	known, err := s.writer.commit(batch)
	if err == nil {
		s.keys.take(known)
	}
	return err
}

// finish tells the caller how the transaction ended.
func (j *job) finish(err error) {
	if err == nil && j.refusal != nil {
		j.done <- j.refusal
		return
	}
	j.done <- unavailable(err)
}

func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return evidence.Errorf(evidence.CodeLedgerUnavailable, "", "the ledger cannot be used: %w", err)
}
