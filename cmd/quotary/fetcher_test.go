package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/vendors"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/endorsements/store"
	"github.com/quotary/quotary/tee/tdx"
)

// TestFetcherWaits waits as long as a vendor wants, if there is as much time.
func TestFetcherWaits(t *testing.T) {
	for name, c := range map[string]struct {
		code  evidence.Code
		limit time.Duration
		asked int
	}{
		"throttled, and there is time": {evidence.CodeEndorsementThrottled, time.Hour, 3},
		"busy, and there is time":      {evidence.CodeEndorsementBusy, time.Hour, 3},
		"no time":                      {evidence.CodeEndorsementThrottled, 50 * time.Second, 1},
		"time for once":                {evidence.CodeEndorsementThrottled, 80 * time.Second, 2},
		"down":                         {evidence.CodeEndorsementUnreachable, time.Hour, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.limit)
			defer cancel()
			f := newFetcher(streams{err: &bytes.Buffer{}}, nil)
			wanted := tee.EndorsementName{Type: "crl", ID: "vcek/Milan"}
			asked := 0
			err := f.ask(ctx, wanted, func() (time.Duration, error) {
				if asked++; asked == 3 {
					return 0, nil
				}
				return time.Minute, evidence.Errorf(c.code, "", "not now")
			})
			if asked != c.asked || (err == nil) != (c.asked == 3) {
				t.Errorf("%s: asked %d times, want %d: %v", name, asked, c.asked, err)
			}
			if _, failed := f.failed[wanted]; failed != (err != nil) {
				t.Errorf("%s: remembered as failed: %t", name, failed)
			}
		})
	}
}

// TestPrefetchInterrupted ends a fetch in the middle: what was fetched before is
// kept, and the exit code says that not everything is there.
func TestPrefetchInterrupted(t *testing.T) {
	vendors, err := simulatedAMD()
	if err != nil {
		t.Fatal(err)
	}
	dir, held := fixtureFiles(t), t.TempDir()
	whole := changed(fromAMD(vendors), func(body []byte) []byte { return body })
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/crl") {
			whole.ServeHTTP(w, r)
			return
		}
		once.Do(func() {
			if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
				t.Error(err)
			}
		})
		<-r.Context().Done()
	}))
	defer server.Close()
	var stdout, stderr bytes.Buffer
	args := []string{"endorsements", "prefetch", "--store", held, "--trust", dir + "/sim/roots", "--at", simulatedNow.Format(time.RFC3339), "--vendor", "amd", "--amd-kds", server.URL}
	if got := run(args, nil, &stdout, &stderr); got != exitUndecided {
		t.Errorf("exit %d", got)
	}
	if !strings.Contains(stderr.String(), evidence.CodeEndorsementPending.String()) || !strings.Contains(stdout.String(), "6 fetched, 0 held before, 6 missing") {
		t.Errorf("stdout is %s, stderr %s", stdout.String(), stderr.String())
	}
	if kept, err := endorsements.ReadCertificates(held); err != nil || len(kept) != 6 {
		t.Errorf("%d certificates were kept: %v", len(kept), err)
	}
}

func TestRough(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "59s": 59 * time.Second, "1m": time.Minute, "59m": time.Hour - 1, "1h": time.Hour, "47h": 48*time.Hour - 1, "2d": 48 * time.Hour, "365d": 365 * 24 * time.Hour, "-3h": -3 * time.Hour,
	} {
		if got := rough(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestCutTo(t *testing.T) {
	for in, want := range map[string]string{"": "", "four": "four", "fiver": "fiv…", "äöüß": "äöüß", "äöüßä": "äöü…"} {
		if got := cutTo(4, in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestFetchesSideBySide has a service that answers nothing before everything was
// asked for: the documents of one judgement do not wait for each other.
func TestFetchesSideBySide(t *testing.T) {
	names := []tee.EndorsementName{
		{Type: "qe-identity", ID: "TD_QE"}, {Type: "pck-crl", ID: "platform"}, {Type: "root-crl", ID: "intel-sgx-root"},
	}
	var asked sync.WaitGroup
	asked.Add(len(names))
	var once sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, again := once.LoadOrStore(r.URL.Path, true); !again {
			asked.Done()
		}
		asked.Wait()
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	intel, err := tdx.New()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := store.Open(store.Config{Vendors: vendors.Intel{PCCS: server.URL}.Vendors(intel)})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	f := newFetcher(streams{err: &bytes.Buffer{}}, opened)
	if f.fetchAny(t.Context(), names) {
		t.Error("something was fetched")
	}
	for _, name := range names {
		if evidence.CodeOf(f.failed[name].err) != evidence.CodeEndorsementNotFound {
			t.Errorf("%s: %v", name, f.failed[name].err)
		}
	}
}
