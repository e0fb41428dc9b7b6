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

// Both listeners serve until the service is told to stop, and then both are closed.
func TestPublication(t *testing.T) {
	d, err := open(t, filepath.Join(t.TempDir(), "data"), daemon.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var listeners [2]net.Listener
	for i := range listeners {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	d.Publish(listeners[1])
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, listeners[0]) }()
	get := func(path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listeners[1].Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{DisableKeepAlives: true}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, body := get("/v1/crls"); status != http.StatusOK || !strings.HasPrefix(body, "-----BEGIN X509 CRL-----") {
		t.Errorf("status %d: %s", status, body)
	}
	if status, _ := get("/v1/bundle"); status != http.StatusNotFound {
		t.Errorf("the bundle, which is not signed: status %d", status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, l := range listeners {
		if _, err := l.Accept(); err == nil {
			t.Errorf("%s is still open", l.Addr())
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
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
