package authz_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/fleettest"
)

// recipe is the first configuration in a language of docs/authorization.md that has a word.
func recipe(t *testing.T, language, word string) string {
	t.Helper()
	document, err := os.ReadFile("../../../docs/authorization.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(document), "\n```"+language+"\n")[1:] {
		if text, _, _ := strings.Cut(block, "\n```"); strings.Contains(text, word) {
			return text
		}
	}
	t.Fatalf("the document has no %s with %s", language, word)
	return ""
}

// nginx starts nginx, set up word for word as the document says, in front of a server, and
// returns its socket.
func (g *gateway) nginx(t *testing.T, id *client.Identity, behind http.Handler) string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx") // which not everybody has in PATH
	}
	if err != nil {
		t.Skip("nginx is not installed; scripts/test-tools installs it")
	}
	g.serve(t, behind)
	g.identity(t, id)
	text := recipe(t, "nginx", "auth_request")
	for was, is := range map[string]string{
		"/run/quotary/nginx": g.dir, "/run/quotary/authorization.sock": g.socket, "listen 8443": "listen unix:" + g.dir + "/front", "http://127.0.0.1:8080": "http://unix:" + g.dir + "/behind:",
	} {
		if !strings.Contains(text, was) {
			t.Fatalf("%q is not in:\n%s", was, text)
		}
		text = strings.ReplaceAll(text, was, is)
	}
	g.write(t, "server.conf", text)
	g.write(t, "nginx.conf", strings.ReplaceAll(`daemon off;
user root;
pid DIR/pid;
worker_processes 1;
events {}
http {
    access_log off;
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
    include DIR/server.conf;
}
`, "DIR", g.dir))
	said := &agenttest.Notes{}
	command := exec.Command(path, "-p", g.dir, "-e", "stderr", "-c", filepath.Join(g.dir, "nginx.conf"))
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		if err := command.Wait(); err != nil || t.Failed() {
			t.Logf("nginx: %v\n%s", err, said)
		}
	})
	return filepath.Join(g.dir, "front")
}

func (g *gateway) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// identity writes the files that an agent would write for nginx.
func (g *gateway) identity(t *testing.T, id *client.Identity) {
	t.Helper()
	var text strings.Builder
	for _, der := range id.Certificate.Certificate {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	key, err := x509.MarshalPKCS8PrivateKey(id.Certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	text.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	g.write(t, "tls.pem", text.String())
	root, err := os.ReadFile(g.fleet.Root)
	if err != nil {
		t.Fatal(err)
	}
	g.write(t, "ca.crt", string(root))
}

// serve answers behind nginx.
func (g *gateway) serve(t *testing.T, behind http.Handler) {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(g.dir, "behind"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: behind}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-ended })
}

// nginx as it is asks for each request: who is allowed comes through, and the server behind
// is told who it is and nothing that the client made up; who is revoked is refused with the
// next request of the same connection.
func TestNginx(t *testing.T) {
	g := newGateway(t)
	front, caller := g.attested(t), g.attested(t)
	eventually(t, g.Ready)
	var seen atomic.Pointer[http.Header]
	socket := g.nginx(t, front, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen.Store(&r.Header) }))
	var dialled atomic.Int64
	web := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "unix", socket)
			if err == nil {
				dialled.Add(1)
			}
			return conn, err
		},
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: caller.Roots, ServerName: "guest.fleet.test", Certificates: []tls.Certificate{*caller.Certificate}},
	}}
	t.Cleanup(web.CloseIdleConnections)
	get := func(target string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.test"+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Quotary-Spiffe-Id", "spiffe://fleet.test/admin")
		req.Header.Set("X_Quotary_Spiffe_Id", "spiffe://fleet.test/admin")
		req.Header.Set("X-SSL-Client-Cert", "forged")
		req.Header.Set("X-Original-URI", "/guest")
		resp, err := web.Do(req)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	eventually(t, func() bool { return get("/guest") != 0 }) // until nginx listens
	if status := get("/guest/a?b=c"); status != http.StatusOK {
		t.Fatalf("status %d; %s", status, g.log)
	}
	got := *seen.Load()
	if got.Get("X-Quotary-Spiffe-Id") != fleettest.GuestID || len(got["X_quotary_spiffe_id"]) != 0 || got.Get("X-Quotary-Attested-At") == "" || got.Get("X-Quotary-Workload") != "guest" || got.Get("X-Quotary-Simulated") != "true" {
		t.Errorf("the server behind is told %v", got)
	}
	seen.Store(nil)
	for target, want := range map[string]int{"/other/a": http.StatusForbidden, "/real": http.StatusForbidden, "/": http.StatusForbidden, "/guest/..%2fother": http.StatusForbidden, "/quotary-authorize": http.StatusNotFound} {
		if status := get(target); status != want {
			t.Errorf("%s: status %d, want %d", target, status, want)
		}
	}
	if seen.Load() != nil {
		t.Error("a request that was refused came through")
	}
	before := dialled.Load()
	g.fleet.Revoke(caller.AttestationID)
	eventually(t, func() bool { return get("/guest") == http.StatusForbidden })
	if dialled.Load() != before {
		t.Error("the connection was not kept")
	}
}
