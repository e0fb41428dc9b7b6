package client_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// saying is a feed that says what a test has it say, and waits for that.
func saying(t *testing.T, s *servertest.Service, answers <-chan *ca.RevocationLists) string {
	certificate, err := s.Authority.ServerCertificate([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, *certificate, func(w http.ResponseWriter, r *http.Request) {
		select {
		case lists := <-answers:
			out := server.FeedResponse{Sequence: lists.Sequence, Issuers: lists.Issuers}
			for _, list := range lists.Issuing {
				out.Lists = append(out.Lists, list)
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(out)
		case <-r.Context().Done():
		}
	})
}

// When an authority is revoked its list is gone from the feed, and with it every connection
// that is open to somebody whom it certified.
func TestAttack_A24_ConnectionsEndWithTheirAuthority(t *testing.T) {
	s, other := servertest.New(t, servertest.Options{}), servertest.New(t, servertest.Options{})
	answers := make(chan *ca.RevocationLists, 1)
	answers <- s.Server.Revocations.Lists()
	r, err := client.NewRevocations(t.Context(), client.Config{URL: saying(t, s, answers), TrustDomain: servertest.TrustDomain, Roots: s.Roots()})
	if err != nil {
		t.Fatal(err)
	}
	keepUp(t, r)
	open := dial(t, echo(t, r, identityOf(t, s)), identityOf(t, s), nil)
	if err := talk(open); err != nil {
		t.Fatal(err)
	}
	answers <- other.Server.Revocations.Lists()
	if _, err := open.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
}

// A service whose clock was ahead signs lists with lower numbers when that was put right, and
// these count: the ones before lack what had ended by that clock.
func TestAttack_A18_ListsOfAClockThatWasAhead(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	at := time.Now().Add(time.Hour)
	authority, err := ca.Open(ca.Config{Dir: t.TempDir(), TrustDomain: servertest.TrustDomain, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	lists := func(sequence int64) *ca.RevocationLists {
		lists, err := authority.RevocationLists(nil, sequence)
		if err != nil {
			t.Fatal(err)
		}
		return lists
	}
	ahead := lists(1)
	answers := make(chan *ca.RevocationLists, 1)
	answers <- ahead
	r, err := client.NewRevocations(t.Context(), client.Config{URL: saying(t, s, answers), TrustDomain: servertest.TrustDomain, Roots: s.Roots()})
	if err != nil {
		t.Fatal(err)
	}
	at = at.Add(-time.Hour)
	now := lists(1)
	changed := r.Changed()
	keepUp(t, r)
	answers <- ahead // is no change
	answers <- now
	<-changed
	if got := r.Lists(); len(got) != 1 || !bytes.Equal(got[0], now.Issuing[now.Active]) {
		t.Error("the list of before counts")
	}
}

// A connection ends when its certificate does, though nobody asks the service.
func TestAttack_A18_ConnectionsEndWithTheirCertificate(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	id := identityOf(t, s)
	r := follow(t, s, func() time.Time { return id.Certificate.Leaf.NotAfter.Add(-time.Millisecond) })
	if _, err := dial(t, echo(t, r, id), id, nil).Read(make([]byte, 1)); err == nil {
		t.Error("something came on a connection that was to be closed")
	}
}
