package server_test

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"strings"
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

// follow opens a stream of revocations. What it returns reads the next event, comments left
// out: its id, and its data.
func (a *api) follow(header ...string) (*http.Response, func() (id string, feed server.FeedResponse)) {
	a.t.Helper()
	req := a.request(http.MethodGet, "/v1/revocations", nil)
	req.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := a.client.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	return resp, func() (id string, feed server.FeedResponse) {
		a.t.Helper()
		for lines.Scan() {
			switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
			case "id":
				id = value
			case "data":
				if err := json.Unmarshal([]byte(value), &feed); err != nil {
					a.t.Fatal(err)
				}
			case "":
				if id != "" {
					return id, feed
				}
			}
		}
		a.t.Fatalf("the stream ended: %v", lines.Err())
		return "", feed
	}
}

// A stream brings what is revoked now, and each revocation when it happens. Who resumes
// one hears of what is new alone: other lists, though nothing was revoked.
func TestRevocationsAreStreamed(t *testing.T) {
	a := start(t, servertest.Options{})
	issued := a.attest()
	resp, next := a.follow()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, %v", resp.StatusCode, resp.Header)
	}
	first, feed := next()
	if feed.Sequence != 0 || len(feed.Lists) != 1 || len(feed.Issuers) != 1 {
		t.Errorf("%s: %+v", first, feed)
	}
	_, resumed := a.follow("Last-Event-ID", first)
	var done server.RevocationResponse
	a.as("alice", admin.Owner).post("/v1/admin/revocations", map[string]any{"serials": []string{issued.SVID.Serial}, "reason": "r", "dry_run": false}).into(&done)
	for _, next := range []func() (string, server.FeedResponse){next, resumed} {
		id, feed := next()
		list, err := x509.ParseRevocationList(feed.Lists[0])
		issuer, failed := x509.ParseCertificate(feed.Issuers[0])
		if err != nil || failed != nil || id == first || feed.Sequence != 1 || len(list.RevokedCertificateEntries) != 1 || list.CheckSignatureFrom(issuer) != nil {
			t.Errorf("%s: %+v, %v, %v", id, feed, err, failed)
		}
	}
	if err := a.Server.Revocations.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	signedAnew, feed := next()
	if feed.Sequence != 1 {
		t.Errorf("%s: %+v", signedAnew, feed)
	}
	for _, had := range []string{first, "", "1", "x"} {
		_, behind := a.follow("Last-Event-ID", had)
		if id, _ := behind(); id != signedAnew {
			t.Errorf("who had %q gets %s, and %s is the last", had, id, signedAnew)
		}
	}
}
