package server_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// publish serves over plain HTTP until the test ends, and returns where.
func publish(t *testing.T, a *api) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain := a.Server.Publication()
	ended := make(chan error, 1)
	go func() { ended <- plain.Serve(listener) }()
	t.Cleanup(func() {
		if err := plain.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return "http://" + listener.Addr().String()
}

// The plain listener has what is signed in itself, and nothing else: no bundle, no challenge, no
// metrics, no administrators.
func TestAttack_D15_PublicationHasNothingElse(t *testing.T) {
	a := start(t, servertest.Options{})
	at := publish(t, a)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	plain := *a
	plain.client = &http.Client{Transport: transport}
	ask := func(method, path string) answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return plain.do(req)
	}
	leaf, issuer := issuedChain(t, a.attest())
	name := a.Authority.Status().Slots[0].Authority
	served := []string{"/v1/crl", "/v1/crl/{authority}", "/v1/crls", "/v1/ocsp", "/v1/ocsp/*"}
	for route, methods := range routeTable(t, a.Server) {
		path := strings.Replace(route, "{authority}", name, 1)
		for _, method := range methods {
			got := ask(method, path)
			if slices.Contains(served, route) == (got.status == http.StatusNotFound) {
				t.Errorf("%s %s: status %d", method, path, got.status)
			}
		}
	}
	if got := ask(http.MethodGet, "/v1/crl"); !bytes.Equal(got.body, a.get("/v1/crl").body) || got.header.Get("X-Request-Id") == "" {
		t.Errorf("another list: %v", got.header)
	}
	got := ask(http.MethodGet, "/v1/ocsp/"+base64.StdEncoding.EncodeToString(a.question(leaf, issuer, crypto.SHA1)))
	if response, err := xocsp.ParseResponse(got.body, issuer); err != nil || response.Status != xocsp.Good {
		t.Errorf("%+v, %v", response, err)
	}
	if got := string(a.get("/metrics").body); !strings.Contains(got, `route="/v1/ocsp/*"`) {
		t.Error("its requests are not counted")
	}
}

// An independent client asks over plain HTTP, with and without a nonce, and believes the answer by
// the root alone; and it goes by the lists that are fetched there.
func TestOpenSSLAsksAndFetches(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl here")
	}
	a, dir := start(t, servertest.Options{}), t.TempDir()
	at := publish(t, a)
	issued := a.attest()
	leaf, issuer := issuedChain(t, issued)
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	leafFile, issuerFile := write("leaf.pem", "CERTIFICATE", leaf.Raw), write("issuer.pem", "CERTIFICATE", issuer.Raw)
	rootFile, lists := write("root.pem", "CERTIFICATE", a.Authority.Status().Slots[0].Root.Raw), filepath.Join(dir, "lists.pem")
	says := func(want, how string, args ...string) {
		t.Helper()
		out, err := exec.Command(openssl, args...).CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("%s: %v: %s", how, err, out)
		}
	}
	check := func(status, verified string) {
		t.Helper()
		for _, more := range [][]string{nil, {"-no_nonce"}, {"-sha256"}} {
			args := append([]string{"ocsp"}, more...) // the digest is for what follows it
			args = append(args, "-issuer", issuerFile, "-cert", leafFile, "-CAfile", rootFile, "-url", at+"/v1/ocsp")
			says(leafFile+": "+status, strings.Join(more, " "), args...)
			says("Response verify OK", strings.Join(more, " "), args...)
		}
		if err := os.WriteFile(lists, a.get("/v1/crls").body, 0o600); err != nil {
			t.Fatal(err)
		}
		says(verified, "verify", "verify", "-crl_check_all", "-CRLfile", lists, "-CAfile", rootFile, "-untrusted", issuerFile, leafFile)
	}
	check("good", leafFile+": OK")
	var got server.RevocationResponse
	a.as("alice", admin.Owner).post("/v1/admin/revocations", map[string]any{"serials": []string{issued.SVID.Serial}, "reason": "r", "dry_run": false}).into(&got)
	check("revoked", "certificate revoked")
}
