// Package tpmtest starts software TPMs for tests: swtpm, which is not ours, with
// endorsement keys that a CA of the test certified. Tests are skipped where it is
// not installed.
//
// Start at [Start], or at [StartBlank] where no endorsement key matters. A TPM has persistent endorsement keys of RSA-2048 (handle
// 0x81010001) and P-384 (0x81010016), and their certificates in NV (0x01c00002,
// 0x01c00016).
package tpmtest

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// TPM is a running TPM. There is no resource manager before it: it holds three
// transient objects.
type TPM struct {
	// Address is its data socket, which takes raw commands: "unix:" and a path. It
	// stays the same when the TPM is rebooted.
	Address string
	// Socket is the path alone.
	Socket string
	// TCTI is the address for tpm2-tools (the variable TPM2TOOLS_TCTI).
	TCTI string
	// Roots are the certificates that endorsement keys must end at.
	Roots []*x509.Certificate
	// Intermediates stand between those and the keys' certificates.
	Intermediates []*x509.Certificate

	dir    string
	daemon *exec.Cmd
}

// Start starts a new TPM under a CA of its own. It ends with the test.
func Start(t testing.TB) *TPM {
	t.Helper()
	return NewCA(t).Start(t)
}

// StartBlank starts a new TPM quickly: no endorsement key is kept in it, or certified.
// All its banks of PCRs are active.
func StartBlank(t testing.TB) *TPM {
	t.Helper()
	needPrograms(t)
	tpm := newTPM(temporary(t))
	tpm.start(t)
	t.Cleanup(func() { tpm.stop() })
	return tpm
}

// newTPM returns a TPM whose state is in this folder.
func newTPM(dir string) *TPM {
	socket := filepath.Join(dir, "sock")
	return &TPM{Address: "unix:" + socket, Socket: socket, TCTI: "swtpm:path=" + socket, dir: dir}
}

// Start starts a new TPM, whose endorsement keys the CA certifies.
func (ca *CA) Start(t testing.TB) *TPM {
	t.Helper()
	tpm := newTPM(ca.Manufacture(t, "sha1,sha256,sha384"))
	certificates := ca.Certificates(t)
	tpm.Roots, tpm.Intermediates = certificates[:1], certificates[1:]
	tpm.start(t)
	t.Cleanup(func() { tpm.stop() })
	return tpm
}

// Manufacture makes a TPM with these banks of PCRs, whose endorsement keys the CA
// certifies, and returns the folder with its state, for whoever starts it himself.
func (ca *CA) Manufacture(t testing.TB, banks string) (dir string) {
	t.Helper()
	dir = temporary(t)
	run(t, "swtpm_setup", "--tpm2", "--tpmstate", dir, "--config", ca.path("setup.conf"), "--create-ek-cert", "--pcr-banks", banks)
	return dir
}

// Certificates are the CA's root and what stands between that and the endorsement keys'
// certificates. It has them from the first TPM on.
func (ca *CA) Certificates(t testing.TB) []*x509.Certificate {
	t.Helper()
	return []*x509.Certificate{ca.certificate(t, "swtpm-localca-rootca-cert.pem"), ca.certificate(t, "issuer.pem")}
}

// Reboot shuts the TPM down in order, switches it off and on again: PCRs and
// transient objects are gone, and it counts one more reset.
func (tpm *TPM) Reboot(t testing.TB) {
	t.Helper()
	if _, err := (tpm2.Shutdown{ShutdownType: tpm2.TPMSUClear}).Execute(tpm.open(t)); err != nil {
		t.Fatal(err)
	}
	tpm.stop()
	tpm.start(t)
}

// Extend extends a PCR of the SHA-256 bank with a digest, as software on the
// machine does.
func (tpm *TPM) Extend(t testing.TB, pcr uint32, digest [32]byte) {
	t.Helper()
	extend := tpm2.PCRExtend{
		PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(pcr), Auth: tpm2.PasswordAuth(nil)},
		Digests: tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{
			{HashAlg: tpm2.TPMAlgSHA256, Digest: digest[:]},
		}},
	}
	if _, err := extend.Execute(tpm.open(t)); err != nil {
		t.Fatal(err)
	}
}

// Open returns the TPM for commands of the test's own. A connection lasts one command.
func (tpm *TPM) Open(t testing.TB) transport.TPM {
	t.Helper()
	return tpm.open(t)
}

func (tpm *TPM) open(t testing.TB) transport.TPM {
	t.Helper()
	opened, err := linuxudstpm.Open(tpm.Socket)
	if err != nil {
		t.Fatal(err)
	}
	return patient{opened}
}

// patient sends a command again while swtpm, which serves one connection at a time and
// lets one wait, takes no other.
type patient struct{ transport.TPM }

func (p patient) Send(command []byte) ([]byte, error) {
	for range 500 {
		response, err := p.TPM.Send(command)
		if !errors.Is(err, syscall.EAGAIN) {
			return response, err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return p.TPM.Send(command)
}

// start switches the TPM on and waits until it answers.
func (tpm *TPM) start(t testing.TB) {
	t.Helper()
	tpm.daemon = exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+tpm.dir, "--flags", "not-need-init,startup-clear",
		"--server", "type=unixio,path="+tpm.Socket, "--ctrl", "type=unixio,path="+tpm.Socket+".ctrl")
	var said bytes.Buffer
	tpm.daemon.Stderr = &said
	if err := tpm.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if tpm.answers() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	tpm.stop()
	t.Fatalf("swtpm does not answer: %s", said.Bytes())
}

// answers reports whether the TPM is there.
func (tpm *TPM) answers() bool {
	opened, err := linuxudstpm.Open(tpm.Socket)
	if err != nil {
		return false
	}
	_, err = tpm2.GetCapability{Capability: tpm2.TPMCapTPMProperties, Property: uint32(tpm2.TPMPTManufacturer), PropertyCount: 1}.Execute(opened)
	return err == nil
}

// stop switches the TPM off.
func (tpm *TPM) stop() {
	tpm.daemon.Process.Signal(syscall.SIGTERM)
	tpm.daemon.Wait() // its error is the signal
	os.Remove(tpm.Socket)
	os.Remove(tpm.Socket + ".ctrl")
}

// needPrograms skips the test where swtpm is not installed.
func needPrograms(t testing.TB) {
	t.Helper()
	for _, program := range []string{"swtpm", "swtpm_setup", "swtpm_localca"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (Debian: swtpm swtpm-tools)", program)
		}
	}
}

// temporary returns a folder with a short path: a socket's has at most 108 bytes,
// more than the test's own folder may leave.
func temporary(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// run runs a program to its end.
func run(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}
