package store_test

import (
	"testing"
	"testing/synctest"
)

func TestFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := newService(w)
		s.offer(keyName("A/01"), w.keyOf("A/01", epoch.Add(-day)).Raw)
		h := open(t, s)
		defer h.Close()
		if again, err := h.fetch(issuerA, keyName("A/01"), crl); err != nil || again != 0 {
			t.Fatal(again, err)
		}
		if n := h.Endorsements().Len(); n != 3 {
			t.Errorf("%d entries", n)
		}
		if n := s.requests(); n != 3 {
			t.Errorf("%d requests", n)
		}
		if _, err := h.fetch(issuerA, keyName("A/01"), crl); err != nil || s.requests() != 0 {
			t.Error("asked again", err)
		}
	})
}
