package server_test

import (
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// Who follows revocations hears of one when it happens, and of what they missed at once.
func TestRevocationsAreFollowed(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	issued := a.attest()
	var now server.FeedResponse
	a.get("/v1/revocations").into(&now)
	if now.Sequence != 0 || len(now.Lists) != 1 {
		t.Fatalf("got %+v", now)
	}
	heard := make(chan answer, 1)
	go func() { heard <- a.get("/v1/revocations?after=0") }()
	var done server.RevocationResponse
	a.as("alice", admin.Owner).post("/v1/admin/revocations", map[string]any{"serials": []string{issued.SVID.Serial}, "reason": "r", "dry_run": false}).into(&done)
	for _, got := range []answer{<-heard, a.get("/v1/revocations?after=0")} {
		c.holds(http.MethodGet, "/v1/revocations", got)
		var feed server.FeedResponse
		got.into(&feed)
		list, err := x509.ParseRevocationList(feed.Lists[0])
		if err != nil || feed.Sequence != 1 || len(list.RevokedCertificateEntries) != 1 {
			t.Errorf("%+v, %v", feed, err)
		}
	}
	for _, query := range []string{"after=", "after=-1", "after=x", "after=01", "after=1&after=2", "after=1&x=2", "x=1", "after=9223372036854775807", "after=%zz"} {
		got := a.get("/v1/revocations?" + query)
		got.refused(http.StatusBadRequest, evidence.CodeRequestMalformed)
		c.holds(http.MethodGet, "/v1/revocations", got)
	}
}
