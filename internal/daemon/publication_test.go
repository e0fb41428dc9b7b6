package daemon_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
)

// publishing has a service answer on both listeners until the test ends, and then holds them to be
// closed. What it returns fetches from the plain one; the text is empty unless it is answered.
func publishing(t *testing.T, d *daemon.Daemon) (get func(path string) string) {
	t.Helper()
	var listeners [2]net.Listener
	for i := range listeners {
		var err error
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	d.Publish(listeners[1])
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, listeners[0]) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, l := range listeners {
			if _, err := l.Accept(); err == nil {
				t.Errorf("%s is still open", l.Addr())
			}
		}
	})
	transport := &http.Transport{DisableKeepAlives: true}
	return func(path string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listeners[1].Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			return ""
		}
		return string(body)
	}
}

// Both listeners serve until the service is told to stop, and then both are closed.
func TestPublication(t *testing.T) {
	d, err := open(t, filepath.Join(t.TempDir(), "data"), daemon.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	get := publishing(t, d)
	if got := get("/v1/crls"); !strings.HasPrefix(got, "-----BEGIN X509 CRL-----") {
		t.Error(got)
	}
	if got := get("/v1/bundle"); got != "" {
		t.Errorf("the bundle, which is not signed: %s", got)
	}
}

func TestPublicationOfTheConfiguration(t *testing.T) {
	for _, c := range []daemon.Config{
		{Publication: daemon.Publication{Listen: "nowhere"}},
		{Authority: daemon.Authority{OCSPURL: "ldap://ocsp.example.org"}},
	} {
		_, err := daemon.Open(t.Context(), daemon.Options{Data: t.TempDir(), Config: c, Logger: slog.New(slog.DiscardHandler)})
		if evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
