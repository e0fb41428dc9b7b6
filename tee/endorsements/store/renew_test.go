package store_test

import (
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// TestRenew asks for a newer issue of what Fetch is content with, and keeps what
// there is while the vendor does not answer.
func TestRenew(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s)
		h.fetched(crl)
		newer := s.list(6, epoch.Add(-day/2), epoch.AddDate(1, 0, 0), 1000)
		s.offer(crl, newer.Raw)
		h.fetched(crl)
		h.serves(s.list5().Raw)
		if again, err := h.Renew(t.Context(), crl); err != nil || again != 0 {
			t.Errorf("%v (again after %v)", err, again)
		}
		h.serves(newer.Raw)

		s.all(down)
		if again, err := h.Renew(t.Context(), crl); evidence.CodeOf(err) != evidence.CodeEndorsementUnreachable || again == 0 {
			t.Errorf("%v (again after %v)", err, again)
		}
		h.serves(newer.Raw)
	})
}

func TestIsBookkeeping(t *testing.T) {
	for name, want := range map[string]bool{
		"lock": true, "state.json": true, "state.json.unusable": true, ".writing": true,
		"crl-0011223344556677.pem": false, "keys-0001.der": false, "locks": false,
	} {
		if store.IsBookkeeping(name) != want {
			t.Errorf("%s: want %t", name, want)
		}
	}
}
