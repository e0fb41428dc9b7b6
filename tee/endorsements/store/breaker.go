package store

import (
	"sync"
	"time"
)

// backoff says how long to wait after failures in a row: a random part of an
// interval that doubles (full jitter), so that many stores do not come back at once.
type backoff struct {
	first, longest time.Duration
	random         func() float64
}

// after returns the wait after so many failures, at least minRetry.
func (b backoff) after(failures int) time.Duration {
	ceiling := b.longest
	if doublings := failures - 1; doublings < 20 { // beyond, a shift may overflow
		ceiling = min(b.longest, b.first<<max(doublings, 0))
	}
	return max(minRetry, time.Duration(b.random()*float64(ceiling)))
}

// breaker keeps requests from a vendor that is down or asked for a pause. Open,
// it lets nobody through; when its time is over it lets one request through, and
// that one's outcome closes it or opens it again. Times are of the monotonic clock.
type breaker struct {
	backoff backoff

	mu       sync.Mutex
	failures int // in a row
	isOpen   bool
	wanted   bool      // the vendor asked for the pause
	until    time.Time // while open
	probing  bool      // the one request is under way
}

// pause returns how long nobody is let through any more; zero if somebody may try.
func (b *breaker) pause(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pauseLocked(now)
}

// isClosed reports whether the last answer was one.
func (b *breaker) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.isOpen
}

// isWanted reports whether it is open because the vendor asked for a pause.
func (b *breaker) isWanted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.isOpen && b.wanted
}

func (b *breaker) pauseLocked(now time.Time) time.Duration {
	switch {
	case !b.isOpen:
		return 0
	case now.Before(b.until):
		return b.until.Sub(now)
	case b.probing:
		return minRetry
	}
	return 0
}

// enter lets a request through, or says how long to stay away. Who was let
// through calls exactly one of succeed, fail and leave.
func (b *breaker) enter(now time.Time) (pause time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if pause := b.pauseLocked(now); pause > 0 {
		return pause
	}
	b.probing = b.isOpen
	return 0
}

// succeed takes note of an answer, whatever it said: the vendor is there. It
// reports whether that closed the breaker.
func (b *breaker) succeed() (closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	closed = b.isOpen
	b.failures, b.isOpen, b.probing = 0, false, false
	return closed
}

// fail takes note that the vendor did not answer, or asked for a pause (which
// opens the breaker at once). It reports whether that opened it.
func (b *breaker) fail(now time.Time, pause time.Duration, asked bool) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	again := b.probing
	b.probing = false
	if !asked && !again && b.failures < breakerFailures {
		return false
	}
	opened = !b.isOpen
	if pause == 0 {
		pause = b.backoff.after(b.failures)
	}
	if until := now.Add(pause); !b.isOpen || again || until.After(b.until) {
		b.isOpen, b.wanted, b.until = true, asked, until
	}
	return opened
}

// leave takes note of a request that was given up for reasons of the store's.
func (b *breaker) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}
