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
	serve func(exchange)
}

// exchange is a request and what the answer should be.
type exchange struct {
	w       http.ResponseWriter
	r       *http.Request
	right   answer
	cleared <-chan struct{} // closed when the fault is over
}

// transportFaults are those that each service can have.
func transportFaults() []transportFault {
	var all []transportFault
	for _, service := range Services() {
		for _, kind := range []struct {
			name, title string
			serve       func(exchange)
		}{
			{"throttled", "answers 429 and wants a pause", exchange.throttled},
			{"unavailable", "answers 503", status(http.StatusServiceUnavailable)},
			{"broken", "answers 500", status(http.StatusInternalServerError)},
			{"forbidden", "answers 403", status(http.StatusForbidden)},
			{"ignorant", "answers 404 whatever is asked for", status(http.StatusNotFound)},
			{"moved", "redirects to another host", exchange.moved},
			{"slow", "does not answer until the fault is cleared", exchange.slow},
			{"dead", "closes every connection without an answer", exchange.dead},
			{"truncated", "breaks off in the middle of each answer", exchange.truncated},
			{"huge", "answers with 16 MiB", exchange.huge},
			{"web-page", "answers with a web page, as a captive portal does", exchange.webPage},
			{"garbled", "answers with every bit of the content wrong", exchange.garbled},
		} {
			all = append(all, transportFault{Fault: Fault{
				Name: service + "/" + kind.name, Title: kind.title, Service: service, Code: evidence.CodeEndorsementsMissing,
			}, serve: kind.serve})
		}
	}
	return all
}

// plain answers with a status and its text.
func plain(w http.ResponseWriter, status int) {
	text := fmt.Appendf(nil, "%d - %s", status, http.StatusText(status))
	answer{tdx.Answer{Status: status, Header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}, Body: text}}.write(w)
}

func status(status int) func(exchange) { return func(x exchange) { plain(x.w, status) } }

func (x exchange) throttled() {
	x.w.Header().Set("Retry-After", strconv.Itoa(int(pause.Seconds())))
	plain(x.w, http.StatusTooManyRequests)
}

func (x exchange) moved() {
	x.w.Header().Set("Location", "https://moved.simulated.invalid"+x.r.URL.EscapedPath())
	plain(x.w, http.StatusMovedPermanently)
}

func (x exchange) slow() {
	select {
	case <-x.cleared:
		x.right.write(x.w)
	case <-x.r.Context().Done():
	}
}

func (exchange) dead() {
	panic(http.ErrAbortHandler) // the server's way to close a connection
}

func (x exchange) truncated() {
	x.w.Header().Set("Content-Length", strconv.Itoa(len(x.right.Body)))
	x.right.head(x.w)
	_, _ = x.w.Write(x.right.Body[:len(x.right.Body)/2])
	x.dead()
}

func (x exchange) huge() {
	x.right.write(x.w)
	block := bytes.Repeat([]byte("\n"), 64<<10)
	for range hugeAnswer / len(block) {
		if _, err := x.w.Write(block); err != nil {
			return // who asked has enough
		}
	}
}

func (x exchange) webPage() {
	page := []byte("<!DOCTYPE html><html><head><title>Log in</title></head><body>Please log in to use this network.</body></html>\n")
	answer{tdx.Answer{Status: http.StatusOK, Header: map[string]string{"Content-Type": "text/html; charset=utf-8"}, Body: page}}.write(x.w)
}

func (x exchange) garbled() {
	x.right.Body = slices.Clone(x.right.Body)
	for i := range x.right.Body {
		x.right.Body[i] ^= 0xff
	}
	x.right.write(x.w)
}
