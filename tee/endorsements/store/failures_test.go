package store_test

import (
	"testing"
	"time"

	"github.com/quotary/quotary/tee/endorsements/store"
)

// A failure is told of until the next success, and no longer: neither a reload of
// the directory nor a restart brings it back.
func TestFailuresEnd(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir, key := t.TempDir(), keyName("A/01")
		inDir := func(c *store.Config) { c.Dir = dir }
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
