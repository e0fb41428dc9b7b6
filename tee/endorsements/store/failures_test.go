package store_test

import (
	"testing"
	"time"

	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// A failure is told of until the next success, and no longer: neither a reload of
// the directory nor a restart brings it back.
func TestFailuresEnd(t *testing.T) {
	t.Run("real", func(t *testing.T) {
		testFailuresEnd(t, func(s *service) tee.Endorser { return endorser{root: s.root} })
	})
	t.Run("simulated", func(t *testing.T) {
		other := newStranger(t)
		testFailuresEnd(t, func(s *service) tee.Endorser {
			return simulated{real: endorser{root: other.root}, simulated: endorser{root: s.root}}
		})
	})
}

func testFailuresEnd(t *testing.T, of func(*service) tee.Endorser) {
	bubble(t, func(t *testing.T, s *service) {
		dir, key := t.TempDir(), keyName("A/01")
		inDir := func(c *store.Config) { c.Dir, c.Vendors[0].Endorser = dir, of(s) }
		h := open(t, s, inDir)
		s.all(status(500))
		stop := h.run()
		h.Want(key)
		time.Sleep(3 * time.Minute)
		s.all(nil)
		s.offer(key, s.keyOf("A/01", epoch).Raw)
		time.Sleep(2 * time.Hour)
		for range 2 {
			if n := len(h.Status()); n != 3 {
				t.Errorf("%d names", n)
			}
			for _, status := range h.Status() {
				if status.State != store.StateCurrent || status.Error != nil {
					t.Errorf("%v is %s: %v", status.Name, status.State, status.Error)
				}
			}
			stop()
			h.Close()
			h = open(t, s, inDir)
			stop = h.run()
		}
		stop()
	})
}
