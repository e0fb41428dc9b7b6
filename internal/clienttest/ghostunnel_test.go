//go:build clients

package clienttest_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
)

// Two ghostunnels carry what is said between programs that know nothing of TLS. A peer with
// another SPIFFE ID is not let through; nor is the right one once its machine was refused
// and its last certificate has ended.
func TestGhostunnel(t *testing.T) {
	t.Parallel()
	path := built(t, "ghostunnel-1.8.4")
	f := serve(t, "web", "caller", "other")
	f.restrict(t, "caller", "ttl: 1h", "ttl: 1m")
	_, web := f.socketed(t, "web")
	caller, callers := f.socketed(t, "caller")
	_, others := f.socketed(t, "other")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tunnel(t, path, listener, "server", "--target", echo(t), "--allow-uri", f.id("caller"), "--use-workload-api-addr", "unix://"+web)
	client := func(socket, server string) func() error {
		at := filepath.Join(agenttest.ShortDir(t), "socket")
		tunnel(t, path, nil, "client", "--listen", "unix:"+at, "--target", listener.Addr().String(), "--verify-uri", server, "--use-workload-api-addr", "unix://"+socket)
		eventually(t, func() error { _, err := os.Stat(at); return err }) // it has its identity then
		return func() error { return says(at) }
	}
	goes := client(callers, f.id("web"))
	eventually(t, goes)
	if client(others, f.id("web"))() == nil {
		t.Error("the server lets another machine through")
	}
	if client(callers, f.id("other"))() == nil {
		t.Error("the client goes to another machine")
	}

	f.withdraw(t, "caller")
	caller.Hurry()
	eventually(t, func() error {
		if view, _ := caller.Current(); view.Status.State != agent.Denied {
			return fmt.Errorf("the agent is %s", view.Status.State)
		}
		return nil
	})
	eventually(t, func() error {
		if goes() == nil {
			return errors.New("the tunnel is open still")
		}
		return nil
	})
}

// tunnel starts ghostunnel, with a socket to accept from if it is given one, by the protocol
// of systemd.
func tunnel(t *testing.T, path string, listener net.Listener, args ...string) {
	t.Helper()
	cmd := exec.Command(path, args...)
	if listener != nil {
		file, err := listener.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close(); listener.Close() })
		cmd = exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh", path, args[0], "--listen", "systemd:tunnel"}, args[1:]...)...)
		cmd.ExtraFiles, cmd.Env = []*os.File{file}, append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=tunnel")
	}
	start(t, cmd)
}

// echo starts a server that says what it hears, and returns its address.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn) // until the tunnel closes it
			}()
		}
	}()
	return listener.Addr().String()
}

// says sends something to who echoes at a socket's other end.
func says(socket string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	const word = "hello"
	if _, err := io.WriteString(conn, word); err != nil {
		return err
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != word {
		return fmt.Errorf("got %q: %w", got, err)
	}
	return nil
}
