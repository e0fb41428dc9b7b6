package clienttest_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// patience is how long a condition may take to come true: far longer than it takes
	// where nothing else runs.
	patience = 3 * time.Minute
	// look is how often a condition is looked at that nobody tells of.
	look = 100 * time.Millisecond
	// grace is how long a program may take to end before it is killed.
	grace = 10 * time.Second
)

// eventually waits until is returns nil.
func eventually(t *testing.T, is func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(look) {
		err := is()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// need returns where a program is, and skips the test where it is not installed.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name) // which not everybody has in PATH
	}
	if err != nil {
		t.Skipf("%s is not installed; scripts/test-tools installs it", name)
	}
	return path
}

// program is a program that runs until the test ends.
type program struct {
	ended chan struct{}
	said  string // the file with what it says
}

// output is what the program has said by now.
func (p *program) output(t *testing.T) string {
	t.Helper()
	return string(read(t, p.said))
}

// start starts a program. It ends with the test, and with the process that the test is in.
func start(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	p := &program{ended: make(chan struct{}), said: said.Name()}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.ended); cmd.Wait() }() // how it ends is for who waits for ended to judge
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(grace):
		}
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with those that it started
		<-p.ended
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd, p.output(t))
		}
	})
	return p
}

// runs fails the test if the program has ended.
func (p *program) runs(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
		t.Fatalf("the program ended: %s", p.output(t))
	default:
	}
}

// run runs a program to its end and returns what it wrote. The error has what it said.
func run(t *testing.T, path string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = errors.Join(err, errors.New(strings.TrimSpace(said.String())))
	}
	return string(out), err
}
