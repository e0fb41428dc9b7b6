package server

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// FeedResponse is the answer to GET /v1/revocations.
type FeedResponse struct {
	Sequence int64    `json:"sequence"` // of the last revocation
	Lists    [][]byte `json:"lists"`    // of the issuing CAs, in DER
}

// feed answers GET /v1/revocations: at once if something was revoked behind the number that
// the caller has seen, otherwise when something is, or after a while.
func (s *Server) feed(x *exchange) (reply, error) {
	after, err := seen(x.r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	changed := s.Revocations.Changed() // asked for first: no change comes between
	if s.Revocations.Lists().Sequence <= after {
		s.await(x, changed)
	}
	lists := s.Revocations.Lists()
	r := FeedResponse{Sequence: lists.Sequence, Lists: [][]byte{}}
	for _, list := range lists.Issuing {
		r.Lists = append(r.Lists, list)
	}
	slices.SortFunc(r.Lists, slices.Compare)
	return reply{body: r}, nil
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
func seen(query string) (int64, error) {
	if query == "" {
		return -1, nil
	}
	values, err := url.ParseQuery(query)
	text := values.Get("after")
	after, failed := strconv.ParseInt(text, 10, 64)
	if err != nil || failed != nil || len(values) != 1 || len(values["after"]) != 1 || after < 0 || after == math.MaxInt64 || strconv.FormatInt(after, 10) != text {
		return 0, malformed("after", "this is not the number of a revocation")
	}
	return after, nil
}
