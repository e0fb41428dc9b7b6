package verifier

import (
	"sync"
	"time"

	"github.com/quotary/quotary/evidence"
)

// SpentSet is a Spender in memory, bounded in size. It remembers in two
// generations of one [ChallengeTTL] each: an entry is kept for at least as long
// as its challenge could live. The zero value is ready to use.
type SpentSet struct {
	mu       sync.Mutex
	started  time.Time // of the current generation
	latest   time.Time // the latest now seen; time must not run backwards
	current  map[[16]byte]struct{}
	previous map[[16]byte]struct{}
}

// Spend implements Spender.
func (s *SpentSet) Spend(id [16]byte, expires, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Add(maxClockStep).Before(s.latest) || expires.Sub(now) > ChallengeTTL {
		return evidence.Errorf(evidence.CodeOverloaded, "challenge", "the service's clock ran backwards; try again later, or restart the service if its clock was set right")
	}
	s.rotate(now)
	if s.has(id) {
		return evidence.Errorf(evidence.CodeChallengeSpent, "challenge", "the challenge was used before; ask for a new one")
	}
	if len(s.current)+len(s.previous) >= maxSpent {
		return evidence.Errorf(evidence.CodeOverloaded, "challenge", "too many attestations at once; try again later")
	}
	s.current[id] = struct{}{}
	return nil
}

func (s *SpentSet) rotate(now time.Time) {
	if now.After(s.latest) {
		s.latest = now
	}
	if s.current != nil && now.Sub(s.started) < ChallengeTTL+maxClockStep {
		return
	}
	s.previous, s.current, s.started = s.current, map[[16]byte]struct{}{}, now
}

func (s *SpentSet) has(id [16]byte) bool {
	_, current := s.current[id]
	_, previous := s.previous[id]
	return current || previous
}
