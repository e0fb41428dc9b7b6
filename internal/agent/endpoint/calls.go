package endpoint

import (
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// counter bounds what each user has at a time.
type counter struct {
	most int

	mu  sync.Mutex
	has map[uint32]int // by user
}

func newCounter(most int) *counter { return &counter{most: most, has: map[uint32]int{}} }

// enter reports whether a user may have one more. Who entered leaves.
func (c *counter) enter(uid uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has[uid] >= c.most {
		return false
	}
	c.has[uid]++
	return true
}

func (c *counter) leave(uid uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has[uid]--; c.has[uid] == 0 {
		delete(c.has, uid)
	}
}

var errTooManyCalls = status.Errorf(codes.ResourceExhausted, "this user has %d calls at once", maxCalls)
