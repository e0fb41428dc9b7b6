package store_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// fault is a way in which the vendor's service lets the store down.
type fault struct {
	answer func(s *service) func(*http.Request) *http.Response
	code   evidence.Code
	// The least and most time that the store leaves the name alone, with the test's jitter.
	least, most time.Duration
	// closed says that the vendor as a whole is not asked any more, from the third time on.
	closed bool
}

func always(answer func(*http.Request) *http.Response) func(*service) func(*http.Request) *http.Response {
	return func(*service) func(*http.Request) *http.Response { return answer }
}

func with(raw func(s *service) []byte, header ...string) func(*service) func(*http.Request) *http.Response {
	return func(s *service) func(*http.Request) *http.Response {
		body := raw(s)
		return func(*http.Request) *http.Response { return response(200, body, header...) }
	}
}

// faults are those of an answer to a request for the list.
var faults = map[string]fault{
	"down":               {always(down), evidence.CodeEndorsementUnreachable, time.Second, time.Second, true},
	"hanging":            {always(hangs), evidence.CodeEndorsementUnreachable, time.Second, time.Second, true},
	"hanging in a body":  {always(hangingBody), evidence.CodeEndorsementUnreachable, time.Second, time.Second, true},
	"500":                {always(status(500)), evidence.CodeEndorsementUnreachable, time.Second, 5 * time.Second, false},
	"502":                {always(status(502)), evidence.CodeEndorsementUnreachable, time.Second, time.Second, true},
	"503":                {always(status(503)), evidence.CodeEndorsementUnreachable, time.Second, time.Second, true},
	"403":                {always(status(403)), evidence.CodeEndorsementUnreachable, time.Second, 5 * time.Second, false},
	"404":                {always(status(404)), evidence.CodeEndorsementNotFound, 10 * time.Minute, 10 * time.Minute, false},
	"400":                {always(status(400)), evidence.CodeEndorsementNotFound, 10 * time.Minute, 10 * time.Minute, false},
	"302":                {always(status(302, "Location", "https://kds.example/v1/elsewhere")), evidence.CodeEndorsementUnreachable, time.Second, time.Second, true},
	"204":                {always(status(204)), evidence.CodeEndorsementUnreachable, time.Second, 5 * time.Second, false},
	"empty":              {with(func(*service) []byte { return nil }), evidence.CodeEndorsementUnrecognised, time.Second, 5 * time.Second, false},
	"truncated":          {with(func(s *service) []byte { return s.list5().Raw[:200] }), evidence.CodeEndorsementMalformed, time.Second, 5 * time.Second, false},
	"rubbish":            {with(func(*service) []byte { return []byte("hello") }), evidence.CodeEndorsementUnrecognised, time.Second, 5 * time.Second, false},
	"web page":           {with(func(*service) []byte { return []byte("<html>") }, "Content-Type", "text/html; charset=utf-8"), evidence.CodeEndorsementUnreachable, time.Second, 5 * time.Second, false},
	"compressed":         {with(func(s *service) []byte { return s.list5().Raw }, "Content-Encoding", "gzip"), evidence.CodeEndorsementUnreachable, time.Second, 5 * time.Second, false},
	"shorter than said":  {shorter, evidence.CodeEndorsementUnreachable, time.Second, time.Second, true},
	"of the future":      {with(func(s *service) []byte { return s.list(6, epoch.Add(35*day), epoch.AddDate(1, 0, 0)).Raw }), evidence.CodeEndorsementNotAuthentic, time.Second, 5 * time.Second, false},
	"forged":             {with(func(s *service) []byte { return newStranger(s.t).list(6, epoch, epoch.AddDate(1, 0, 0)).Raw }), evidence.CodeEndorsementNotAuthentic, time.Second, 5 * time.Second, false},
	"for another":        {with(func(s *service) []byte { return pemOf(s.issuer("B", epoch)) }), evidence.CodeEndorsementNotAuthentic, time.Second, 5 * time.Second, false},
	"an earlier number":  {with(func(s *service) []byte { return s.list(4, epoch, epoch.AddDate(1, 0, 0), 1000).Raw }), evidence.CodeEndorsementRolledBack, time.Second, 5 * time.Second, false},
	"an earlier date":    {with(func(s *service) []byte { return s.list(5, epoch.Add(-2*day), epoch.AddDate(1, 0, 0), 1000).Raw }), evidence.CodeEndorsementRolledBack, time.Second, 5 * time.Second, false},
	"429":                {always(status(429)), evidence.CodeEndorsementThrottled, time.Second, 2 * time.Second, true},
	"429, come in 7 s":   {always(status(429, "Retry-After", "7")), evidence.CodeEndorsementThrottled, 7 * time.Second, 7 * time.Second, true},
	"429, come in a day": {always(status(429, "Retry-After", "86400")), evidence.CodeEndorsementThrottled, 15 * time.Minute, 15 * time.Minute, true},
	"429, come at once":  {always(status(429, "Retry-After", "0")), evidence.CodeEndorsementThrottled, time.Second, time.Second, true},
	"429, come at a date": {always(status(429, "Retry-After", epoch.Add(30*day+time.Minute).Format(http.TimeFormat))),
		evidence.CodeEndorsementThrottled, 55 * time.Second, time.Minute, true},
	"503, come in 7 s": {always(status(503, "Retry-After", "7")), evidence.CodeEndorsementThrottled, 7 * time.Second, 7 * time.Second, true},
}

func shorter(s *service) func(*http.Request) *http.Response {
	return func(*http.Request) *http.Response {
		r := response(200, s.list5().Raw)
		r.ContentLength += 100
		return r
	}
}

// What is held was good for thirty days when the vendor fails: it stays, and
// nothing else gets in. The name, and the vendor if that is at fault, are left
// alone, and all is well again when the vendor is.
func TestFaultsOfTheVendor(t *testing.T) {
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				first := s.list(5, epoch.Add(-day), epoch.Add(30*day), 1000)
				s.offer(crl, first.Raw)
				h := open(t, s)
				h.fetched(crl)
				time.Sleep(30*day - time.Until(epoch) - time.Since(epoch)) // it expires now
				time.Sleep(time.Second)
				s.all(f.answer(s))
				s.requests()
				h.heard()

				again := h.refusedFor(f)
				if again < f.least || again > f.most {
					t.Errorf("come back in %v", again)
				}
				h.serves(first.Raw)
				if n := s.requests(); n != 1 {
					t.Errorf("%d requests", n)
				}
				if again2, err := h.fetch(crl); evidence.CodeOf(err) != f.code || s.requests() != 0 || again2 > again+time.Second {
					t.Errorf("at once again: %v", err)
				}
				events := slices.DeleteFunc(h.heard(), isOfVendor)
				if len(events) != 1 || events[0].Name != crl || evidence.CodeOf(events[0].Err) != f.code {
					t.Errorf("told of %v", events)
				}
				for range 3 {
					time.Sleep(again)
					again = h.refusedFor(f)
				}
				if c := h.Counters().Vendors[0]; c.Available == f.closed || c.Refused[f.code] < 2 {
					t.Errorf("%+v", c)
				}
				h.serves(first.Raw)

				next := s.list(6, epoch.Add(29*day), epoch.Add(60*day), 1000)
				s.all(func(*http.Request) *http.Response { return response(200, next.Raw) })
				time.Sleep(max(again, 10*time.Minute)) // 404 is believed longer the more often it comes
				h.fetched(crl)
				h.serves(next.Raw)
				if c := h.Counters().Vendors[0]; !c.Available {
					t.Errorf("%+v", c)
				}
			})
		})
	}
}

// refusedFor fetches the list in vain. A vendor that hangs is given up after 15 s,
// which is longer than the caller's patience.
func (h *harness) refusedFor(f fault) time.Duration {
	h.t.Helper()
	again, err := h.fetch(crl)
	if evidence.CodeOf(err) == evidence.CodeEndorsementPending {
		time.Sleep(5 * time.Second)
		again, err = h.fetch(crl)
	}
	if evidence.CodeOf(err) != f.code {
		h.t.Errorf("want %v, got %v", f.code, err)
	}
	return again
}

// A vendor whose newest has itself expired: it is held, for who wants to see how
// old it is, and not asked for with every request.
func TestStaleAtTheVendor(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		old := s.list(5, epoch.Add(-60*day), epoch.Add(-10*day))
		s.offer(crl, old.Raw)
		h := open(t, s)
		if again := h.refused(evidence.CodeEndorsementStale, crl); again != 10*time.Minute {
			t.Errorf("come back in %v", again)
		}
		h.refused(evidence.CodeEndorsementStale, crl)
		if n := s.requests(); n != 1 {
			t.Errorf("%d requests", n)
		}
		h.serves(old.Raw)
	})
}

// The vendor as a whole is left alone from the third failure on, whatever was
// asked for, and then one request finds out whether it is back.
func TestBreaker(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.all(down)
		h := open(t, s)
		for n := range 3 {
			h.refused(evidence.CodeEndorsementUnreachable, keyName(fmt.Sprintf("A/%02d", n)))
		}
		if n := s.requests(); n != 3 {
			t.Errorf("%d requests", n)
		}
		began := time.Now()
		again := h.refused(evidence.CodeEndorsementUnreachable, crl)
		if s.requests() != 0 || time.Since(began) != 0 || again < time.Second || again > 8*time.Second {
			t.Errorf("not refused at once, or come back in %v", again)
		}
		if h.Counters().Vendors[0].Available {
			t.Error("it counts as available")
		}
		time.Sleep(again)
		if h.Counters().Vendors[0].Available {
			t.Error("it counts as available before it answered")
		}
		s.all(func(r *http.Request) *http.Response {
			time.Sleep(time.Second)
			return response(200, s.list5().Raw)
		})
		done := make(chan error)
		go func() {
			_, err := h.fetch(crl)
			done <- err
		}()
		time.Sleep(time.Millisecond)
		h.refused(evidence.CodeEndorsementUnreachable, keyName("A/77")) // while that one probes
		if err := <-done; err != nil || s.requests() != 1 {
			t.Error(err)
		}
		s.all(nil)
		h.fetched(issuerA)
	})
}

// Back-off doubles, to a bound.
func TestBreakerBacksOff(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.all(down)
		h := open(t, s)
		var pauses []time.Duration
		for range 12 {
			again, _ := h.fetch(crl)
			pauses = append(pauses, again)
			time.Sleep(again)
		}
		got := fmt.Sprint(pauses)
		if want := "[1s 1s 4s 8s 16s 32s 1m4s 2m8s 2m30s 2m30s 2m30s 2m30s]"; got != want {
			t.Errorf("paused %v, want %v", got, want)
		}
		if n := s.requests(); n != 12 {
			t.Errorf("%d requests", n)
		}
	})
}

// A fault in the code of a technology is a refusal, not the end of the process.
func TestAttack_D05_PanicInTheEndorser(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s, func(c *store.Config) { c.Vendors[0].Endorser = endorser{panics: true} })
		h.refused(evidence.CodeEndorsementNotAuthentic, crl)
		h.serves()
	})
}

// TestAttack_D12_LargeAnswers: an answer is read to the bound and no further.
func TestAttack_D12_LargeAnswers(t *testing.T) {
	for name, length := range map[string]int64{"said": 10 << 30, "not said": -1} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				read := 0
				endless := readerFunc(func(p []byte) (int, error) {
					read += len(p)
					return copy(p, bytes.Repeat([]byte{'-'}, len(p))), nil
				})
				s.all(func(*http.Request) *http.Response {
					r := response(200, nil)
					r.ContentLength, r.Body = length, io.NopCloser(endless)
					return r
				})
				h := open(t, s)
				h.refused(evidence.CodeEndorsementTooLarge, crl)
				h.serves()
				if read > 2*endorsements.MaxFile {
					t.Errorf("read %d bytes", read)
				}
			})
		})
	}
}

// Errors say what to do and do not carry foreign text.
func TestErrorsSayWhatToDo(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.all(status(302, "Location", "https://evil.example/\x1b[31m"))
		h := open(t, s)
		_, err := h.fetch(crl)
		if text := err.Error(); !strings.Contains(text, "base URL") || strings.Contains(text, "evil") {
			t.Error(text)
		}
		_, err = h.fetch(keyName("A/\n\x00" + strings.Repeat("x", 10_000)))
		if text := err.Error(); len(text) > 400 || strings.ContainsAny(text, "\n\x00") {
			t.Errorf("%q", text)
		}
	})
}

func isOfVendor(e store.Event) bool { return e.Vendor != "" && e.Name == tee.EndorsementName{} }

// An outage is told of once when it begins and once when it ends, and the vendor
// counts as unavailable all the while, also when it may be tried again.
func TestOutageIsToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s)
		if !h.Counters().Vendors[0].Available {
			t.Error("a vendor that was never asked counts as down")
		}
		told := func() []store.Event {
			return slices.DeleteFunc(h.heard(), func(e store.Event) bool { return !isOfVendor(e) })
		}
		s.all(down)
		for n := range 20 {
			_, _ = h.fetch(keyName(fmt.Sprintf("A/%02d", n)))
			if n >= 3 && h.Counters().Vendors[0].Available {
				t.Errorf("available at %d", n)
			}
			time.Sleep(time.Hour)
		}
		if events := told(); len(events) != 1 || events[0].Vendor != "test-kds" || evidence.CodeOf(events[0].Err) != evidence.CodeEndorsementUnreachable {
			t.Errorf("told of %v", events)
		}
		s.all(nil)
		h.fetched(issuerA, crl)
		if events := told(); len(events) != 1 || events[0].Vendor != "test-kds" || events[0].Err != nil {
			t.Errorf("told of %v", events)
		}
		if !h.Counters().Vendors[0].Available {
			t.Error("it counts as down")
		}
	})
}
