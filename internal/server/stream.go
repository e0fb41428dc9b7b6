package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/quotary/quotary/ca"
)

// mediaTypeEvents is that of server-sent events (HTML §9.2).
const mediaTypeEvents = "text/event-stream"

// takesEvents reports whether a client asks for a stream by name.
func takesEvents(header http.Header) bool {
	for _, value := range header.Values("Accept") {
		for part := range strings.SplitSeq(value, ",") {
			mediaType, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(mediaType), mediaTypeEvents) {
				return true
			}
		}
	}
	return false
}

// lastEvent is the header with the id of the last event that a client took (HTML §9.2.4).
const lastEvent = "Last-Event-ID"

// eventID stands for lists, and for no others: when an authority comes or goes they are others,
// though nothing was revoked.
func eventID(lists *ca.RevocationLists) string {
	return fmt.Sprintf("%d-%d", lists.Sequence, lists.ThisUpdate.UnixNano())
}

// stream sends what is revoked now, unless the client has it, and again each time that
// lists are signed. The request waits all the while, for news or for its client, so that
// whoever needs its place gets it.
func (s *Server) stream(x *exchange) {
	if x.r.Method == http.MethodHead {
		return
	}
	e, sent := newEvents(x), x.r.Header.Get(lastEvent)
	cut := make(chan struct{})
	x.place.waits(func() { close(cut); e.cut() }, func() {
		for ok := e.write(); ok; { // the headers, at once
			changed := s.Revocations.Changed() // asked for first: no change comes between
			lists := s.Revocations.Lists()
			if id := eventID(lists); id != sent {
				body, err := s.news.encode(lists)
				if err != nil || !e.write([]byte("id: "+id+"\ndata: "), body, []byte("\n\n")) {
					return
				}
				sent = id
			}
			ok = s.quiet(x, e, changed, cut)
		}
		e.last()
	})
}

// quiet waits for a change, and gives signs of life; false means that the stream is over.
func (s *Server) quiet(x *exchange, e *events, changed, cut <-chan struct{}) bool {
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		select {
		case <-changed:
			return true
		case <-alive.C:
			if !e.write([]byte(":\n\n")) {
				return false
			}
		case <-cut:
			return false
		case <-s.leaving:
			return false
		case <-x.r.Context().Done():
			return false
		}
	}
}

// events writes the body of a stream.
type events struct {
	x       *exchange
	w       http.ResponseWriter // beneath the recorder, for whom each write is a wait of its own
	control *http.ResponseController
}

func newEvents(x *exchange) *events {
	e := &events{x: x, w: x.w.(*recorder).ResponseWriter}
	e.control = http.NewResponseController(e.w)
	_ = e.control.SetReadDeadline(time.Time{}) // or it would end when requests end
	_ = e.control.SetWriteDeadline(time.Time{})
	return e
}

// write sends parts at once. It is false if the client does not take them.
func (e *events) write(parts ...[]byte) bool {
	_ = e.control.SetWriteDeadline(time.Now().Add(eventTimeout))
	for _, part := range parts {
		n, err := e.w.Write(part)
		e.x.sent += n
		if err != nil {
			return false
		}
	}
	return e.control.Flush() == nil && e.control.SetWriteDeadline(time.Time{}) == nil
}

// cut ends a write for which the client keeps the request waiting.
func (e *events) cut() { cutResponse(e.w)() }

// last bounds what is left to write when the stream is over.
func (e *events) last() { _ = e.control.SetWriteDeadline(time.Now().Add(eventTimeout)) }
