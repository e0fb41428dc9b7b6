package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
)

// Libraries may define flags and open logs when they are loaded. Neither becomes the
// program's: its commands know their own flags only, and write to what they are given.
func TestAttack_U04_LibrariesActWhenLoaded(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = writer, writer
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()

	foreign := []string{"logtostderr"}
	flag.VisitAll(func(f *flag.Flag) { // of this binary, which links what quotaryd does, and package testing
		if !strings.HasPrefix(f.Name, "test.") {
			foreign = append(foreign, f.Name)
		}
	})
	for _, name := range foreign {
		var out, notes bytes.Buffer
		code := run([]string{"serve", "--" + name + "=x", "--data", t.TempDir()}, &out, &notes)
		if code != exitFailed || !strings.Contains(notes.String(), "flag provided but not defined: -"+name) {
			t.Errorf("%s: exit %d: %s", name, code, notes.String())
		}
	}
	var out, notes bytes.Buffer
	if code := run([]string{"version"}, &out, &notes); code != exitDone || strings.Count(out.String(), "\n") != 1 || notes.Len() != 0 {
		t.Errorf("exit %d: %s%s", code, out.String(), notes.String())
	}
	writer.Close()
	if text, err := io.ReadAll(reader); err != nil || len(text) != 0 {
		t.Errorf("%v, written past the program: %q", err, text)
	}
}
