package verifier

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
)

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func number(n int) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

func spend(s *SpentSet, n int, now time.Time) evidence.Code {
	return evidence.CodeOf(s.Spend(number(n), now.Add(ChallengeTTL), now))
}

// What is spent stays spent for as long as its challenge could live, whenever
// the generations change.
func TestSpentSetRemembersForALife(t *testing.T) {
	for _, offset := range []time.Duration{0, time.Second, ChallengeTTL / 2, ChallengeTTL, ChallengeTTL + maxClockStep - 1} {
		var s SpentSet
		spend(&s, 0, start)
		issued := start.Add(offset)
		expires := issued.Add(ChallengeTTL)
		if err := s.Spend(number(1), expires, issued); err != nil {
			t.Fatal(err)
		}
		for at := issued; at.Before(expires); at = at.Add(time.Second) {
			if code := evidence.CodeOf(s.Spend(number(1), expires, at)); code != evidence.CodeChallengeSpent {
				t.Fatalf("spent after %s, again after %s: %v", offset, at.Sub(issued), code)
			}
			spend(&s, int(at.Unix()), at) // others come and go
		}
	}
}

func TestAttack_D07_SpentSetForgets(t *testing.T) {
	var s SpentSet
	for i := range 10_000 {
		if code := spend(&s, i, start.Add(time.Duration(i)*time.Second)); !code.IsZero() {
			t.Fatal(code)
		}
	}
	if n := len(s.current) + len(s.previous); n > 2*int((ChallengeTTL+maxClockStep)/time.Second)+2 {
		t.Errorf("%d entries are kept", n)
	}
}

func TestAttack_D07_SpentSetIsBounded(t *testing.T) {
	s := SpentSet{started: start, latest: start, current: make(map[[16]byte]struct{}, maxSpent)}
	for i := range maxSpent {
		s.current[number(i)] = struct{}{}
	}
	if code := spend(&s, maxSpent, start); code != evidence.CodeOverloaded {
		t.Errorf("beyond the bound: %v", code)
	}
	if code := spend(&s, 7, start); code != evidence.CodeChallengeSpent {
		t.Errorf("a spent one, at the bound: %v", code)
	}
	const generation = ChallengeTTL + maxClockStep
	if code := spend(&s, maxSpent, start.Add(generation)); code != evidence.CodeOverloaded {
		t.Errorf("a generation later: %v", code)
	}
	if code := spend(&s, maxSpent, start.Add(2*generation)); !code.IsZero() {
		t.Errorf("two generations later: %v", code)
	}
}

func TestAttack_B19_ClockRunsBackwards(t *testing.T) {
	var s SpentSet
	spend(&s, 1, start)
	if code := spend(&s, 2, start.Add(-maxClockStep)); !code.IsZero() {
		t.Errorf("a small step: %v", code)
	}
	for _, back := range []time.Duration{maxClockStep + 1, time.Hour, 30 * 24 * time.Hour} {
		if code := spend(&s, 3, start.Add(-back)); code != evidence.CodeOverloaded {
			t.Errorf("%s back: %v", back, code)
		}
	}
	if code := spend(&s, 3, start); !code.IsZero() {
		t.Errorf("a refusal spent the challenge: %v", code)
	}
	// An idle service whose clock was far ahead and is set right.
	if code := evidence.CodeOf(s.Spend(number(4), start.Add(ChallengeTTL+1), start)); code != evidence.CodeOverloaded {
		t.Errorf("a challenge from the future: %v", code)
	}
}

// After a long pause both generations are over, and nothing of them counts.
func TestSpentSetAfterALongPause(t *testing.T) {
	var s SpentSet
	spend(&s, 1, start)
	later := start.Add(time.Hour)
	if code := spend(&s, 2, later); !code.IsZero() {
		t.Error(code)
	}
	if code := spend(&s, 2, later); code != evidence.CodeChallengeSpent {
		t.Errorf("twice at once: %v", code)
	}
}

// A challenge is known by its seal alone: until it is spent nothing is remembered
// of it, however many are asked for.
func TestAttack_D07_ChallengesCostNothing(t *testing.T) {
	var s SpentSet
	c := NewChallenges(&s)
	var last string
	for range 5000 {
		_, last = c.Issue(evidence.PurposeCertificate, "example.org", start)
	}
	if n := len(s.current) + len(s.previous); n != 0 {
		t.Errorf("%d entries for challenges that nobody used", n)
	}
	if _, err := c.consume(last, "example.org", start); err != nil || len(s.current) != 1 {
		t.Errorf("%v, %d entries for one that was used", err, len(s.current))
	}
}
