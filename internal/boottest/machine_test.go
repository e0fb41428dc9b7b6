//go:build boot

package boottest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/internal/boottest"
)

// patience is for how long a machine may run: far longer than the twenty seconds that it
// takes where it has a processor for itself.
const patience = 10 * time.Minute

// machine is what is booted, and how.
type machine struct {
	tpm      string   // the folder with its TPM's state
	image    string   // handed over by QEMU (-kernel)
	appended string   // a command line from outside
	extra    []string // arguments of QEMU's
	secure   bool     // Secure Boot, with the keys that everybody has
	refusal  string   // what firmware says when it refuses the image; empty: it does not
}

// run boots a machine and waits until it is switched off. It returns what the machine
// told, nil if firmware refused the image.
func (m machine) run(t *testing.T, service net.Addr) *boottest.Report {
	t.Helper()
	dir := short(t)
	path := func(name string) string { return filepath.Join(dir, name) }
	code, vars := firmware, variables
	if m.secure {
		code, vars = secureFirmware, snakeoil
	}
	if err := os.WriteFile(path("vars.fd"), read(t, vars), 0o600); err != nil {
		t.Fatal(err)
	}
	startTPM(t, m.tpm, path("tpm"))

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		"-accel", "tcg", "-cpu", "qemu64,+rdrand", "-m", "512", "-smp", "1",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "file:" + path("console"), "-serial", "file:" + path("told"),
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + code,
		"-drive", "if=pflash,unit=1,format=raw,file=" + path("vars.fd"),
		"-chardev", "socket,id=chrtpm,path=" + path("tpm"), "-tpmdev", "emulator,id=tpm0,chardev=chrtpm", "-device", "tpm-tis,tpmdev=tpm0",
		// The service is all that the machine reaches: each connection by a process that
		// carries it to wherever the service listens, so that the address is always the same.
		"-netdev", fmt.Sprintf("user,id=n0,restrict=on,guestfwd=tcp:%s:%s-cmd:%s", boottest.ServiceHost, boottest.ServicePort, self),
		"-device", "virtio-net-pci,netdev=n0,romfile=",
	}
	if m.secure {
		args = append(args, "-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on")
	} else {
		args = append(args, "-machine", "q35")
	}
	if m.image != "" {
		args = append(args, "-kernel", m.image)
	}
	if m.appended != "" {
		args = append(args, "-append", m.appended)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, emulator, append(args, m.extra...)...)
	command.Env = append(os.Environ(), carryTo+"="+service.String())
	var said bytes.Buffer
	command.Stderr = &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if m.refusal != "" {
		go m.awaitRefusal(ctx, path("console"), cancel)
	}
	err = command.Wait()
	t.Logf("%.0f s of processor time", command.ProcessState.UserTime().Seconds())
	log, _ := os.ReadFile(path("console")) // absent if QEMU did not start
	console := printable(log)
	switch told := heard(t, path("told")); {
	case m.refusal != "" && told == nil && strings.Contains(console, m.refusal):
		return nil
	case m.refusal == "" && told != nil && told.Failed == "" && err == nil:
		return told
	default:
		t.Fatalf("QEMU: %v: %s\nthe machine told %+v\nits console ends with:\n%s", err, said.String(), told, console[max(0, len(console)-2000):])
		return nil
	}
}

// heard returns what the machine told on its second serial port; nil if it did not.
func heard(t *testing.T, port string) *boottest.Report {
	t.Helper()
	log, err := os.ReadFile(port)
	if err != nil {
		return nil // QEMU did not start
	}
	for line := range bytes.Lines(log) {
		r := &boottest.Report{}
		if bytes.HasPrefix(line, []byte("{")) && json.Unmarshal(line, r) == nil {
			return r
		}
	}
	return nil
}

// awaitRefusal ends a machine whose firmware refused the image: it would go on to try
// other ways to boot for minutes.
func (m machine) awaitRefusal(ctx context.Context, console string, end func()) {
	for ctx.Err() == nil {
		if log, err := os.ReadFile(console); err == nil && strings.Contains(string(log), m.refusal) {
			end()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// startTPM starts the TPM whose state is in a folder; it waits for QEMU.
func startTPM(t *testing.T, state, socket string) {
	t.Helper()
	daemon := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+state, "--ctrl", "type=unixio,path="+socket, "--terminate")
	var said bytes.Buffer
	daemon.Stderr = &said
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		daemon.Process.Kill() // if QEMU has not ended it
		daemon.Wait()         // its error is the kill
	})
	for range 600 {
		if _, err := os.Stat(socket); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("swtpm does not listen: %s", said.String())
}

// short returns a folder with a short path: a socket's has at most 108 bytes, more than
// the test's own folder may leave.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "boot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// printable is the text of a console without its control sequences.
func printable(log []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r > '~' {
			return -1
		}
		return r
	}, string(log))
}
