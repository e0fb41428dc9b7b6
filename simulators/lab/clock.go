package lab

import (
	"sync"
	"time"
)

// Clock is a clock that can be moved; it goes on at the pace of real time. The
// zero Clock shows the real time. It is safe for concurrent use.
//
// A service does not forget a time that it has seen: moved backwards by more than
// some seconds, it refuses challenges until its clock has caught up.
type Clock struct {
	mu     sync.Mutex
	offset time.Duration
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset).Round(0)
}

// Travel moves the clock, forwards or, where d is negative, backwards.
func (c *Clock) Travel(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// Set has the clock show this time, and go on from there.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = time.Until(t)
}
