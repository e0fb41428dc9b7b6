package guest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// between is a device on the way to a TPM. Answer may answer a command in its place:
// a response of nil goes on to the TPM.
type between struct {
	guest.Device
	answer func(command []byte) ([]byte, error)
}

func (b between) Open(ctx context.Context) (io.ReadWriteCloser, error) {
	conn, err := b.Device.Open(ctx)
	return &conversation{ReadWriteCloser: conn, answer: b.answer}, err
}

type conversation struct {
	io.ReadWriteCloser
	answer   func([]byte) ([]byte, error)
	answered bytes.Buffer
}

func (c *conversation) Write(command []byte) (int, error) {
	response, err := c.answer(command)
	if response == nil && err == nil {
		return c.ReadWriteCloser.Write(command)
	}
	c.answered.Write(response)
	return len(command), err
}

func (c *conversation) Read(p []byte) (int, error) {
	if c.answered.Len() > 0 {
		return c.answered.Read(p)
	}
	return c.ReadWriteCloser.Read(p)
}

func commandOf(command []byte) tpm2.TPMCC { return tpm2.TPMCC(binary.BigEndian.Uint32(command[6:])) }

// refusal is a TPM's response with this code alone.
func refusal(rc tpm2.TPMRC) []byte {
	return binary.BigEndian.AppendUint32([]byte{0x80, 0x01, 0, 0, 0, 10}, uint32(rc))
}

func deviceOf(t testing.TB, machine *tpmtest.TPM) guest.Device {
	t.Helper()
	device, err := guest.ParseAddress(machine.Address)
	if err != nil {
		t.Fatal(err)
	}
	return device
}

func TestParseAddress(t *testing.T) {
	for address, want := range map[string]string{
		"/dev/tpmrm0": "/dev/tpmrm0", "unix:/run/tpm.sock": "unix:/run/tpm.sock", "unix:sock": "unix:sock",
		"tcp:127.0.0.1:2321": "tcp:127.0.0.1:2321", "tcp:[::1]:2321": "tcp:[::1]:2321",
	} {
		device, err := guest.ParseAddress(address)
		if err != nil || device.String() != want {
			t.Errorf("%q: %v, %v", address, device, err)
		}
	}
	for _, address := range []string{"", "tpmrm0", "unix:", "tcp:", "tcp:host", "tcp::2321", "tcp:host:", "udp:host:1", "127.0.0.1:2321"} {
		_, err := guest.ParseAddress(address)
		wantError(t, err, evidence.CodeAttesterAbsent, "tcp:HOST:PORT")
	}
}

// A machine without a TPM, or one that may not be used, says what to do.
func TestNoDevice(t *testing.T) {
	dir := t.TempDir()
	regular := filepath.Join(dir, "file")
	if err := os.WriteFile(regular, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, word := range map[string]string{
		filepath.Join(dir, "tpmrm0"):                "firmware's setup",
		regular:                                     "unix:PATH",
		"unix:" + filepath.Join(dir, "sock"):        "no TPM listens",
		"unix:" + regular:                           "no TPM listens",
		"tcp:127.0.0.1:" + closedPort(t):            "no TPM listens",
		"/" + string(bytes.Repeat([]byte("a"), 10)): "ls /dev/tpm",
	} {
		_, err := guest.Open(t.Context(), address, guest.Options{})
		wantError(t, err, evidence.CodeAttesterAbsent, word)
	}
	_, err := guest.New(t.Context(), failing{fs.ErrPermission}, guest.Options{})
	wantError(t, err, evidence.CodeAttesterDenied)
	_, err = guest.New(t.Context(), failing{errors.New("no such luck")}, guest.Options{})
	wantError(t, err, evidence.CodeAttesterFailed, "no such luck")
}

// failing cannot be opened.
type failing struct{ err error }

func (failing) String() string                                     { return "failing" }
func (f failing) Open(context.Context) (io.ReadWriteCloser, error) { return nil, f.err }

// closedPort is a port of this machine at which nobody listens.
func closedPort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// A TPM is reached over TCP, too, however its responses are cut into pieces.
func TestTCP(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			relay(client, machine.Socket)
		}
	}()
	opened, err := guest.Open(t.Context(), "tcp:"+listener.Addr().String(), guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	genuine(t, given(t, opened), collect(t, attester(t, opened, guest.Quoting{}), []byte("data")).Item)
	nothingLoaded(t, machine)
}

// relay hands commands on, and responses back byte by byte.
func relay(client net.Conn, socket string) {
	defer client.Close()
	tpm, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer tpm.Close()
	go func() {
		io.Copy(tpm, client)
		tpm.Close()
	}()
	for b := make([]byte, 1); ; {
		if _, err := tpm.Read(b); err != nil {
			return
		}
		if _, err := client.Write(b); err != nil {
			return
		}
	}
}

// scripted is a TPM that gives the same response to each command.
type scripted struct {
	response []byte
	commands *atomic.Int32
}

func (scripted) String() string { return "scripted" }

func (s scripted) Open(context.Context) (io.ReadWriteCloser, error) {
	return &conversation{ReadWriteCloser: nothing{}, answer: func([]byte) ([]byte, error) {
		s.commands.Add(1)
		return s.response, nil
	}}, nil
}

// nothing has nothing to read.
type nothing struct{}

func (nothing) Read([]byte) (int, error)    { return 0, io.EOF }
func (nothing) Write(p []byte) (int, error) { return len(p), nil }
func (nothing) Close() error                { return nil }

// A busy TPM is asked again for some seconds, and not for ever.
func TestBusy(t *testing.T) {
	for _, rc := range []tpm2.TPMRC{tpm2.TPMRCRetry, tpm2.TPMRCYielded, tpm2.TPMRCTesting} {
		synctest.Test(t, func(t *testing.T) {
			var commands atomic.Int32
			start := time.Now()
			_, err := guest.New(t.Context(), scripted{refusal(rc), &commands}, guest.Options{})
			wantError(t, err, evidence.CodeAttesterBusy, "try again in a minute")
			if took := time.Since(start); commands.Load() != 10 || took < 5*time.Second || took > 15*time.Second {
				t.Errorf("%d commands in %s", commands.Load(), took)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := guest.New(ctx, scripted{refusal(rc), &commands}, guest.Options{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("beyond the end: %v", err)
			}
		})
	}
}

// A TPM that is busy only now and then is no trouble.
func TestBusyNowAndThen(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	var n atomic.Int32
	opened, err := guest.New(t.Context(), between{deviceOf(t, machine), func([]byte) ([]byte, error) {
		if n.Add(1)%2 == 1 {
			return refusal(tpm2.TPMRCRetry), nil
		}
		return nil, nil
	}}, guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	genuine(t, given(t, opened), collect(t, attester(t, opened, guest.Quoting{}), []byte("data")).Item)
}

// What a TPM refuses is said in words that tell what to do.
func TestRefusals(t *testing.T) {
	for rc, want := range map[tpm2.TPMRC]struct {
		code evidence.Code
		word string
	}{
		tpm2.TPMRCLockout:           {evidence.CodeAttesterLocked, "--clear-lockout"},
		tpm2.TPMRCBadAuth:           {evidence.CodeAttesterDenied, "authorization value"},
		tpm2.TPMRCAuthFail | 0x900:  {evidence.CodeAttesterDenied, "authorization value"},
		tpm2.TPMRCHierarchy | 0x100: {evidence.CodeAttesterFailed, "firmware's setup"},
		tpm2.TPMRCInitialize:        {evidence.CodeAttesterFailed, "tpm2_startup"},
		tpm2.TPMRCFailure:           {evidence.CodeAttesterFailed, "power cycle"},
		tpm2.TPMRCObjectMemory:      {evidence.CodeAttesterFailed, "tpm2_flushcontext -t"},
		tpm2.TPMRCCurve | 0x2c0:     {evidence.CodeAttesterFailed, "another type"},
		tpm2.TPMRCNVSpace:           {evidence.CodeAttesterFailed, "scripted"},
	} {
		_, err := guest.New(t.Context(), scripted{refusal(rc), new(atomic.Int32)}, guest.Options{})
		wantError(t, err, want.code, want.word)
	}
}

// Whatever a TPM, or what stands in for one, sends: it is an error, no panic and no hang.
func TestBrokenResponses(t *testing.T) {
	for name, response := range map[string][]byte{
		"nothing":            {},
		"half a header":      {0x80, 0x01, 0},
		"less than it says":  {0x80, 0x01, 0, 0, 0, 11, 0, 0, 0, 0},
		"more than it says":  append(refusal(0), 0),
		"shorter than short": {0x80, 0x01, 0, 0, 0, 9, 0, 0, 0, 0},
		"no size":            {0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 0},
		"4 GiB":              {0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
		"no answer in it":    refusal(tpm2.TPMRCSuccess),
	} {
		_, err := guest.New(t.Context(), scripted{response, new(atomic.Int32)}, guest.Options{})
		if evidence.CodeOf(err) != evidence.CodeAttesterFailed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzResponses has a TPM answer every command with the same bytes.
func FuzzResponses(f *testing.F) {
	f.Add(refusal(tpm2.TPMRCSuccess), uint8(0))
	f.Add(refusal(tpm2.TPMRCLockout), uint8(1))
	f.Add(append([]byte{0x80, 0x02, 0, 0, 0, 0x20, 0, 0, 0, 0, 0x80, 0, 0, 0}, make([]byte, 18)...), uint8(2))
	f.Fuzz(func(t *testing.T, response []byte, use uint8) {
		if len(response) >= 10 { // a size that fits, or nothing behind it is reached
			binary.BigEndian.PutUint32(response[2:], uint32(len(response)))
			if rc := tpm2.TPMRC(binary.BigEndian.Uint32(response[6:])); rc == tpm2.TPMRCRetry || rc == tpm2.TPMRCYielded || rc == tpm2.TPMRCTesting {
				return // it is waited for
			}
		}
		o := guest.Options{RSA: use&1 == 1}
		if use&2 == 2 {
			o.AKHandle = 0x81000003
		}
		if _, err := guest.New(t.Context(), scripted{response, new(atomic.Int32)}, o); err != nil && evidence.CodeOf(err).IsZero() {
			t.Errorf("an error without a code: %v", err)
		}
	})
}

// PCRs that move between reading and quoting are read again, so that the values are
// those that the quote covers.
func TestPCRsMove(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	var moves atomic.Int32
	device := deviceOf(t, machine)
	opened, err := guest.New(t.Context(), mover{device, &moves}, guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := attester(t, opened, guest.Quoting{})
	moves.Store(3)
	genuine(t, given(t, opened), collect(t, a, []byte("data")).Item)
	if moves.Load() != 0 {
		t.Errorf("%d moves are left", moves.Load())
	}
	moves.Store(1000)
	_, err = a.Collect(t.Context(), []byte("data"))
	wantError(t, err, evidence.CodeAttesterPCRs, "in 8 attempts", "fewer PCRs")
	nothingLoaded(t, machine)
}

// mover extends PCR 10 before a quote, as the kernel does when a file is opened.
type mover struct {
	guest.Device
	moves *atomic.Int32
}

func (m mover) Open(ctx context.Context) (io.ReadWriteCloser, error) {
	conn, err := m.Device.Open(ctx)
	return &conversation{ReadWriteCloser: conn, answer: func(command []byte) ([]byte, error) {
		if commandOf(command) != tpm2.TPMCCQuote || m.moves.Load() == 0 {
			return nil, nil
		}
		m.moves.Add(-1)
		_, err := tpm2.PCREvent{
			PCRHandle: tpm2.AuthHandle{Handle: 10, Auth: tpm2.PasswordAuth(nil)}, EventData: tpm2.TPM2BEvent{Buffer: []byte("a file")},
		}.Execute(transport.FromReadWriter(conn))
		return nil, err
	}}, err
}

// Where a caller's context ends while the TPM is at work, the caller goes on at once,
// and what was loaded is flushed when the TPM has answered.
func TestContextEnds(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	atWork, release := make(chan struct{}), make(chan struct{})
	var blocking atomic.Bool
	opened, err := guest.New(t.Context(), between{deviceOf(t, machine), func(command []byte) ([]byte, error) {
		if blocking.Load() && commandOf(command) == tpm2.TPMCCPCRRead {
			close(atWork)
			<-release
		}
		return nil, nil
	}}, guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	blocking.Store(true)
	a := attester(t, opened, guest.Quoting{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-atWork
		cancel()
	}()
	if _, err := a.Collect(ctx, []byte("data")); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	blocking.Store(false)
	close(release)
	collect(t, a, []byte("next")) // waits until the TPM is free again
	nothingLoaded(t, machine)
}

// A fault on the way leaves nothing loaded, as far as the TPM can still be reached.
func TestFaults(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	var fault atomic.Pointer[func([]byte) ([]byte, error)]
	opened, err := guest.New(t.Context(), between{deviceOf(t, machine), func(command []byte) ([]byte, error) {
		if f := fault.Load(); f != nil && commandOf(command) == tpm2.TPMCCQuote {
			return (*f)(command)
		}
		return nil, nil
	}}, guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func([]byte) ([]byte, error){
		"a panic":        func([]byte) ([]byte, error) { panic("a fault in a library") },
		"an error":       func([]byte) ([]byte, error) { return nil, syscall.EIO },
		"a refusal":      func([]byte) ([]byte, error) { return refusal(tpm2.TPMRCScheme | 0x2c0), nil },
		"a wrong answer": func([]byte) ([]byte, error) { return refusal(tpm2.TPMRCSuccess), nil },
	} {
		fault.Store(&f)
		_, err := attester(t, opened, guest.Quoting{}).Collect(t.Context(), []byte("data"))
		if evidence.CodeOf(err) != evidence.CodeAttesterFailed {
			t.Errorf("%s: %v", name, err)
		}
		nothingLoaded(t, machine)
	}
}
