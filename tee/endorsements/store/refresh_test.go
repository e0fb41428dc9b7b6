package store_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// The loop fetches the baseline, and what is wanted, without being asked.
func TestRunFetchesBaselineAndWanted(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		key := s.keyOf("A/01", epoch)
		s.offer(keyName("A/01"), key.Raw)
		h := open(t, s)
		if got := fmt.Sprint(h.Baseline()); got != fmt.Sprint([]tee.EndorsementName{issuerA, crl}) {
			t.Error(got)
		}
		if got := states(h.Store); got[issuerA] != "missing" || got[crl] != "missing" {
			t.Error(got)
		}
		stop := h.run()
		time.Sleep(time.Second)
		h.serves(s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw, s.list5().Raw)
		h.Want(keyName("A/01"), keyName("A/02"), tee.EndorsementName{Type: "sealed", ID: "A/01"})
		time.Sleep(time.Second) // no tick is waited for
		stop()
		h.serves(s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw, s.list5().Raw, key.Raw)
		if got := states(h.Store); len(got) != 3 || got[keyName("A/01")] != "current" {
			t.Error(got)
		}
		if n := s.requests(); n != 4 {
			t.Errorf("%d requests", n)
		}
		stop = h.run() // what the vendor does not know is not wanted any more
		time.Sleep(3 * time.Hour)
		stop()
		if n := s.requests(); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// However much is wanted, lists are renewed in time.
func TestRunWithManyWishes(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s)
		stop := h.run()
		defer stop()
		time.Sleep(time.Second)
		var wishes []tee.EndorsementName
		for n := range 300 {
			name := keyName(fmt.Sprintf("A/%05d", n))
			wishes = append(wishes, name)
			s.answer(name, status(500)) // which keeps them wanted
		}
		h.Want(wishes...)
		s.offer(crl, s.list(6, epoch, epoch.AddDate(1, 0, 0), 1000).Raw)
		time.Sleep(23 * time.Hour)
		if got := h.Endorsements().RevocationLists(); len(got) != 1 || got[0].Number.Int64() != 6 {
			t.Error("not renewed")
		}
		time.Sleep(time.Hour)
		if n := s.requests(); n > 24*3600+100 {
			t.Errorf("%d requests in a day", n)
		}
	})
}

// A list that lives for a year is looked at every day; certificates, not before
// their end comes near.
func TestRunRenewsDaily(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.offer(keyName("A/01"), s.keyOf("A/01", epoch).Raw)
		h := open(t, s)
		stop := h.run()
		h.fetched(issuerA, keyName("A/01"))
		time.Sleep(time.Hour)
		s.requests()
		time.Sleep(20 * day)
		if n := s.requests(); n < 20 || n > 25 {
			t.Errorf("%d requests in twenty days", n)
		}
		next := s.list(6, epoch.Add(20*day), epoch.AddDate(2, 0, 0), 1000, 7)
		s.offer(crl, next.Raw)
		time.Sleep(day)
		stop()
		if got := h.contents(); !got[string(next.Raw)] || got[string(s.list5().Raw)] {
			t.Error("the new list is not in force")
		}
		for _, status := range h.Status() {
			if status.Name == crl && (status.Sequence != 6 || !status.Fetched.After(epoch.Add(20*day)) || time.Until(status.Next) > day || status.Error != nil) {
				t.Errorf("%+v", status)
			}
			if status.Name == keyName("A/01") && !status.Next.IsZero() && status.Next.Before(epoch.AddDate(6, 10, 0)) {
				t.Errorf("%+v", status)
			}
		}
	})
}

// Near the end of its life a document is looked at more and more often; while the
// vendor has nothing newer, not too often; and what is renewed comes in time.
func TestRunRenewsAheadOfTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		name := docName("00806f050000")
		s.offer(name, s.document(name.ID, 1, epoch, epoch.Add(30*day)))
		h := open(t, s)
		stop := h.run()
		defer stop()
		h.fetched(issuerA, crl, name)
		time.Sleep(30*day - time.Hour)
		s.requests()
		time.Sleep(time.Hour) // it ends now
		if n := s.requests(); n < 1 || n > 4 {
			t.Errorf("%d requests in the last hour", n)
		}
		time.Sleep(10 * time.Hour)
		if n := s.requests(); n < 8 || n > 22 {
			t.Errorf("%d requests in ten hours after the end", n)
		}
		next := s.document(name.ID, 1, epoch.Add(30*day), epoch.Add(60*day))
		s.offer(name, next)
		time.Sleep(2 * time.Hour)
		if got := h.contents(); !got[string(next)] || len(got) != 3 {
			t.Error("not renewed")
		}
	})
}

// A certificate is fetched anew ahead of its end.
func TestRunRenewsCertificates(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		key, next := s.keyOf("A/01", epoch), s.keyOf("A/01", epoch.AddDate(6, 0, 0))
		s.offer(keyName("A/01"), key.Raw)
		h := open(t, s, func(c *store.Config) { c.RefreshEvery = 10 * day }) // a faster test
		h.fetched(issuerA, keyName("A/01"))
		time.Sleep(7*366*day - 20*day - 7*day)
		s.offer(keyName("A/01"), next.Raw)
		stop := h.run()
		time.Sleep(11 * day)
		stop()
		if got := h.contents(); !got[string(next.Raw)] || got[string(key.Raw)] {
			t.Error("not renewed, or both are served")
		}
	})
}

// With the vendor down, what is held stays and the vendor hears from the store a
// few times an hour; with one vendor down, the other's are renewed.
func TestRunWithAVendorDown(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		other := newStranger(t)
		otherName := tee.EndorsementName{Type: "issuer", ID: "B"}
		h := open(t, s, func(c *store.Config) {
			v := c.Vendors[0]
			v.Name, v.BaseURL, v.Endorser = "other", "https://other.example", only{endorser{root: other.root}, "B"}
			c.Vendors = append([]store.Vendor{v}, c.Vendors...)
		})
		var asked atomic.Int32
		s.all(func(r *http.Request) *http.Response {
			asked.Add(1)
			return hangs(r)
		})
		issuer := pemOf(other.issuer("B", epoch))
		stop := h.run()
		defer stop()
		time.Sleep(time.Hour)
		if n := asked.Load(); n > 60 {
			t.Errorf("%d requests in an hour", n)
		}
		s.all(func(r *http.Request) *http.Response {
			if r.URL.Host == "kds.example" {
				return down(r)
			}
			return response(200, issuer)
		})
		time.Sleep(10 * time.Minute)
		h.serves(other.issuer("B", epoch).Raw)
		got := states(h.Store)
		if got[otherName] != "current" || got[crl] != "missing" {
			t.Error(got)
		}
		for _, status := range h.Status() {
			if status.Name == crl && (evidence.CodeOf(status.Error) != evidence.CodeEndorsementUnreachable || status.Failed.IsZero() || status.Next.IsZero()) {
				t.Errorf("%+v", status)
			}
		}
	})
}

// A mirror that offers an older issue for ever is not asked for ever faster.
func TestRunWithARolledBackMirror(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s)
		stop := h.run()
		defer stop()
		time.Sleep(time.Minute)
		s.offer(crl, s.list(4, epoch.Add(-day), epoch.AddDate(1, 0, 0), 1000).Raw)
		time.Sleep(2 * day)
		s.requests()
		time.Sleep(day)
		if n := s.requests(); n < 12 || n > 25 {
			t.Errorf("%d requests in a day", n)
		}
		if got := h.contents(); !got[string(s.list5().Raw)] || len(got) != 2 {
			t.Error("the newer one is not in force")
		}
	})
}

// clock is one that jumps.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time        { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) jump(by time.Duration) { c.ahead.Add(int64(by)) }

// A clock that jumps years ahead makes everything look expired: it is asked for
// at once, and then not more often than what has expired. When the clock is right
// again, everything is as before.
func TestAttack_B20_ClockJumpsAhead(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := &clock{}
		list := s.list(5, epoch.Add(-day), epoch.AddDate(1, 0, 0)) // revokes nothing: handed out for the grace only
		s.offer(crl, list.Raw)
		var documents [][]byte
		h := open(t, s, func(config *store.Config) { config.Now = c.now })
		for n := range 20 {
			name := docName(fmt.Sprintf("%012x", n))
			documents = append(documents, s.document(name.ID, 1, epoch.Add(-day), epoch.Add(29*day)))
			s.offer(name, documents[n])
			h.fetched(name)
			time.Sleep(2 * time.Second)
		}
		h.fetched(issuerA, crl)
		all := append(documents, list.Raw, s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw)
		h.serves(all...)
		stop := h.run()
		defer stop()
		time.Sleep(time.Minute)
		s.requests()

		c.jump(5 * 365 * day)
		time.Sleep(time.Hour)
		if n := s.requests(); n > 2*22 {
			t.Errorf("%d requests in an hour", n)
		}
		h.serves(s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw)
		h.refused(evidence.CodeEndorsementStale, crl)
		began := time.Now()
		s.requests()
		for range 100 {
			h.refused(evidence.CodeEndorsementStale, crl)
		}
		if n := s.requests(); n != 0 || time.Since(began) != 0 {
			t.Errorf("%d requests", n)
		}

		c.jump(-5 * 365 * day)
		time.Sleep(2 * time.Minute)
		h.serves(all...)
		h.fetched(crl)
	})
}

// A clock that is set back lets nothing of its future in, takes nothing away, and
// makes nothing be asked for more often.
func TestAttack_B19_ClockJumpsBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := &clock{}
		h := open(t, s, func(config *store.Config) { config.Now = c.now })
		stop := h.run()
		defer stop()
		time.Sleep(time.Minute)
		s.requests()

		c.jump(-40 * day)
		s.offer(keyName("A/01"), s.keyOf("A/01", epoch).Raw)
		h.refused(evidence.CodeEndorsementNotAuthentic, keyName("A/01"))
		s.requests()
		time.Sleep(10 * day)
		if n := s.requests(); n > 13 {
			t.Errorf("%d requests in ten days", n)
		}
		h.serves(s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw, s.list5().Raw)
		c.jump(40 * day)
		h.fetched(keyName("A/01"))
	})
}

// Closing the store ends the loop as well.
func TestCloseEndsRun(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s)
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.Run(context.Background())
		}()
		time.Sleep(time.Minute)
		h.Close()
		<-done
	})
}
