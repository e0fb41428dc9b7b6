package main

import (
	"bytes"
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/internal/daemon"
)

// interrupted interrupts the process, as a user would, when it is first written to.
type interrupted struct {
	t *testing.T
	bytes.Buffer
}

func (w *interrupted) Write(p []byte) (int, error) {
	if w.Len() == 0 {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGINT); err != nil {
			w.t.Error(err)
		}
	}
	return w.Buffer.Write(p)
}

// Following the trail of a real service tells what was there, and what happens after
// that; who has seen enough interrupts it, and that is no failure.
func TestFollowAService(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir+"/config")
	d, url, root := serveDaemon(t, dir, daemon.Config{})
	var out, notes bytes.Buffer
	if code := run([]string{"login", "--url", url, "--root", root, "--credential-stdin"}, strings.NewReader(d.AdminCredential), &out, &notes); code != exitAccepted {
		t.Fatalf("exit %d: %s", code, notes.String())
	}
	shown := &interrupted{t: t}
	notes.Reset()
	if code := run([]string{"audit", "tail", "--follow"}, nil, shown, &notes); code != exitAccepted || !strings.Contains(shown.String(), "admin.whoami") || notes.Len() > 0 {
		t.Errorf("exit %d: %s%s", code, shown.String(), notes.String())
	}

	// Each time that something was shown, something else happens, until there are three.
	o := &tailOptions{adminFlags: adminFlags{output: &choice{value: "json"}}, follow: true, after: -1, limit: 20}
	c, err := o.dial(t.Context(), streams{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ticks := make(chan time.Time, 1)
	s := streams{out: &bytes.Buffer{}}
	var told []string
	s.flush = func() error {
		told = append(told, s.out.String())
		s.out.Reset()
		if len(told) == 3 {
			cancel()
			return nil
		}
		_, err := c.Status(ctx)
		ticks <- time.Time{}
		return err
	}
	if err := o.tail(ctx, s, c, ticks); err != nil {
		t.Fatal(err)
	}
	for i, text := range told {
		if n := strings.Count(text, `"action":"admin.status"`); n != min(i, 1) {
			t.Errorf("look %d told %d: %s", i, n, text)
		}
	}
	if _, err := c.Events(t.Context(), admin.EventFilter{}); err != nil {
		t.Error(err)
	}
}
