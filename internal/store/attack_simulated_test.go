package store_test

import (
	"testing"

	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/tee"
)

// simulating is an enrolment by a simulated TPM. Who simulates one knows its endorsement key, so
// the attestation key can be anybody's.
func simulating(e store.Entry) store.Entry {
	e.Enrolment.Simulated = true
	return e
}

// TestAttack_P38_SimulatedEnrolmentOfARealKey: simulated enrolments of real TPMs' attestation keys, before or
// after these enrolled or quoted, neither keep them out nor revoke them.
func TestAttack_P38_SimulatedEnrolmentOfARealKey(t *testing.T) {
	const realEK, simulatedEK, ak, other = 1, 2, 3, 4
	for name, real := range map[string]store.Entry{"enrolled": enrolled(1, realEK, ak), "quoting": quoted(ak, nil, at(5))} {
		for _, first := range []bool{true, false} {
			s := fresh(t)
			if first {
				records(t, s, real)
			}
			records(t, s, simulating(enrolled(2, simulatedEK, ak)), replacing(simulating(enrolled(3, simulatedEK, other))))
			if !first {
				records(t, s, real)
			}
			revoked(t, s, ak, false)
			if _, _, ok := s.KeyState(digest(other)); ok {
				t.Errorf("%s: a simulated enrolment is known as a real one", name)
			}
			// Among themselves simulated keys are as others.
			if state, _, ok := s.KeyState(tee.SimulatedID(digest(ak))); !ok || !state.Revoked {
				t.Errorf("%s: the simulated key that was superseded: %+v, %v", name, state, ok)
			}
			if _, _, err := s.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}
