package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a terminal of 60 columns.
func openTerminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { user.Close() })
	fd := int(user.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 60})
	}
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { program.Close() })
	return user, program
}

func TestTerminals(t *testing.T) {
	_, program := openTerminal(t)
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if got := terminalOf(program); got != (terminal{60, true}) {
		t.Errorf("got %+v", got)
	}
	t.Setenv("NO_COLOR", "1")
	if got := terminalOf(program); got != (terminal{60, false}) {
		t.Errorf("got %+v", got)
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	if terminalOf(program).colour {
		t.Error("a dumb terminal has colours")
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, w := range []io.Writer{file, &bytes.Buffer{}} {
		if got := terminalOf(w); got != (terminal{}) {
			t.Errorf("%T: %+v", w, got)
		}
	}
}

// What is typed as a credential is not shown, and the next line is again.
func TestAttack_Y12_TypedCredentialsAreNotShown(t *testing.T) {
	user, program := openTerminal(t)
	notes := &signalled{wrote: make(chan struct{}, 8)}
	got := make(chan string, 1)
	go func() {
		secret, err := readSecret(streams{in: program, err: notes})
		got <- fmt.Sprint(secret, err)
	}()
	<-notes.wrote // it asks, with the echo off
	fmt.Fprintln(user, "the secret")
	if text := <-got; text != "the secret<nil>" {
		t.Fatalf("got %q", text)
	}
	fmt.Fprintln(user, "shown")
	var seen strings.Builder
	for !strings.Contains(seen.String(), "shown") {
		buffer := make([]byte, 256)
		n, err := user.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(buffer[:n])
	}
	if strings.Contains(seen.String(), "secret") {
		t.Errorf("the terminal showed %q", seen.String())
	}
}

// signalled tells of each write.
type signalled struct{ wrote chan struct{} }

func (s *signalled) Write(p []byte) (int, error) {
	s.wrote <- struct{}{}
	return len(p), nil
}
