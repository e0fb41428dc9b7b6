package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDemo reads the demonstration as its audience does.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--dir", dir}, &out, &errs); code != exitDone {
		t.Fatalf("exit %d: %s\n%s", code, errs.String(), out.String())
	}
	for _, want := range []string{
		`the machines: they are SIMULATED`,
		`identity +spiffe://demo.test/payments`,
		`identity +spiffe://demo.test/ledger`,
		`identity +spiffe://demo.test/builder`,
		`pass +sev-snp.signature`,
		`pass +tdx.quote-signature`,
		`pass +tpm.signature`,
		`I know you, spiffe://demo.test/payments`,
		`fail +policy.sev-snp.measurement`,
		`fail +policy.sev-snp.debug`,
		`fail +binding.report-data`,
		`SEV-SNP report of 2022, as of 2023-08-09: genuine`,
		`TDX quote of 2023, as of 2023-06-28: genuine`,
		`rests on +CN=ARK-Milan,`,
		`go run ./cmd/quotaryd serve`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("the demonstration does not say %q", want)
		}
	}
	if strings.Contains(out.String(), dir) {
		t.Error("the demonstration names files that it is about to remove")
	}
}

// TestDemoServe keeps the service running until it is told to stop, and leaves
// files that the command line works on.
func TestDemoServe(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	reader, writer := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--serve", "--dir", dir}, writer, io.Discard)
		writer.Close()
	}()
	told := readUntil(t, reader, "all files are in "+dir)
	go io.Copy(io.Discard, reader)
	for _, name := range []string{"evidence/payments.json", "policies/payments.yaml", "simulated/roots", "simulated/endorsements", "data/ca/root.crt"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(told, "Ctrl-C") {
		t.Error("it does not say how to stop it")
	}
	select {
	case code := <-ended:
		t.Fatalf("it ended by itself with exit %d", code)
	case <-time.After(50 * time.Millisecond):
	}
	stop()
	if code := <-ended; code != exitDone {
		t.Errorf("exit %d after it was told to stop", code)
	}
}

// readUntil reads what is told up to a text.
func readUntil(t *testing.T, r io.Reader, text string) string {
	t.Helper()
	var told []byte
	buffer := make([]byte, 4096)
	for !bytes.Contains(told, []byte(text)) {
		n, err := r.Read(buffer)
		told = append(told, buffer[:n]...)
		if err != nil {
			t.Fatalf("it ended before it said %q: %s", text, told)
		}
	}
	return string(told)
}

// TestLoad measures for a moment.
func TestLoad(t *testing.T) {
	var out, errs bytes.Buffer
	args := []string{"load", "--clients", "1,2", "--duration", "100ms", "-o", "json"}
	if code := run(t.Context(), args, &out, &errs); code != exitDone {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	decoder, runs := json.NewDecoder(&out), 0
	for decoder.More() {
		var m measurement
		if err := decoder.Decode(&m); err != nil {
			t.Fatal(err)
		}
		if m.Completed == 0 || m.PerSecond <= 0 || m.P99 < m.P50 || m.BareMicros <= 0 || m.Ratio <= 0 {
			t.Errorf("%+v", m)
		}
		runs++
	}
	if runs != 6 {
		t.Errorf("%d measurements, want two of each of three technologies", runs)
	}
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"help", exitDone, "Usage:"},
		{"demo --help", exitDone, "Examples:"},
		{"", exitUsage, "there is no command"},
		{"show", exitUsage, `"show" is not a command`},
		{"demo now", exitUsage, "one word too many"},
		{"demo --port 1", exitUsage, "not defined"},
		{"demo --listen nowhere", exitUsage, "nowhere"},
		{"load --clients 0", exitUsage, "--clients takes"},
		{"load --clients 1,,2", exitUsage, "--clients takes"},
		{"load --kind sgx", exitUsage, "no kind of evidence"},
		{"load --duration 1h", exitUsage, "--duration takes"},
		{"load -o yaml", exitUsage, "-o takes"},
		{"help attack", exitDone, "Never do that"},
		{"attack --only S99", exitUsage, `no series and no row "S99"`},
		{"attack -o yaml", exitUsage, "-o takes"},
		{"attack --target https://127.0.0.1:1", exitUsage, "--target needs --root"},
		{"attack --root x", exitUsage, "name it with --target"},
		{"attack --target https://127.0.0.1:1 --seed x --root missing.crt", exitUsage, "missing.crt"},
		{"help run", exitDone, "--library vcek-revoked"},
		{"run", exitUsage, "which scenario?"},
		{"run missing.yaml", exitUsage, "missing.yaml"},
		{"run --list", exitDone, "vcek-revoked"},
		{"run --library nothing", exitUsage, "no scenario"},
		{"run -o yaml x", exitUsage, "-o takes"},
		{"serve", exitUsage, "--dir is needed"},
		{"serve --dir x --machine missing.yaml", exitUsage, "missing.yaml"},
		{"serve --dir x --with-service=false --socket y", exitUsage, "goes with a service alone"},
		{"faults", exitDone, "tdx-log-reordered"},
		{"faults -o junit", exitUsage, "-o takes"},
		{"prepare", exitUsage, "--dir and --seed are needed"},
		{"prepare --dir . --seed x", exitUsage, "not empty"},
		{"prepare --dir x --seed x --listen nowhere", exitUsage, "an address and port"},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), strings.Fields(test.args), &out, &errs)
		if code != test.code || !strings.Contains(out.String()+errs.String(), test.says) {
			t.Errorf("%q: exit %d, %s%s", test.args, code, out.String(), errs.String())
		}
	}
}
