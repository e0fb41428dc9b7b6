package server

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/quotary/quotary/ca"
)

// FeedResponse is the answer to GET /v1/revocations, and the data of an event.
type FeedResponse struct {
	Sequence int64    `json:"sequence"` // of the last revocation
	Lists    [][]byte `json:"lists"`    // of the issuing CAs, in DER
	Issuers  [][]byte `json:"issuers"`  // their certificates, in DER
}

// news is what is revoked, as it is sent.
type news struct {
	mu    sync.Mutex
	lists *ca.RevocationLists // that body has; nil before the first
	body  []byte
}

// encode returns the JSON of lists. It is made once for all who ask: it may have megabytes.
func (n *news) encode(lists *ca.RevocationLists) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lists == lists {
		return n.body, nil
	}
	r := FeedResponse{Sequence: lists.Sequence, Lists: [][]byte{}, Issuers: slices.Clone(lists.Issuers)}
	for _, list := range lists.Issuing {
		r.Lists = append(r.Lists, list)
	}
	slices.SortFunc(r.Lists, slices.Compare)
	slices.SortFunc(r.Issuers, slices.Compare)
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	n.lists, n.body = lists, body
	return body, nil
}

// feed answers GET /v1/revocations: at once if something was revoked behind the number that
// the caller has seen, otherwise when something is, or after a while; or with a stream.
func (s *Server) feed(x *exchange) (reply, error) {
	after, err := seen(x.r)
	if err != nil {
		return reply{}, err
	}
	if takesEvents(x.r.Header) {
		return reply{contentType: mediaTypeEvents, stream: func() { s.stream(x) }}, nil
	}
	changed := s.Revocations.Changed() // asked for first: no change comes between
	if s.Revocations.Lists().Sequence <= after {
		s.await(x, changed)
	}
	body, err := s.news.encode(s.Revocations.Lists())
	return reply{body: body}, err
}

// await waits for a change, not for long. Whoever needs the place of the request has it end.
func (s *Server) await(x *exchange, changed <-chan struct{}) {
	patience, cut := time.NewTimer(feedPatience), make(chan struct{})
	defer patience.Stop()
	x.place.waits(func() { close(cut) }, func() {
		select {
		case <-changed:
		case <-patience.C:
		case <-cut:
		case <-s.leaving:
		case <-x.r.Context().Done():
		}
	})
}

// seen reads the number of the last revocation that the caller knows; -1 without one.
func seen(r *http.Request) (int64, error) {
	if r.URL.RawQuery == "" {
		return -1, nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	after, ok := sequence(values.Get("after"))
	if err != nil || !ok || len(values) != 1 || len(values["after"]) != 1 {
		return 0, malformed("after", "this is not the number of a revocation")
	}
	return after, nil
}

// sequence reads the number of a revocation, which is written in one way.
func sequence(text string) (n int64, ok bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0 && n < math.MaxInt64 && strconv.FormatInt(n, 10) == text
}
