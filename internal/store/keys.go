package store

import (
	"context"
	"database/sql"
	"sync"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// keys holds in memory what the ledger knows of attestation keys, so that an
// appraisal reads no database. The file decides: what is missing or old here makes
// [Store.Record] refuse, once.
type keys struct {
	mu    sync.RWMutex
	known map[evidence.Digest]knownKey
	bound int
}

type knownKey struct {
	state  tee.KeyState
	policy string
}

// KeyState returns what the last accepted appraisal left about an attestation key,
// named by the SHA-256 of its SubjectPublicKeyInfo (of a simulated one by
// tee.SimulatedID of that), and the policy that it was judged by. A key that was enrolled and has not quoted yet has a state
// that says so. ok is false for a key that was never seen. It reads memory only.
func (s *Store) KeyState(ak evidence.Digest) (state tee.KeyState, policy string, ok bool) {
	s.keys.mu.RLock()
	key, ok := s.keys.known[ak]
	s.keys.mu.RUnlock()
	if key.state.IMA != nil {
		ima := *key.state.IMA
		key.state.IMA = &ima
	}
	return key.state, key.policy, ok
}

// selectKeys has those first that were seen last.
const selectKeys = `SELECT ak_sha256, ek_sha256, revoked, state, policy FROM attestation_keys ORDER BY event DESC LIMIT ?`

func loadKeys(ctx context.Context, db *sql.DB, bound int) (*keys, error) {
	k := &keys{known: map[evidence.Digest]knownKey{}, bound: bound}
	rows, err := db.QueryContext(ctx, selectKeys, bound)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanKey(rows)
		if err != nil {
			return nil, err
		}
		if err := k.put(r); err != nil {
			return nil, err
		}
	}
	return k, rows.Err()
}

// take makes known what was committed.
func (k *keys) take(rows []keyRow) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range rows {
		if k.put(r) != nil {
			delete(k.known, evidence.Digest(r.AK)) // unreadable: Record refuses as well
		}
	}
}

func (k *keys) put(r keyRow) error {
	state, err := r.state()
	if err != nil {
		return err
	}
	ak := evidence.Digest(r.AK)
	if _, ok := k.known[ak]; !ok && len(k.known) >= k.bound {
		for other := range k.known { // any: its next appraisal is refused once
			delete(k.known, other)
			break
		}
	}
	k.known[ak] = knownKey{state, r.Policy}
	return nil
}

// scanKey reads a row whose columns are those of selectKeys, and any further
// ones into more.
func scanKey(row scanner, more ...any) (r keyRow, err error) {
	if err := row.Scan(append([]any{&r.AK, &r.EK, &r.Revoked, &r.State, &r.Policy}, more...)...); err != nil {
		return keyRow{}, err
	}
	if len(r.AK) != len(evidence.Digest{}) {
		return keyRow{}, tampered("an attestation key's digest has %d bytes", len(r.AK))
	}
	return r, nil
}
