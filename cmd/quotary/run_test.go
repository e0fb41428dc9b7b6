package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	sevtest "github.com/google/go-sev-guest/verify/testdata"
	tdxtest "github.com/google/go-tdx-guest/testing/testdata"

	"github.com/quotary/quotary/evidence"
)

// A fault or a result that cannot be delivered must never leave with the exit
// code of a verdict, least of all of an acceptance.
func TestAttack_Y19_FaultsAreNoVerdict(t *testing.T) {
	t.Run("a fault", func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		if got := run([]string{"inspect", "-"}, faulty{}, &stdout, &stderr); got != exitFailed {
			t.Errorf("exit %d", got)
		}
		if stdout.Len() > 0 || !strings.Contains(stderr.String(), "nothing was judged") {
			t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
		}
	})
	t.Run("standard output is closed", func(t *testing.T) {
		var stderr bytes.Buffer
		if got := run([]string{"help"}, nil, closed{}, &stderr); got != exitFailed {
			t.Errorf("exit %d", got)
		}
		if !strings.Contains(stderr.String(), "cannot write the result") {
			t.Errorf("stderr %q", stderr.String())
		}
	})
	t.Run("standard input cannot be read", func(t *testing.T) {
		if got := run([]string{"verify", "-"}, closed{}, io.Discard, io.Discard); got != exitFailed {
			t.Errorf("exit %d", got)
		}
	})
}

type faulty struct{}

func (faulty) Read([]byte) (int, error) { panic("fault") }

type closed struct{}

func (closed) Read([]byte) (int, error)  { return 0, errors.New("closed") }
func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

// endless is more evidence than there can be.
type endless struct{ read *int }

func (e endless) Read(p []byte) (int, error) {
	*e.read += len(p)
	return len(p), nil
}

func TestVerifyOversized(t *testing.T) {
	read := 0
	var stdout bytes.Buffer
	if got := run([]string{"verify", "-o", "json", "-"}, endless{&read}, &stdout, io.Discard); got != exitRejected {
		t.Errorf("exit %d", got)
	}
	if !strings.Contains(stdout.String(), evidence.CodeEvidenceTooLarge.String()) {
		t.Errorf("got %s", stdout.String())
	}
	if read > 4*evidence.MaxEncoded {
		t.Errorf("read %d bytes", read)
	}
}

// FuzzVerify gives arbitrary bytes to verify: without endorsements nothing can
// be genuine, and nothing is an internal error.
func FuzzVerify(f *testing.F) {
	f.Add(sevtest.AttestationBytes)
	f.Add(tdxtest.RawQuote)
	f.Add([]byte(`{"a":["application/vnd.quotary.tdx.quote","BAACAIEAAAA"]}`))
	f.Add([]byte(`["application/vnd.quotary.tpm","oA"]`))
	f.Add([]byte{})
	j, err := newJudge(streams{}, &verifyOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var stdout bytes.Buffer
		r, err := j.examine(t.Context(), streams{in: bytes.NewReader(data), out: &stdout}, "-", tpmFlags{})
		if err != nil {
			t.Fatal(err)
		}
		if got := exitOf(r.Verdict); got != exitRejected && got != exitUndecided {
			t.Fatalf("exit %d", got)
		}
		if err := r.write(streams{out: &stdout}, "text"); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(strings.ReplaceAll(stdout.String(), "\n", " "), unprintable) {
			t.Fatalf("unprintable output %q", stdout.String())
		}
	})
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain, ümläut":    "plain, ümläut",
		"a\x1b[31mred":     `a\u001b[31mred`,
		"two\nlines":       `two\u000alines`,
		"\u202eright left": `\u202eright left`,
		"\xff":             `\ufffd`,
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
