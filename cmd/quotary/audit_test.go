package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/client/admin/admintest"
)

// Following the trail, each event is told once, in order, and the events of being
// asked are left out.
func TestFollow(t *testing.T) {
	for format, want := range map[string]string{
		"text": "     3    issued     attestation ",
		"json": `{"seq":3,"time":"0001-01-01T00:00:00Z"`,
		"yaml": "---\nseq: 3\n",
	} {
		t.Run(format, func(t *testing.T) {
			asked := 0
			s, err := admintest.Start(t.TempDir(), map[string]admintest.Route{"POST audit": func(_ admin.Principal, body []byte) (any, *admintest.Problem) {
				asked++
				if want := fmt.Sprintf(`"after_seq":%d`, asked); asked > 1 && !strings.Contains(string(body), want) {
					return nil, admintest.Refuse(400, "request.malformed", "want "+want)
				}
				e := admin.Event{Seq: int64(asked) + 1, Action: "attestation", Outcome: "issued", Actor: "peer:192.0.2.7"}
				if asked == 3 {
					e.Action = "admin.audit"
				}
				return admin.Events{Events: []admin.Event{e}, LastSeq: 99}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			c, err := admin.New(admin.Config{URL: s.URL, TrustDomain: admintest.TrustDomain, Roots: s.Roots, Credential: admin.Bearer(
				func(context.Context) (string, error) { return admintest.ViewerToken, nil })})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ctx, cancel := context.WithCancel(t.Context())
			var out strings.Builder
			ticks := make(chan time.Time, 3)
			flushed := 0
			streams := streams{out: &bytes.Buffer{}}
			streams.flush = func() error {
				if flushed++; flushed == 4 {
					cancel()
				} else {
					ticks <- time.Time{}
				}
				out.Write(streams.out.Bytes())
				streams.out.Reset()
				return nil
			}
			o := &tailOptions{adminFlags: adminFlags{output: &choice{value: format}}, follow: true, after: -1, limit: 20}
			if err := o.tail(ctx, streams, c, ticks); err != nil {
				t.Fatal(err)
			}
			if asked != 4 || !strings.Contains(out.String(), want) || strings.Contains(out.String(), "admin.audit") {
				t.Errorf("asked %d times: %s", asked, out.String())
			}
			if n := strings.Count(out.String(), "192.0.2.7"); n != 3 {
				t.Errorf("%d events: %s", n, out.String())
			}
		})
	}
}

// A trail that cannot be told any further is no end of it.
func TestFollowFails(t *testing.T) {
	loggedIn(t)
	var notes bytes.Buffer
	if code := run([]string{"audit", "tail", "--follow"}, nil, closed{}, &notes); code != exitFailed || !strings.Contains(notes.String(), "closed") {
		t.Errorf("exit %d: %s", code, notes.String())
	}
}
