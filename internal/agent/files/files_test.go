package files_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/files"
)

func open(t *testing.T, c files.Config) *files.Writer {
	t.Helper()
	w, err := files.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func read(t *testing.T, elements ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A set has everything, in the forms that servers read, with the key for its owner alone.
func TestContents(t *testing.T) {
	authority := agenttest.NewAuthority(t)
	identity := authority.Issue(t, "web", time.Hour)
	identity.Token, identity.ListFile = &client.Token{JWT: "e.a.r"}, []byte("lists")
	dir := filepath.Join(t.TempDir(), "identity")
	w := open(t, files.Config{Directory: dir, KeyMode: 0o640, Password: new("secret"), UID: new(os.Getuid()), GID: new(os.Getgid())})
	if err := w.Write(t.Context(), identity); err != nil {
		t.Fatal(err)
	}
	<-w.Written()
	for name, paths := range map[string][2]string{"apart": {files.NameChain, files.NameKey}, "combined": {files.NameCombined, files.NameCombined}} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, paths[0]), filepath.Join(dir, paths[1]))
		if err != nil || !pair.Leaf.Equal(identity.Certificate.Leaf) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if block, rest := pem.Decode(read(t, dir, files.NameRoots)); block == nil || !bytes.Equal(block.Bytes, authority.Root.Raw) || len(rest) != 0 {
		t.Error("the roots are not the bundle's")
	}
	if bundle, err := spiffebundle.Parse(agenttest.TrustDomain, read(t, dir, files.NameBundle)); err != nil || !bundle.Equal(identity.Bundle) {
		t.Errorf("the bundle: %v", err)
	}
	if got := read(t, dir, files.NameLists); string(got) != "lists" {
		t.Errorf("the revocation lists are %q", got)
	}
	if got := read(t, dir, files.NameToken); string(got) != "e.a.r" {
		t.Errorf("the token is %q", got)
	}
	key, leaf, _, err := pkcs12.DecodeChain(read(t, dir, files.NamePKCS12), "secret")
	if err != nil || !leaf.Equal(identity.Certificate.Leaf) || !key.(*ecdsa.PrivateKey).Equal(identity.Certificate.PrivateKey) {
		t.Errorf("PKCS #12: %v", err)
	}
	if trusted, err := pkcs12.DecodeTrustStore(read(t, dir, files.NameTrustStore), "secret"); err != nil || len(trusted) != 1 || !trusted[0].Equal(authority.Root) {
		t.Errorf("the trust store: %v", err)
	}
	modes := map[string]fs.FileMode{
		files.NameChain: 0o644, files.NameKey: 0o640, files.NameCombined: 0o640, files.NameRoots: 0o644, files.NameBundle: 0o644,
		files.NameToken: 0o640, files.NameLists: 0o644, files.NamePKCS12: 0o640, files.NameTrustStore: 0o644,
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(modes) {
		t.Errorf("%d files, %v", len(entries), err)
	}
	for name, mode := range modes {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// Readers see certificate and key that belong together, whenever they look: in the
// combined file, and in a directory that they have opened.
func TestConcurrentReadersSeeOneSet(t *testing.T) {
	authority := agenttest.NewAuthority(t)
	identities := []*agent.Identity{authority.Issue(t, "web", time.Hour), authority.Issue(t, "web", time.Hour)}
	parent := t.TempDir()
	dir := filepath.Join(parent, "identity")
	w := open(t, files.Config{Directory: dir})
	if err := w.Write(t.Context(), identities[0]); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var readers sync.WaitGroup
	var looks atomic.Int64
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				looks.Add(1)
				both, err := os.ReadFile(filepath.Join(dir, files.NameCombined))
				if _, pairErr := tls.X509KeyPair(both, both); err == nil && pairErr != nil {
					t.Errorf("combined: %v", pairErr)
				}
				root, err := os.OpenRoot(dir)
				if errors.Is(err, fs.ErrNotExist) {
					continue // slower than two turns
				}
				if err != nil {
					t.Errorf("the directory: %v", err)
					continue
				}
				cert, certErr := root.ReadFile(files.NameChain)
				key, keyErr := root.ReadFile(files.NameKey)
				root.Close()
				if errors.Is(certErr, fs.ErrNotExist) || errors.Is(keyErr, fs.ErrNotExist) {
					continue // slower than two turns
				}
				if _, err := tls.X509KeyPair(cert, key); err != nil {
					t.Errorf("apart: %v", err)
				}
			}
		})
	}
	for i := 0; i < 60 || looks.Load() < 10; i++ {
		if err := w.Write(t.Context(), identities[i%2]); err != nil {
			t.Error(err)
			break
		}
	}
	stop.Store(true)
	readers.Wait()
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 3 { // link, set, last set
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// What the agent did not make, it does not touch; what an earlier process left, it removes.
func TestOthersFiles(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "identity")
	if err := os.MkdirAll(filepath.Join(parent, ".identity-123", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".identity-123", filepath.Join(parent, ".identity-9.link")); err != nil {
		t.Fatal(err)
	}
	open(t, files.Config{Directory: dir})
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	for name, make := range map[string]func() error{
		"a directory":       func() error { return os.Mkdir(dir, 0o700) },
		"a file":            func() error { return os.WriteFile(dir, nil, 0o600) },
		"a link elsewhere":  func() error { return os.Symlink("/etc", dir) },
		"a link with steps": func() error { return os.Symlink(".identity-1/../../etc", dir) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Open(files.Config{Directory: dir}); err == nil {
			t.Errorf("%s is taken", name)
		}
		if err := os.Remove(dir); err != nil {
			t.Errorf("%s was touched: %v", name, err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "identity")
	for name, c := range map[string]files.Config{
		"relative":             {Directory: "identity"},
		"the root":             {Directory: "/"},
		"others have the key":  {Directory: dir, KeyMode: 0o644},
		"executable":           {Directory: dir, KeyMode: 0o700},
		"two hooks":            {Directory: dir, Hook: files.Hook{Unit: "nginx.service", PIDFile: "/run/nginx.pid"}},
		"a relative command":   {Directory: dir, Hook: files.Hook{Command: []string{"true"}}},
		"a signal to nobody":   {Directory: dir, Hook: files.Hook{Signal: "HUP"}},
		"another signal":       {Directory: dir, Hook: files.Hook{Signal: "KILL", PIDFile: "/run/nginx.pid"}},
		"an option for a unit": {Directory: dir, Hook: files.Hook{Unit: "--root=x.service"}},
		"no unit":              {Directory: dir, Hook: files.Hook{Unit: "nginx"}},
	} {
		if _, err := files.Open(c); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// script writes an executable that notes what it is told in a file.
func script(t *testing.T, name, body string) (path, notes string) {
	t.Helper()
	dir := t.TempDir()
	path, notes = filepath.Join(dir, name), filepath.Join(dir, "notes")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+strings.ReplaceAll(body, "NOTES", notes)), 0o700); err != nil {
		t.Fatal(err)
	}
	return path, notes
}

// A command hears of renewals and of the end; its failure is an error.
func TestCommand(t *testing.T) {
	command, notes := script(t, "hook", `echo "$1 $QUOTARY_EVENT $QUOTARY_DIRECTORY $QUOTARY_SPIFFE_ID" >> NOTES; test ! -e NOTES.fail || { echo "does not work"; exit 3; }`)
	dir := filepath.Join(t.TempDir(), "identity")
	w := open(t, files.Config{Directory: dir, Hook: files.Hook{Command: []string{command, "argument"}}})
	identity := agenttest.NewAuthority(t).Issue(t, "web", time.Hour)
	source := agenttest.NewSource(agenttest.View(identity))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx, source) }()
	expect := func(want string) {
		t.Helper()
		for ctx.Err() == nil {
			got, _ := os.ReadFile(notes)
			if string(got) == want {
				return
			}
			if len(got) > len(want) {
				t.Fatalf("heard %q, want %q", got, want)
			}
			time.Sleep(time.Millisecond)
		}
	}
	renewed := fmt.Sprintf("argument renewed %s spiffe://agent.test/web\n", dir)
	expect(renewed)
	source.Set(&agent.View{Status: agent.Status{State: agent.Denied}})
	expect(renewed + fmt.Sprintf("argument withdrawn %s \n", dir))
	cancel()
	<-done
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the files are still there: %v", err)
	}
	if err := os.WriteFile(notes+".fail", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), identity); err == nil || !strings.Contains(err.Error(), "does not work") {
		t.Errorf("a hook that fails: %v", err)
	}
}

// A hook that hangs does not keep the files of an identity that was withdrawn.
func TestHookThatHangs(t *testing.T) {
	command, notes := script(t, "hook", `test "$QUOTARY_EVENT" = withdrawn || { touch NOTES; exec sleep 600; }`)
	dir := filepath.Join(t.TempDir(), "identity")
	var log bytes.Buffer // which the writer alone writes
	w := open(t, files.Config{Directory: dir, Hook: files.Hook{Command: []string{command}}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	source := agenttest.NewSource(agenttest.View(agenttest.NewAuthority(t).Issue(t, "web", time.Hour)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx, source) }()
	wait := func(path string, there bool) {
		for ctx.Err() == nil {
			if _, err := os.Lstat(path); (err == nil) == there {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	wait(notes, true)
	source.Set(&agent.View{Status: agent.Status{State: agent.Revoked}})
	wait(dir, false)
	cancel()
	<-done
	if text := log.String(); strings.Contains(text, "trying again") || !strings.Contains(text, "cut off") {
		t.Errorf("logged: %s", text) // it was waited for
	}
}

// What an earlier process left is there until it ends, and not longer, if nobody answers.
func TestEarlierFilesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "identity")
		if err := open(t, files.Config{Directory: dir}).Write(t.Context(), agenttest.NewAuthority(t).Issue(t, "web", time.Hour)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			open(t, files.Config{Directory: dir}).Run(ctx, agenttest.NewSource(&agent.View{Status: agent.Status{State: agent.Starting}}))
		}()
		time.Sleep(time.Hour - time.Second)
		if _, err := os.Lstat(dir); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the files are still there: %v", err)
		}
		cancel()
		<-done
	})
}

// A server that was told of an identity is left alone for a while before it is told of another;
// a withdrawal waits for nothing.
func TestChangesAreSpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "identity")
		w, authority := open(t, files.Config{Directory: dir}), agenttest.NewAuthority(t)
		source := agenttest.NewSource(agenttest.View(authority.Issue(t, "web", time.Hour)))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Run(ctx, source) }()
		link := func() string {
			synctest.Wait()
			at, _ := os.Readlink(dir)
			return at
		}
		first := link()
		source.Set(agenttest.View(authority.Issue(t, "web", time.Hour)))
		if link() != first {
			t.Error("the second identity came at once")
		}
		time.Sleep(time.Minute)
		if second := link(); first == "" || second == "" || second == first {
			t.Errorf("%s, then %s", first, second)
		}
		source.Set(agenttest.View(authority.Issue(t, "web", time.Hour)))
		link()
		source.Set(agenttest.View(authority.Issue(t, "web", time.Hour)))
		source.Set(&agent.View{Status: agent.Status{State: agent.Denied}})
		if link() != "" {
			t.Error("what was withdrawn is there still")
		}
		cancel()
		<-done
	})
}

// What changes nothing in the files writes none, and tells nobody.
func TestOtherBundlesWriteNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "identity")
		w := open(t, files.Config{Directory: dir})
		identity := agenttest.NewAuthority(t).Issue(t, "web", time.Hour)
		source := agenttest.NewSource(agenttest.View(identity))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Run(ctx, source) }()
		synctest.Wait()
		first, err := os.Readlink(dir)
		if err != nil {
			t.Fatal(err)
		}
		next := *identity
		next.Federated = []*spiffebundle.Bundle{identity.Bundle}
		source.Set(agenttest.View(&next))
		synctest.Wait()
		if again, err := os.Readlink(dir); err != nil || again != first {
			t.Errorf("%s, then %s, %v", first, again, err)
		}
		cancel()
		<-done
	})
}

// The process in the file gets the signal; where there is none, nobody does.
func TestSignal(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGUSR2)
	defer signal.Stop(heard)
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	w := open(t, files.Config{Directory: filepath.Join(dir, "identity"), Hook: files.Hook{PIDFile: pid, Signal: "USR2"}})
	identity := agenttest.NewAuthority(t).Issue(t, "web", time.Hour)
	if err := w.Write(t.Context(), identity); err != nil {
		t.Errorf("without the file: %v", err)
	}
	for _, text := range []string{"", "x", "0", "1", "-1", "12 13"} {
		if err := os.WriteFile(pid, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := w.Write(t.Context(), identity); err == nil {
			t.Errorf("%q is a process ID", text)
		}
	}
	if err := errors.Join(os.Remove(pid), syscall.Mkfifo(pid, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), identity); err == nil {
		t.Error("a pipe that nobody writes to holds a process ID")
	}
	if err := os.Remove(pid); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pid, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), identity); err != nil {
		t.Fatal(err)
	}
	<-heard
}

// A unit is reloaded by systemctl.
func TestUnit(t *testing.T) {
	systemctl, notes := script(t, "systemctl", `echo "$@" > NOTES`)
	t.Setenv("PATH", filepath.Dir(systemctl)+":"+os.Getenv("PATH"))
	w := open(t, files.Config{Directory: filepath.Join(t.TempDir(), "identity"), Hook: files.Hook{Unit: "web@1.service"}})
	if err := w.Write(t.Context(), agenttest.NewAuthority(t).Issue(t, "web", time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, notes); string(got) != "try-reload-or-restart -- web@1.service\n" {
		t.Errorf("systemctl %s", got)
	}
}

// What fails is tried again; and while the agent only starts, an earlier set stays.
func TestTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent := filepath.Join(t.TempDir(), "parent")
		if err := os.Mkdir(parent, 0o700); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(parent, "identity")
		w := open(t, files.Config{Directory: dir})
		authority := agenttest.NewAuthority(t)
		if err := w.Write(t.Context(), authority.Issue(t, "web", time.Hour)); err != nil {
			t.Fatal(err)
		}
		first := read(t, dir, files.NameCombined)
		source := agenttest.NewSource(&agent.View{Status: agent.Status{State: agent.Starting}})
		w = open(t, files.Config{Directory: dir}) // started again
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Run(ctx, source) }()
		synctest.Wait()
		if !slices.Equal(read(t, dir, files.NameCombined), first) {
			t.Error("the earlier set is gone")
		}
		if err := os.Rename(parent, parent+".away"); err != nil {
			t.Fatal(err)
		}
		source.Set(agenttest.View(authority.Issue(t, "web", time.Hour)))
		synctest.Wait()
		select {
		case <-w.Written():
			t.Error("written to nowhere")
		default:
		}
		if err := os.Rename(parent+".away", parent); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		<-w.Written()
		if slices.Equal(read(t, dir, files.NameCombined), first) {
			t.Error("the new set is not there")
		}
		cancel()
		<-done
	})
}
