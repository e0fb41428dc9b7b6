package machines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tpm/guest"
)

// program is a running swtpm, a TPM in software that is not ours. There is no resource
// manager before it, and it serves one connection at a time.
type program struct {
	dir    string // of its state and its sockets
	device guest.Device
	daemon *exec.Cmd
	said   bytes.Buffer
}

// swtpm is the program's name.
const swtpm = "swtpm"

// startProgram makes a TPM and switches it on.
func startProgram() (*program, error) {
	if _, err := exec.LookPath(swtpm); err != nil {
		return nil, evidence.Errorf(evidence.CodeAttesterAbsent, "backend", "the program swtpm is not installed: install it (Debian: apt-get install swtpm), or use the backend in-process: %w", err)
	}
	dir, err := os.MkdirTemp("", swtpm) // a socket's path has at most 108 bytes
	if err != nil {
		return nil, err
	}
	p := &program{dir: dir}
	if p.device, err = guest.ParseAddress("unix:" + p.socket()); err == nil {
		err = p.on()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return p, nil
}

func (p *program) socket() string { return filepath.Join(p.dir, "sock") }

// on switches the TPM on (TPM2_Startup(CLEAR)) and waits until it answers.
func (p *program) on() error {
	p.said.Reset()
	p.daemon = exec.Command(swtpm, "socket", "--tpm2", "--tpmstate", "dir="+p.dir, "--flags", "not-need-init,startup-clear",
		"--server", "type=unixio,path="+p.socket(), "--ctrl", "type=unixio,path="+p.socket()+".ctrl")
	p.daemon.Stderr = &p.said
	if err := p.daemon.Start(); err != nil {
		return fmt.Errorf("cannot start swtpm: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for {
		err := p.run(ctx, func(t transport.TPM) error {
			_, err := tpm2.GetCapability{Capability: tpm2.TPMCapTPMProperties, Property: uint32(tpm2.TPMPTManufacturer), PropertyCount: 1}.Execute(t)
			return err
		})
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			p.off()
			return fmt.Errorf("swtpm does not answer within %v (%w): %.500s", startTime, err, p.said.Bytes())
		}
		wait, done := context.WithTimeout(ctx, startPause)
		<-wait.Done()
		done()
	}
}

// off switches the TPM off.
func (p *program) off() {
	p.daemon.Process.Signal(syscall.SIGTERM)
	p.daemon.Wait() // its error is the signal
	os.Remove(p.socket())
	os.Remove(p.socket() + ".ctrl")
}

// again switches the TPM off in order, and on.
func (p *program) again(ctx context.Context) error {
	err := p.run(ctx, func(t transport.TPM) error {
		_, err := tpm2.Shutdown{ShutdownType: tpm2.TPMSUClear}.Execute(t)
		return err
	})
	if err != nil {
		return fmt.Errorf("swtpm: %w", err)
	}
	p.off()
	return p.on()
}

// run runs commands over one connection.
func (p *program) run(ctx context.Context, commands func(transport.TPM) error) error {
	connection, err := p.device.Open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(commands(transport.FromReadWriter(connection)), connection.Close())
}

// extend extends a PCR with a digest for each bank.
func extend(t transport.TPM, pcr int, digests map[tpm2.TPMAlgID][]byte) error {
	values := tpm2.TPMLDigestValues{}
	for _, bank := range []tpm2.TPMAlgID{tpm2.TPMAlgSHA256, tpm2.TPMAlgSHA384} {
		values.Digests = append(values.Digests, tpm2.TPMTHA{HashAlg: bank, Digest: digests[bank]})
	}
	_, err := tpm2.PCRExtend{
		PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(pcr), Auth: tpm2.PasswordAuth(nil)}, Digests: values,
	}.Execute(t)
	return err
}

// Close switches the TPM off for good.
func (p *program) Close() error {
	p.off()
	return os.RemoveAll(p.dir)
}
