package notify_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/notify"
)

// manager is where systemd listens.
func manager(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func hear(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	buffer := make([]byte, 4096)
	n, err := conn.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return string(buffer[:n])
}

func environment(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := pairs[name]; return value, ok }
}

// systemd hears of readiness once it is there, of each change, and of the end.
func TestRun(t *testing.T) {
	for kind, name := range map[string]string{
		"a path": filepath.Join(t.TempDir(), "notify"), "abstract": fmt.Sprintf("@quotary-notify-test-%d", os.Getpid()),
	} {
		t.Run(kind, func(t *testing.T) {
			conn := manager(t, name)
			n, err := notify.FromEnvironment(environment(map[string]string{"NOTIFY_SOCKET": name}))
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
			source := agenttest.NewSource(&agent.View{Status: agent.Status{State: agent.Starting, NextDue: at}})
			ctx, cancel := context.WithCancel(t.Context())
			ready, done := make(chan struct{}), make(chan error, 1)
			go func() { done <- n.Run(ctx, source, ready) }()
			expect := func(want string) {
				t.Helper()
				if got := hear(t, conn); got != want {
					t.Errorf("heard %q, want %q", got, want)
				}
			}
			expect("STATUS=starting: no identity; attests at 2026-11-22T10:00:00Z")
			source.Set(&agent.View{Status: agent.Status{State: agent.Healthy, SPIFFEID: "spiffe://agent.test/web", Simulated: true, Expires: at, NextDue: at}})
			expect("STATUS=healthy: spiffe://agent.test/web until 2026-11-22T10:00:00Z (SIMULATED); attests at 2026-11-22T10:00:00Z")
			close(ready)
			expect("READY=1")
			source.Set(&agent.View{Status: agent.Status{State: agent.Denied, Failures: 2, Reason: &agent.Reason{Code: "a.b"}}})
			expect("STATUS=denied: no identity; attempt 2 failed (a.b)")
			cancel()
			expect("STOPPING=1")
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// The watchdog is fed at twice the pace that systemd wants.
func TestWatchdog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	conn := manager(t, name)
	own := strconv.Itoa(os.Getpid())
	n, err := notify.FromEnvironment(environment(map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000", "WATCHDOG_PID": own}))
	if err != nil || n.Watchdog() != time.Millisecond {
		t.Fatalf("%v, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, agenttest.NewSource(&agent.View{}), nil) }()
	hear(t, conn) // the status
	for range 2 {
		if got := hear(t, conn); got != "WATCHDOG=1" {
			t.Errorf("heard %q", got)
		}
	}
	cancel()
	<-done
}

func TestFromEnvironment(t *testing.T) {
	for name, test := range map[string]struct {
		environment map[string]string
		watchdog    time.Duration
		bad         bool
	}{
		"no systemd":            {nil, 0, false},
		"a watchdog of another": {map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "2000", "WATCHDOG_PID": "1"}, 0, false},
		"a watchdog for all":    {map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "2000"}, time.Millisecond, false},
		"no address":            {map[string]string{"NOTIFY_SOCKET": "x"}, 0, true},
		"no number":             {map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "2s"}, 0, true},
		"no time":               {map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "0"}, 0, true},
		"more than a day":       {map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "9223372036854775807"}, 0, true},
	} {
		n, err := notify.FromEnvironment(environment(test.environment))
		if (err != nil) != test.bad || err == nil && n.Watchdog() != test.watchdog {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	n, err := notify.FromEnvironment(environment(nil))
	if err != nil || n.Ready() != nil {
		t.Errorf("without systemd: %v", err)
	}
}

// A line says what is the matter, and counts attempts only where there were some.
func TestLine(t *testing.T) {
	reason := &agent.Reason{Refused: true, Code: "a.b"}
	for want, status := range map[string]agent.Status{
		"starting: no identity":                        {State: agent.Starting},
		"denied: no identity; attempt 3 failed (a.b)":  {State: agent.Denied, Failures: 3, Reason: reason},
		"revoked: no identity (a.b)":                   {State: agent.Revoked, Reason: reason},
		"revoked: no identity; attempt 1 failed (c.d)": {State: agent.Revoked, Failures: 1, Reason: &agent.Reason{Code: "c.d"}},
		"healthy: spiffe://a/b until 2026-11-22T15:00:00Z (SIMULATED)": {
			State: agent.Healthy, SPIFFEID: "spiffe://a/b", Simulated: true, Expires: time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)},
	} {
		if got := notify.Line(status); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
