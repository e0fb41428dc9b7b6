package endpoint_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/quotary/quotary/internal/agent/endpoint"
)

// dialAs connects to a socket as another user does: only one thread becomes that user, and
// it ends here.
func dialAs(uid int, path string) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	done := make(chan dialled)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			done <- dialled{nil, errno}
			return
		}
		conn, err := net.Dial("unix", path)
		done <- dialled{conn, err}
	}()
	got := <-done
	return got.conn, got.err
}

// Another user is turned away, unless the rules name it.
func TestAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	const nobody = 65534
	for name, test := range map[string]struct {
		allowed []uint32
		want    codes.Code
	}{"not named": {nil, codes.PermissionDenied}, "named": {[]uint32{nobody}, codes.OK}} {
		path := socket(t)
		if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		a, stop := serve(t, endpoint.Config{Path: path, Allowed: test.allowed})
		conn, err := grpc.NewClient("passthrough:///agent", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return dialAs(nobody, path) }))
		if err != nil {
			t.Fatal(err)
		}
		_, err = healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
		if status.Code(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if caller := <-a.caller; caller.UID != nobody {
				t.Errorf("the caller is user %d", caller.UID)
			}
		}
		conn.Close()
		stop()
	}
}

// Mode and owner are the socket's alone, whatever somebody puts in its place.
func TestAttack_A16_SocketIsExchanged(t *testing.T) {
	path := socket(t)
	target := path + ".key"
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, place := range map[string]func() error{
		"a link": func() error { return os.Symlink(target, path) }, "a file": func() error { return os.Link(target, path) },
	} {
		if err := place(); err != nil {
			t.Fatal(err)
		}
		if err := (endpoint.Config{Path: path, Mode: 0o666}).Own(); err == nil {
			t.Errorf("%s is taken for the socket", name)
		}
		if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// Nobody is anybody in a namespace that does not have all users.
func TestNamespaces(t *testing.T) {
	for text, want := range map[string]bool{
		"         0          0 4294967295\n": true, "0 1000 1\n": false, "0 100000 65536\n": false, "": false, "0 0 4294967295\n1 1 1\n": false,
	} {
		if got := endpoint.HasAllUsers(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
