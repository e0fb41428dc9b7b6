package vendors

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tdx"
)

// transportFault is a fault of how a service answers, whatever it says.
type transportFault struct {
	Fault
	how     func(f *transportFault, w http.ResponseWriter, r *http.Request, right answer)
	cleared <-chan struct{}
}

// serve answers wrongly; right is what the answer should be.
func (f *transportFault) serve(w http.ResponseWriter, r *http.Request, right answer) {
	f.how(f, w, r, right)
}

// transportFaults are those that each service can have.
func transportFaults() []transportFault {
	var all []transportFault
	for _, service := range Services() {
		for _, kind := range []struct {
			name, title string
			how         func(*transportFault, http.ResponseWriter, *http.Request, answer)
		}{
			{"throttled", "answers 429 and wants a pause", (*transportFault).throttled},
			{"unavailable", "answers 503", status(http.StatusServiceUnavailable)},
			{"broken", "answers 500", status(http.StatusInternalServerError)},
			{"forbidden", "answers 403", status(http.StatusForbidden)},
			{"ignorant", "answers 404 whatever is asked for", status(http.StatusNotFound)},
			{"moved", "redirects to another host", (*transportFault).moved},
			{"slow", "does not answer until the fault is cleared", (*transportFault).slow},
			{"dead", "closes every connection without an answer", (*transportFault).dead},
			{"truncated", "breaks off in the middle of each answer", (*transportFault).truncated},
			{"huge", "answers with 16 MiB", (*transportFault).huge},
			{"web-page", "answers with a web page, as a captive portal does", (*transportFault).webPage},
			{"garbled", "answers with every bit of the content wrong", (*transportFault).garbled},
		} {
			all = append(all, transportFault{Fault: Fault{
				Name: service + "/" + kind.name, Title: kind.title, Service: service, Code: evidence.CodeEndorsementsMissing,
			}, how: kind.how})
		}
	}
	return all
}

// plain answers with a status and its text.
func plain(w http.ResponseWriter, status int) {
	text := fmt.Appendf(nil, "%d - %s", status, http.StatusText(status))
	answer{tdx.Answer{Status: status, Header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}, Body: text}}.write(w)
}

func status(status int) func(*transportFault, http.ResponseWriter, *http.Request, answer) {
	return func(_ *transportFault, w http.ResponseWriter, _ *http.Request, _ answer) { plain(w, status) }
}

func (*transportFault) throttled(w http.ResponseWriter, _ *http.Request, _ answer) {
	w.Header().Set("Retry-After", strconv.Itoa(int(pause.Seconds())))
	plain(w, http.StatusTooManyRequests)
}

func (*transportFault) moved(w http.ResponseWriter, r *http.Request, _ answer) {
	w.Header().Set("Location", "https://moved.simulated.invalid"+r.URL.EscapedPath())
	plain(w, http.StatusMovedPermanently)
}

func (f *transportFault) slow(w http.ResponseWriter, r *http.Request, right answer) {
	select {
	case <-f.cleared:
		right.write(w)
	case <-r.Context().Done():
	}
}

func (*transportFault) dead(http.ResponseWriter, *http.Request, answer) {
	panic(http.ErrAbortHandler) // the server's way to close a connection
}

func (f *transportFault) truncated(w http.ResponseWriter, r *http.Request, right answer) {
	w.Header().Set("Content-Length", strconv.Itoa(len(right.Body)))
	right.head(w)
	_, _ = w.Write(right.Body[:len(right.Body)/2])
	f.dead(w, r, right)
}

func (*transportFault) huge(w http.ResponseWriter, _ *http.Request, right answer) {
	right.head(w)
	block := bytes.Repeat([]byte("\n"), 64<<10)
	if _, err := w.Write(right.Body); err != nil {
		return
	}
	for range hugeAnswer / len(block) {
		if _, err := w.Write(block); err != nil {
			return // who asked has enough
		}
	}
}

func (*transportFault) webPage(w http.ResponseWriter, _ *http.Request, _ answer) {
	page := []byte("<!DOCTYPE html><html><head><title>Log in</title></head><body>Please log in to use this network.</body></html>\n")
	answer{tdx.Answer{Status: http.StatusOK, Header: map[string]string{"Content-Type": "text/html; charset=utf-8"}, Body: page}}.write(w)
}

func (*transportFault) garbled(w http.ResponseWriter, _ *http.Request, right answer) {
	right.Body = slices.Clone(right.Body)
	for i := range right.Body {
		right.Body[i] ^= 0xff
	}
	right.write(w)
}
