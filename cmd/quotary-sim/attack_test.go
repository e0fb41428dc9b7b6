package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators/attacks"
)

// TestAttack attacks a service of its own: a part of the rows, as the suite itself
// tries all.
func TestAttack(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"attack", "--only", "B,S15", "-o", "json", "--seed", "shared"}, &out, &errs); code != exitDone {
		t.Fatalf("exit %d: %s\n%s", code, errs.String(), out.String())
	}
	var report struct {
		Totals attacks.Totals `json:"totals"`
		Holds  bool           `json:"holds"`
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if !report.Holds || report.Totals.Held != report.Totals.Cases || report.Totals.Rows < 15 {
		t.Errorf("%+v", report)
	}
}

// TestAttackAnother attacks a service that somebody else started, on what prepare wrote.
func TestAttackAnother(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sim")
	address := another(t, dir, "shared")
	attack := func(seed string) (code int, out, errs string) {
		var stdout, stderr bytes.Buffer
		code = run(t.Context(), []string{
			"attack", "--target", "https://" + address, "--root", filepath.Join(dir, "data", "ca", "root.crt"), "--seed", seed, "--only", "B10,S15",
		}, &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	code, out, errs := attack("shared")
	if code != exitDone || !strings.Contains(out, "policy.sev-snp.debug") {
		t.Errorf("exit %d: %s\n%s", code, errs, out)
	}
	if code, out, errs = attack("of another world"); code != exitUsage || !strings.Contains(errs, "trust this simulated world") {
		t.Errorf("exit %d: %s\n%s", code, errs, out)
	}
}

// another prepares a directory and starts a service on it, and returns its address.
func another(t *testing.T, dir, seed string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"prepare", "--dir", dir, "--seed", seed}, &out, &errs); code != exitDone {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	if !strings.Contains(out.String(), "--seed "+seed) {
		t.Errorf("it does not say how to go on: %s", out.String())
	}
	config, err := daemon.ReadConfig(filepath.Join(dir, "quotaryd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.Open(t.Context(), daemon.Options{Data: filepath.Join(dir, "data"), Config: config, Version: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, d.Close()); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(filepath.Join(dir, "data", "ca", "root.crt")); err != nil {
		t.Error(err)
	}
	return listener.Addr().String()
}

// TestAttackTarget refuses targets that are no address of a service.
func TestAttackTarget(t *testing.T) {
	for _, target := range []string{"http://127.0.0.1:8443", "https://127.0.0.1:8443/", "127.0.0.1:8443", "https://", "https://a:b@127.0.0.1:8443"} {
		if _, err := parseAttack([]string{"--target", target, "--root", "root.crt", "--seed", "x"}); err == nil {
			t.Errorf("%q is a target", target)
		}
	}
	whole := []string{"--target", "https://127.0.0.1:8443", "--root", "root.crt", "--seed", "x"}
	if _, err := parseAttack(whole); err != nil {
		t.Error(err)
	}
	if _, err := parseAttack(append(whole, "--in-process")); err == nil {
		t.Error("two services are a target")
	}
	if _, err := parseAttack([]string{"--in-process", "--only", "B"}); err != nil {
		t.Error(err)
	}
}

// TestConclude: who has nothing to show has not held, and has not failed either.
func TestConclude(t *testing.T) {
	skipped, failed := attacks.Result{Verdict: attacks.Skipped, Reason: "no neighbour"}, attacks.Result{Verdict: attacks.Failed, Reason: "no route"}
	accepted, held := attacks.Result{Verdict: attacks.Accepted}, attacks.Result{Verdict: attacks.Held}
	for name, test := range map[string]struct {
		results []attacks.Result
		want    string // empty if it held, or how the error is told
	}{
		"held":                 {[]attacks.Result{held, skipped}, ""},
		"only skipped":         {[]attacks.Result{skipped}, "nothing could be tried: no neighbour"},
		"not reached":          {[]attacks.Result{skipped, failed}, "nothing could be tried: no route"},
		"nothing":              {nil, "nothing could be tried"},
		"breached, and failed": {[]attacks.Result{accepted, failed}, "did not hold"},
		"held, and failed":     {[]attacks.Result{held, failed}, "did not hold"},
	} {
		err := conclude(attacks.Report{Results: test.results})
		var breach unexpected
		if (err == nil) != (test.want == "") || errors.As(err, &breach) != (test.want == "did not hold") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
