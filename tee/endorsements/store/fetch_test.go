package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// bubble runs a test with a clock of its own, in a world with a service.
func bubble(t *testing.T, test func(t *testing.T, s *service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newService(newWorld(t))) })
}

func TestFetch(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		key := s.keyOf("A/01", epoch.Add(-day))
		s.offer(keyName("A/01"), key.Raw)
		h := open(t, s)
		names := []tee.EndorsementName{issuerA, keyName("A/01"), crl, issuerA}
		h.fetched(names...)
		h.serves(s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw, key.Raw, s.list5().Raw)
		if n := s.requests(); n != 3 {
			t.Errorf("%d requests", n)
		}
		h.fetched(names...)
		if n := s.requests(); n != 0 {
			t.Errorf("%d requests for what is there", n)
		}
		c := h.Counters()
		if c.Entries != 3 || c.Keys != 1 || c.InFlight != 0 || c.Vendors[0].Requests != 3 || c.Vendors[0].Stored != 3 || !c.Vendors[0].Available {
			t.Errorf("%+v", c)
		}
	})
}

// The certificate of a key comes before that of its issuer, and waits for it.
func TestFetchAdmitsInTheOrderOfNames(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.offer(keyName("A/01"), s.keyOf("A/01", epoch.Add(-day)).Raw)
		chain := pemOf(s.issuer("A", epoch.AddDate(-1, 0, 0)))
		s.answer(issuerA, func(*http.Request) *http.Response {
			time.Sleep(3 * time.Second)
			return response(200, chain)
		})
		h := open(t, s, func(c *store.Config) { c.Vendors[0].Concurrency = 1 })
		h.fetched(issuerA, keyName("A/01"))
		if n := h.Endorsements().Len(); n != 2 {
			t.Errorf("%d entries", n)
		}
	})
}

func TestFetchByManyAtOnceAsksOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.offer(keyName("A/01"), s.keyOf("A/01", epoch.Add(-day)).Raw)
		h := open(t, s)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { h.fetched(issuerA, keyName("A/01")) })
		}
		all.Wait()
		if n := s.requests(); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

// Intel's documents come with the chain of their issuer in the header.
func TestFetchReadsChainsInTheHeader(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		document := s.document("00806f050000", 3, epoch.Add(-day), epoch.Add(29*day))
		chain := url.PathEscape(string(pemOf(s.issuer("B", epoch.AddDate(-1, 0, 0)), s.root)))
		s.answer(docName("00806f050000"), func(*http.Request) *http.Response { return response(200, document, "Issuer-Chain", chain) })
		h := open(t, s)
		h.fetched(docName("00806f050000"))
		h.serves(document, s.issuer("B", epoch.AddDate(-1, 0, 0)).Raw)

		other := docName("00906f050000")
		s.answer(other, func(*http.Request) *http.Response { return response(200, document, "Issuer-Chain", "%zz") })
		h.refused(evidence.CodeEndorsementUnrecognised, other)
	})
}

// The fetch outlives the caller, and the next one finds what it brought.
func TestFetchGoesOnWithoutItsCaller(t *testing.T) {
	for name, end := range map[string]func() (context.Context, context.CancelFunc){
		"deadline": func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), time.Second)
		},
		"cancelled": func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				body := s.list5().Raw
				s.answer(crl, func(*http.Request) *http.Response {
					time.Sleep(5 * time.Second)
					return response(200, body)
				})
				h := open(t, s)
				ctx, cancel := end()
				defer cancel()
				again, err := h.Fetch(ctx, []tee.EndorsementName{crl})
				if evidence.CodeOf(err) != evidence.CodeEndorsementPending || !errors.Is(err, ctx.Err()) || again <= 0 {
					t.Errorf("%v, again after %v", err, again)
				}
				h.serves()
				time.Sleep(5 * time.Second)
				h.serves(body)
				h.fetched(crl)
				if n := s.requests(); n != 1 {
					t.Errorf("%d requests", n)
				}
				if _, err := h.Fetch(ctx, []tee.EndorsementName{keyName("A/01")}); evidence.CodeOf(err) != evidence.CodeEndorsementPending || s.requests() != 0 {
					t.Errorf("asked although nobody waits: %v", err)
				}
			})
		})
	}
}

func TestFetchRefusesWithoutAsking(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s)
		for code, names := range map[evidence.Code][]tee.EndorsementName{
			evidence.CodeEndorsementUnobtainable: {{Type: "sealed", ID: "A/01"}},
			evidence.CodeEndorsementBusy:         make([]tee.EndorsementName, 65),
		} {
			if again := h.refused(code, names...); again != 0 {
				t.Errorf("%v: again after %v", code, again)
			}
		}
		offline := open(t, s, func(c *store.Config) { c.Offline = true })
		offline.refused(evidence.CodeEndorsementOffline, crl)
		h.Close()
		h.refused(evidence.CodeEndorsementOffline, crl)
		if n := s.requests(); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// One name that cannot be had does not keep the others from coming.
func TestFetchBringsWhatItCan(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s)
		h.refused(evidence.CodeEndorsementNotFound, keyName("A/02"), crl)
		h.serves(s.list5().Raw)
	})
}

// Closing ends what is under way.
// What does not exist does not hide that something else could not be had now, nor
// put off the time to come back for it.
func TestFetchTellsAbsenceFromFailure(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s)
		s.answer(keyName("A/02"), status(429, "Retry-After", "7"))
		again, err := h.fetch(keyName("A/01"), keyName("A/02"))
		if evidence.CodeOf(err) != evidence.CodeEndorsementThrottled || again > 7*time.Second {
			t.Errorf("%v, again in %v", err, again)
		}
		again, err = h.fetch(keyName("A/02"), keyName("A/01"))
		if evidence.CodeOf(err) != evidence.CodeEndorsementThrottled || again > 7*time.Second {
			t.Errorf("%v, again in %v", err, again)
		}
	})
}

func TestCloseEndsFetches(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.all(hangs)
		h := open(t, s)
		done := make(chan error)
		go func() {
			_, err := h.fetch(crl)
			done <- err
		}()
		synctest.Wait()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; evidence.CodeOf(err) != evidence.CodeEndorsementOffline {
			t.Error(err)
		}
		if events := h.heard(); len(events) != 0 {
			t.Errorf("told of %v", events)
		}
	})
}

func TestVendorsAreChecked(t *testing.T) {
	w := newWorld(t)
	for base, ok := range map[string]bool{
		"https://kds.example": true, "https://kds.example/": true, "https://kds.example:8443/a/b": true,
		"http://127.0.0.1:8080": true, "http://localhost/kds": true, "http://[::1]:1/": true,
		"": false, "kds.example": false, "http://kds.example": false, "http://10.0.0.1": false, "ftp://kds.example": false,
		"http://localhost.example": false, "http://127.0.0.1.example": false,
		"https://": false, "https://:443": false, "https://a@kds.example": false, "https://kds.example?a=b": false,
		"https://kds.example/?": false, "https://kds.example#a": false, "https://kds.example/../x": false,
		"https://kds.example/v1/crl": false, "https://kds.example/mirror/v1/crl/": false, "https://kds.example/v1": true,
		"https://kds.example/a//b": false, "https://kds.example/%2e%2e/b": false, "https://kds.example/a b": false,
	} {
		s, err := store.Open(store.Config{Vendors: []store.Vendor{{Name: "v", BaseURL: base, Endorser: endorser{root: w.root}}}})
		if ok != (err == nil) || !ok && evidence.CodeOf(err) != evidence.CodeEndorsementVendor {
			t.Errorf("%q: %v", base, err)
		}
		if s != nil {
			s.Close()
		}
	}
	for _, v := range []store.Vendor{{Name: "v", BaseURL: "https://kds.example"}, {BaseURL: "https://kds.example", Endorser: endorser{}}} {
		if _, err := store.Open(store.Config{Vendors: []store.Vendor{v}}); evidence.CodeOf(err) != evidence.CodeEndorsementVendor {
			t.Errorf("%+v: %v", v, err)
		}
	}
}

// A prefix of the base URL stays in front of every path.
func TestMirrorWithAPrefix(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.all(func(r *http.Request) *http.Response {
			if r.URL.String() != "https://cache.example:8443/amd/kds/v1/crl" || len(r.Header["Cookie"]) > 0 {
				t.Errorf("asked %v", r.URL)
			}
			return response(200, s.list5().Raw, "Set-Cookie", "a=b")
		})
		h := open(t, s, func(c *store.Config) { c.Vendors[0].BaseURL = "https://cache.example:8443/amd/kds/" })
		h.fetched(crl)
		h.serves(s.list5().Raw)
	})
}

// Two vendors: each name is asked for where it is known.
func TestTwoVendors(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		other := newStranger(t)
		h := open(t, s, func(c *store.Config) {
			v := c.Vendors[0]
			v.Name, v.BaseURL, v.Endorser = "other", "https://other.example", only{endorser{root: other.root}, "B"}
			c.Vendors = append([]store.Vendor{v}, c.Vendors...)
		})
		s.offer(tee.EndorsementName{Type: "issuer", ID: "B"}, pemOf(other.issuer("B", epoch)))
		h.fetched(issuerA, tee.EndorsementName{Type: "issuer", ID: "B"})
		h.serves(s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw, other.issuer("B", epoch).Raw)
		if got := fmt.Sprint(s.asked); got != "[https://kds.example/v1/A/chain https://other.example/v1/B/chain]" && got != "[https://other.example/v1/B/chain https://kds.example/v1/A/chain]" {
			t.Error(got)
		}
	})
}

// only is an endorser of one line's issuer.
type only struct {
	endorser
	line string
}

func (o only) Needs(evidence.Claims) []tee.EndorsementName {
	return []tee.EndorsementName{{Type: "issuer", ID: o.line}}
}

func (o only) Locate(name tee.EndorsementName) (string, bool) {
	if name.Type != "issuer" || name.ID != o.line {
		return "", false
	}
	return o.endorser.Locate(name)
}
