package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// startServing starts quotary-sim serve on free ports, and returns what it said until it was
// ready. It ends with the test.
func startServing(t *testing.T, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	reader, writer := io.Pipe()
	var errs bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		all := append([]string{"serve", "--seed", "shared", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--vendors-listen", "127.0.0.1:0"}, args...)
		ended <- run(ctx, all, writer, &errs)
		writer.CloseWithError(io.EOF)
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != exitDone {
			t.Errorf("exit %d: %s", code, errs.String())
		}
	})
	told := readUntil(t, reader, "ready")
	go io.Copy(io.Discard, reader)
	return told
}

// said finds what it said in parentheses.
func said(t *testing.T, told, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(told)
	if match == nil {
		t.Fatalf("it does not say %s: %s", pattern, told)
	}
	return match[1]
}

// TestServe steers machines over HTTP, and reads an identity from a machine's socket.
func TestServe(t *testing.T) {
	dir, err := os.MkdirTemp("", "sim") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	machine := filepath.Join(dir, "web.yaml")
	if err := os.WriteFile(machine, []byte("name: web\ntechnology: sev-snp\nkernel: {file: kernel}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kernel"), []byte("a kernel"), 0o600); err != nil {
		t.Fatal(err)
	}
	told := startServing(t, "--dir", filepath.Join(dir, "sim"), "--machine", machine, "--socket", filepath.Join(dir, "s"))
	for _, pattern := range []string{`vendor: +(http://127\S+/intel-pcs)`, `machine: +(web), sev-snp`} {
		said(t, told, pattern)
	}
	machines := said(t, told, `control: +(http://\S+/v1/machines)`)
	post(t, machines, `{"name": "ledger", "technology": "tdx"}`)
	fetch := func(name string) (*x509svid.SVID, error) {
		for { // until there is an answer, as clients do
			svid, err := workloadapi.FetchX509SVID(t.Context(), workloadapi.WithAddr("unix://"+filepath.Join(dir, "s", name+".sock")))
			if status.Code(err) != codes.Unavailable {
				return svid, err
			}
		}
	}
	for _, name := range []string{"web", "ledger"} {
		svid, err := fetch(name)
		if err != nil {
			t.Fatal(err)
		}
		if svid.ID.String() != "spiffe://sim.test/"+name {
			t.Errorf("%s is %s", name, svid.ID)
		}
	}
	post(t, strings.TrimSuffix(machines, "machines")+"faults", `{"fault": "snp-debug", "on": ["web"]}`)
	for { // the agent attests at once, and takes a moment
		if _, err := fetch("web"); status.Code(err) == codes.PermissionDenied {
			break
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, machines+"/ledger", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if _, err := os.Stat(filepath.Join(dir, "s", "ledger.sock")); response.StatusCode != http.StatusNoContent || !os.IsNotExist(err) {
		t.Errorf("%s, its socket: %v", response.Status, err)
	}
}

func post(t *testing.T, url, body string) {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		answer, _ := io.ReadAll(response.Body)
		t.Fatalf("%s: %s", url, answer)
	}
}

// TestServeForAnother writes what somebody else's service needs.
func TestServeForAnother(t *testing.T) {
	dir := t.TempDir()
	machine := filepath.Join(t.TempDir(), "web.json")
	if err := os.WriteFile(machine, []byte(`{"name": "web", "technology": "sev-snp"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	told := startServing(t, "--dir", dir, "--with-service=false", "--machine", machine)
	said(t, told, `(no service)`)
	for _, name := range []string{"policies/web.yaml", "simulated/roots", "simulated/endorsements"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
