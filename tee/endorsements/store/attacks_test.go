package store_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// TestAttack_S33_RollBack: an older list is refused whether it comes from the
// vendor or by import, also when the newer one was lost; what it revoked beyond
// the newer one counts beside it, and alone it never passes for the newest.
func TestAttack_S33_RollBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		inDir := func(c *store.Config) { c.Dir = dir }
		newest := s.list(9, epoch.Add(-day), epoch.AddDate(1, 0, 0), 1000)
		s.offer(crl, newest.Raw)
		h := open(t, s, inDir)
		h.fetched(crl)

		for _, old := range []*x509.RevocationList{
			s.list(8, epoch.Add(-2*day), epoch.AddDate(1, 0, 0), 1000), // an earlier number
			s.list(8, epoch.Add(-time.Hour), epoch.AddDate(2, 0, 0)),   // dated later
			s.list(9, epoch.Add(-2*day), epoch.AddDate(2, 0, 0)),       // an earlier date
		} {
			report, err := h.Import(heap(old))
			if err != nil || len(report.Added) != 0 || len(report.Refused) != 1 || evidence.CodeOf(report.Refused[0].Err) != evidence.CodeEndorsementRolledBack {
				t.Errorf("%+v, %v", report, err)
			}
			h.serves(newest.Raw)
		}

		more := s.list(7, epoch.Add(-3*day), epoch.AddDate(1, 0, 0), 1000, 1001)
		if report, _ := h.Import(heap(more)); len(report.Added)+len(report.Refused) != 0 || len(report.Kept) != 1 {
			t.Errorf("%+v", report)
		}
		h.serves(newest.Raw, more.Raw)
		if state := states(h.Store)[crl]; state != "current superseded" {
			t.Error(state)
		}
		h.Close()

		forget(t, dir, newest.Raw) // and start again: the number is remembered
		h = open(t, s, inDir)
		s.offer(crl, s.list(8, epoch.Add(-time.Hour), epoch.AddDate(2, 0, 0)).Raw)
		h.refused(evidence.CodeEndorsementRolledBack, crl)
		h.serves()
		time.Sleep(time.Minute)
		next := s.list(10, epoch, epoch.AddDate(2, 0, 0), 1000, 1001)
		s.offer(crl, next.Raw)
		h.fetched(crl)
		h.serves(next.Raw) // which says all that the older one said
	})
}

// An older list that is good for longer than the newest does not outlive it.
func TestAttack_S33_OlderListWithALongerLife(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		older := s.list(5, epoch.Add(-2*day), epoch.AddDate(5, 0, 0), 1000)
		newest := s.list(6, epoch.Add(-day), epoch.AddDate(0, 1, 0))
		h := open(t, s, func(c *store.Config) { c.Offline = true })
		if report, err := h.Import(heap(older, newest)); err != nil || len(report.Added) != 1 || len(report.Kept) != 1 {
			t.Fatalf("%+v, %v", report, err)
		}
		stop := h.run()
		defer stop()
		time.Sleep(100 * day) // the newest has ended, and so has the grace
		h.serves(older.Raw, newest.Raw)
	})
}

// The lists that are kept for what they revoked are bounded.
func TestAttack_S33_ManyLists(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s)
		h.fetched(crl)
		for n := range int64(20) {
			if _, err := h.Import(heap(s.list(n-16, epoch.Add(-100*day), epoch, 2000+n))); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(h.Endorsements().RevocationLists()); n != 5 {
			t.Errorf("%d lists", n)
		}
	})
}

// TestAttack_S34_ForgedListThenGood: a forged list does not get in, and does not
// keep the good one out.
func TestAttack_S34_ForgedListThenGood(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		forged := newStranger(t).list(99, epoch, epoch.AddDate(9, 0, 0))
		s.offer(crl, forged.Raw)
		h := open(t, s)
		again := h.refused(evidence.CodeEndorsementNotAuthentic, crl)
		h.serves()
		s.offer(crl, s.list5().Raw)
		time.Sleep(again)
		h.fetched(crl)
		h.serves(s.list5().Raw)
		if report, err := h.Import(heap(forged)); err != nil || report.Unknown != 1 || len(report.Added)+len(report.Refused) != 0 {
			t.Errorf("%+v, %v", report, err)
		}
		h.serves(s.list5().Raw)
	})
}

// TestAttack_S35_ListCannotBeHad: that is an error, each time; and a list that is
// there stays, expired or not, for the verifier to judge.
func TestAttack_S35_ListCannotBeHad(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.all(down)
		h := open(t, s)
		for range 5 {
			again := h.refused(evidence.CodeEndorsementUnreachable, crl)
			time.Sleep(again)
		}
		h.serves()
		s.all(nil)
		revokes, empty := s.list(5, epoch, epoch.Add(10*day), 1000), s.issuer("A", epoch.AddDate(-1, 0, 0))
		s.offer(crl, revokes.Raw)
		time.Sleep(10 * time.Minute)
		h.fetched(crl, issuerA)
		s.all(down)
		stop := h.run()
		time.Sleep(45 * day)
		stop()
		h.serves(revokes.Raw, empty.Raw)
		h.refused(evidence.CodeEndorsementUnreachable, crl)
	})
}

// TestAttack_D08_RandomChips: evidence that names chips which do not exist costs
// the vendor a bounded number of requests and the store a bounded memory, and
// does not keep the baseline from coming.
func TestAttack_D08_RandomChips(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s)
		codes := map[evidence.Code]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		began := time.Now()
		for n := range 10_000 {
			all.Go(func() {
				_, err := h.fetch(keyName(fmt.Sprintf("A/%032x", n)))
				mu.Lock()
				defer mu.Unlock()
				codes[evidence.CodeOf(err)]++
			})
		}
		all.Wait()
		if time.Since(began) > 11*time.Second {
			t.Errorf("held up for %v", time.Since(began))
		}
		if n := s.requests(); n > 16+11 {
			t.Errorf("%d requests", n)
		}
		if codes[evidence.CodeEndorsementBusy]+codes[evidence.CodeEndorsementThrottled] < 9900 {
			t.Errorf("codes %v", codes)
		}
		h.fetched(issuerA, crl) // in the lane of their own
		time.Sleep(time.Minute)
		h.refused(evidence.CodeEndorsementNotFound, keyName("A/01"))
		h.serves(s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw, s.list5().Raw)
		if c := h.Counters(); c.InFlight != 0 || c.Entries != 2 {
			t.Errorf("%+v", c)
		}
		if n := len(h.Status()); n != 2 {
			t.Errorf("%d names in the status", n)
		}
	})
}

// Names that failed do not push out what is remembered of the store's own.
func TestAttack_D08_MemoryOfFailures(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.answer(crl, status(404))
		h := open(t, s, func(c *store.Config) { c.Vendors[0].RequestEvery, c.Vendors[0].Burst = time.Microsecond, 100_000 })
		h.refused(evidence.CodeEndorsementNotFound, crl)
		for n := range 5000 {
			h.refused(evidence.CodeEndorsementNotFound, keyName(fmt.Sprintf("A/%032x", n)))
		}
		s.requests()
		h.refused(evidence.CodeEndorsementNotFound, crl)
		h.refused(evidence.CodeEndorsementNotFound, keyName(fmt.Sprintf("A/%032x", 4999)))
		if n := s.requests(); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestAttack_D08_ManyMachines: as many certificates as there is room for, the
// ones needed last; issuers and lists stay.
func TestAttack_D08_ManyMachines(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s, func(c *store.Config) { c.MaxEntries = 12 })
		h.fetched(issuerA, crl)
		keys := map[string][]byte{}
		for n := range 30 {
			id := fmt.Sprintf("A/%02d", n)
			keys[id] = s.keyOf(id, epoch).Raw
			s.offer(keyName(id), keys[id])
			h.fetched(keyName(id))
			h.fetched(keyName("A/00")) // needed all the time
			time.Sleep(2 * time.Second)
		}
		c := h.Counters()
		if c.Entries != 12 || c.Keys != 10 || c.Evicted != 20 {
			t.Errorf("%+v", c)
		}
		got := h.contents()
		for _, id := range []string{"A/00", "A/21", "A/29"} {
			if !got[string(keys[id])] {
				t.Errorf("%s is gone", id)
			}
		}
		if len(got) > 12+18 || !got[string(s.list5().Raw)] {
			t.Errorf("%d entries are served", len(got))
		}
		s.requests()
		h.fetched(keyName("A/01"))
		if n := s.requests(); n != 1 {
			t.Errorf("%d requests for one that was evicted", n)
		}
	})
}

// What cannot be fetched again is not evicted, and what then has no room is refused.
func TestAttack_D08_NoRoom(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s, func(c *store.Config) { c.MaxEntries = 3 })
		h.fetched(issuerA, crl)
		sealed := make([]*x509.Certificate, 2)
		for n := range sealed {
			sealed[n] = s.keyOf(fmt.Sprintf("A/%02d", n), epoch)
			template := s.template(fmt.Sprintf("Sealed A/%02d", n), epoch, epoch.AddDate(1, 0, 0))
			sealed[n] = s.sign(template, s.issuer("A", epoch.AddDate(-1, 0, 0)))
		}
		h.Import(heap(sealed[0]))
		report, err := h.Import(heap(sealed[1]))
		if err != nil || len(report.Refused) != 1 || evidence.CodeOf(report.Refused[0].Err) != evidence.CodeEndorsementStoreFull {
			t.Errorf("%+v, %v", report, err)
		}
		next := s.list(6, epoch, epoch.AddDate(2, 0, 0))
		if report, _ := h.Import(heap(next)); len(report.Added) != 1 { // in place of the old one
			t.Errorf("%+v", report)
		}
		h.serves(s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw, next.Raw, sealed[0].Raw)
	})
}

// TestAttack_D09_Throttled: while the vendor wants a pause nobody waits, what is
// held is served, and the vendor is left alone.
func TestAttack_D09_Throttled(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s)
		h.fetched(issuerA, crl)
		s.all(status(429, "Retry-After", "600"))
		if again := h.refused(evidence.CodeEndorsementThrottled, keyName("A/01")); again != 10*time.Minute {
			t.Errorf("come back in %v", again)
		}
		s.requests()
		began := time.Now()
		for n := range 1000 {
			h.refused(evidence.CodeEndorsementThrottled, keyName(fmt.Sprintf("A/x%d", n)))
			h.fetched(issuerA, crl)
		}
		if n := s.requests(); n != 0 || time.Since(began) != 0 {
			t.Errorf("%d requests in %v", n, time.Since(began))
		}
	})
}

// One request for a name at a time and, after a failure, none for a while: a
// vendor does not get the clients' retries.
func TestAttack_D09_Amplification(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.all(status(500))
		h := open(t, s)
		for range 600 { // a client that comes each second
			h.fetch(keyName("A/01"))
			time.Sleep(time.Second)
		}
		if n := s.requests(); n > 12 {
			t.Errorf("%d requests in ten minutes", n)
		}
	})
}

// TestAttack_D10_Hang: a vendor that hangs, before or in its answer, over a real
// connection: the caller is back at its deadline, and nothing is left running.
func TestAttack_D10_Hang(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"before": func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"within": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "-----BEGIN X509 CRL-----")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			h := open(t, newService(newWorld(t)), func(c *store.Config) { c.Vendors[0].BaseURL, c.Transport = server.URL, nil })
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			if _, err := h.Fetch(ctx, []tee.EndorsementName{crl}); evidence.CodeOf(err) != evidence.CodeEndorsementPending {
				t.Error(err)
			}
			h.Close() // TestMain looks for goroutines
		})
	}
}

// TestAttack_D11_Redirect: no redirect is followed, wherever it leads.
func TestAttack_D11_Redirect(t *testing.T) {
	var strayed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{elsewhere.URL + "/v1/crl", "http://169.254.169.254/latest", "/v1/A/chain", "//kds.example.evil/", "\x1b"} {
			here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1/crl" {
					strayed.Add(1)
				}
				w.Header().Set("Location", location)
				w.WriteHeader(status)
			}))
			h := open(t, newService(newWorld(t)), func(c *store.Config) { c.Vendors[0].BaseURL, c.Transport = here.URL, nil })
			h.refused(evidence.CodeEndorsementUnreachable, crl)
			h.serves()
			h.Close()
			here.Close()
		}
	}
	if strayed.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// TestAttack_D11_PathsThatLeadElsewhere: even an endorser that checks nothing
// cannot be used to reach another host or leave the prefix.
func TestAttack_D11_PathsThatLeadElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.all(func(r *http.Request) *http.Response {
			t.Errorf("asked %v", r.URL)
			return response(404, nil)
		})
		h := open(t, s, func(c *store.Config) { c.Vendors[0].BaseURL = "https://kds.example/mirror" })
		for _, path := range []string{
			"", "/", "v1", "//evil.example/v1", "/../v1", "/v1/../../x", "/v1/..", "/./v1", "/v1//x", "/v1/", "@evil.example/", ".evil.example/",
			":8080/", "https://evil.example/", "/%2e%2e/v1", "/v1%2f..", `/..\v1`, "/v1?a=b#c", "/v1#x", "/v1?a=b?c", "/v1?a=%00", "/v1\x00", "/v1\r\nHost: evil.example",
			"/v1 HTTP/1.1", "/v1;x", "/é", "/v1?a=é", "/v1?a=/etc", "/v1?a=b c",
		} {
			h.refused(evidence.CodeEndorsementUnobtainable, tee.EndorsementName{Type: "escape", ID: path})
		}
	})
}

// TestAttack_D13_SwappedAnswers: what was asked for must be in the answer; an
// authentic endorsement of another name is refused, and what is held stays.
func TestAttack_D13_SwappedAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		one, two := s.keyOf("A/01", epoch), s.keyOf("A/02", epoch)
		s.offer(keyName("A/01"), two.Raw)
		s.offer(keyName("A/02"), one.Raw)
		h := open(t, s)
		h.fetched(issuerA)
		h.refused(evidence.CodeEndorsementNotAuthentic, keyName("A/01"))
		h.refused(evidence.CodeEndorsementNotAuthentic, keyName("A/02"))
		h.serves(s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw)

		s.offer(keyName("A/01"), slices.Concat(two.Raw, one.Raw)) // both: authentic, and asked for
		time.Sleep(time.Minute)
		h.fetched(keyName("A/01"))
		h.serves(s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw, one.Raw, two.Raw)
	})
}

// TestAttack_D14_NamesBecomeNoPaths: files are named by what is in them.
func TestAttack_D14_NamesBecomeNoPaths(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	h := open(t, newService(w), func(c *store.Config) { c.Dir = dir })
	for n, id := range []string{"../../x", "%2e%2e/x", `..\x`, "x\x00y", strings.Repeat("x", 5000)} {
		template := w.template("Sealed "+id, epoch, epoch.AddDate(1, 0, 0))
		if _, err := h.Import(heap(w.issuer("A", epoch), w.sign(template, w.issuer("A", epoch)))); err != nil {
			t.Error(n, err)
		}
	}
	for _, name := range filesIn(t, dir) {
		if !fileForm.MatchString(name) {
			t.Errorf("a file %q", name)
		}
	}
	if n := len(filesIn(t, dir)); n != 1+5+1 { // with the issuer and the lock
		t.Errorf("%d files", n)
	}
}
