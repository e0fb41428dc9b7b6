package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/quotary/quotary/evidence"
)

// DefaultAddress is the TPM of a machine under Linux, with the kernel's resource
// manager before it.
const DefaultAddress = "/dev/tpmrm0"

// Device is a way to a TPM.
type Device interface {
	// String names it in messages.
	String() string
	// Open opens it for one sequence of commands. What is written is one command;
	// the next read gives its response, or the beginning of it.
	Open(ctx context.Context) (io.ReadWriteCloser, error)
}

// ParseAddress reads a TPM's address: the path of a character device
// ("/dev/tpmrm0"), or a socket that takes raw commands, as swtpm offers it:
// "unix:" and a path, or "tcp:" with host and port. Nothing protects a TCP
// connection; it is for a TPM on the same machine.
func ParseAddress(address string) (Device, error) {
	network, rest, isSocket := strings.Cut(address, ":")
	switch {
	case path.IsAbs(address):
		return file(address), nil
	case isSocket && network == "unix" && rest != "":
		return socket{network, rest}, nil
	case isSocket && network == "tcp" && isHostPort(rest):
		return socket{network, rest}, nil
	}
	return nil, evidence.Errorf(evidence.CodeAttesterAbsent, "tpm", "%q is no address of a TPM; use /dev/tpmrm0, unix:PATH or tcp:HOST:PORT", address)
}

func isHostPort(s string) bool {
	colon := strings.LastIndexByte(s, ':')
	return colon > 0 && colon < len(s)-1
}

// file is a character device. A write lasts until the TPM has answered.
type file string

func (f file) String() string { return string(f) }

// Open opens the device. Not by [os.OpenFile], which would have the runtime poll it:
// the kernel then answers a read before there is a response.
func (f file) Open(context.Context) (io.ReadWriteCloser, error) {
	info, err := os.Stat(string(f))
	if err != nil {
		return nil, f.explain(err)
	}
	if info.Mode()&fs.ModeCharDevice == 0 {
		return nil, evidence.Errorf(evidence.CodeAttesterAbsent, string(f), "this is no device; a TPM's socket is given as unix:PATH")
	}
	fd, err := syscall.Open(string(f), syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, f.explain(&fs.PathError{Op: "open", Path: string(f), Err: err})
	}
	return os.NewFile(uintptr(fd), string(f)), nil
}

// explain says what to do about a device that cannot be opened.
func (f file) explain(err error) error {
	switch {
	case isAbsent(err):
		return evidence.Errorf(evidence.CodeAttesterAbsent, string(f), "the machine shows no TPM: %w; is it enabled in the firmware's setup, and the driver loaded? ls /dev/tpm*", err)
	case errors.Is(err, fs.ErrPermission):
		return evidence.Errorf(evidence.CodeAttesterDenied, string(f), "the TPM may not be used: %w; run as root, or add the user to the group tss", err)
	}
	return err
}

func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV)
}

// socket is a TPM that takes raw commands on a socket, one client at a time.
type socket struct{ network, address string }

func (s socket) String() string { return s.network + ":" + s.address }

// Open connects to the socket.
func (s socket) Open(ctx context.Context) (io.ReadWriteCloser, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, s.network, s.address)
	switch {
	case err == nil:
		return conn, nil
	case isAbsent(err) || errors.Is(err, syscall.ECONNREFUSED):
		return nil, evidence.Errorf(evidence.CodeAttesterAbsent, s.String(), "no TPM listens there: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, evidence.Errorf(evidence.CodeAttesterDenied, s.String(), "the TPM may not be used: %w", err)
	}
	return nil, fmt.Errorf("cannot connect to the TPM: %w", err)
}
