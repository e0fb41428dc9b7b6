package guest_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-configfs-tsm/configfs/faketsm"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/internal/tsm/tsmtest"
	"github.com/quotary/quotary/tee/tdx/guest"
	"github.com/quotary/quotary/tee/teetest"
)

var _ tee.Attester = (*guest.Attester)(nil)

// TestConform holds the attester to its contract, with a log and without.
func TestConform(t *testing.T) {
	k := newKernel()
	for name, o := range map[string]guest.Options{"WithLog": {}, "WithoutLog": {WithoutEventLog: true}} {
		t.Run(name, func(t *testing.T) {
			teetest.ConformAttester(t, teetest.AttesterConformance{
				Attester: guest.New(o, k.configFS(), k.tables()),
				ReportData: func(t testing.TB, item evidence.Item) []byte {
					return k.verify(t, item).ReportData
				},
			})
		})
	}
}

// TestEvidenceIsGenuine goes the whole way: kernel, attester, wire, verifier, for
// quotes of every form.
func TestEvidenceIsGenuine(t *testing.T) {
	for name, alter := range map[string]func(*simulator.MachineOptions){
		"version 4":             func(*simulator.MachineOptions) {},
		"version 5":             func(o *simulator.MachineOptions) { o.Version = 5 },
		"version 5, report 1.5": func(o *simulator.MachineOptions) { o.Version, o.TD15 = 5, true },
		"no log":                func(o *simulator.MachineOptions) { o.Boot = nil },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(alter)
			k.alter = func(quote []byte) []byte { return append(quote, make([]byte, 8000-len(quote))...) } // as some hosts pad them
			binding := evidence.Binding(bytes.Repeat([]byte(name[:4]), 16))
			bundle, err := k.attester().Attest(t.Context(), binding)
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := bundle.MarshalCBOR()
			if err != nil {
				t.Fatal(err)
			}
			received, err := evidence.Parse(encoded)
			if err != nil {
				t.Fatal(err)
			}
			out := k.verify(t, received[0])
			if !out.Genuine() || !out.Claims.Simulated || !bytes.Equal(out.ReportData, binding[:]) {
				t.Fatalf("failed %v, missing %v, report data %x", out.Checks.Failed(), out.Missing, out.ReportData)
			}
			if boot := out.Claims.TDX.Boot; (boot == nil) != (name == "no log") || boot != nil && boot.UKI == nil {
				t.Errorf("claims of the boot %+v", boot)
			}
		})
	}
}

// An answer that is not what was asked for must not leave as evidence of it.
func TestAnswersThatWereNotAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		alter func([]byte) []byte
		want  string
	}{
		"other report data":   {func(q []byte) []byte { q[48+520] ^= 1; return q }, "REPORTDATA"},
		"the data's last bit": {func(q []byte) []byte { q[48+583] ^= 0x80; return q }, "REPORTDATA"},
		"version 3":           {func(q []byte) []byte { q[0] = 3; return q }, "version 3"},
		"version 5":           {func(q []byte) []byte { q[0] = 5; return q }, "REPORTDATA"},
		"an SGX quote":        {func(q []byte) []byte { q[4] = 0; return q }, "TEE type 0x0"},
		"a short quote":       {func(q []byte) []byte { return q[:637] }, "637 bytes"},
		"no quote":            {func([]byte) []byte { return nil }, "0 bytes"},
		"a vast quote":        {func(q []byte) []byte { return append(q, make([]byte, 64<<10)...) }, "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel()
			k.alter = test.alter
			_, err := k.attester().Collect(t.Context(), [64]byte{1})
			wantError(t, err, evidence.CodeAttesterReport, test.want, "configfs-tsm")
		})
	}
}

// TestProviders asks a TDX guest's driver only.
func TestProviders(t *testing.T) {
	for provider, accepted := range map[string]bool{
		"tdx_guest\n": true, "tdx_guest": true, "sev_guest\n": false, "tdx_guest2\n": false, "": false, strings.Repeat("\x1b[2J", 1000): false,
	} {
		k := newKernel()
		k.provider = provider
		_, err := k.attester().Collect(t.Context(), [64]byte{1})
		if accepted {
			if err != nil {
				t.Errorf("%q: %v", provider, err)
			}
			continue
		}
		wantError(t, err, evidence.CodeAttesterAbsent, "provider")
		if text := err.Error(); len(text) > 300 || strings.Contains(text, "\x1b") {
			t.Errorf("%.20q: %q", provider, text)
		}
	}
}

// TestErrors has every step fail: each is an error with its cause, and leaves no
// entry behind.
func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		operation, attribute string
		cause                error
		code                 evidence.Code
	}{
		"no subsystem":           {"mkdir", "", syscall.ENOENT, evidence.CodeAttesterAbsent},
		"no provider":            {"mkdir", "", syscall.ENXIO, evidence.CodeAttesterAbsent},
		"not root":               {"mkdir", "", syscall.EACCES, evidence.CodeAttesterDenied},
		"no generation":          {"read", "generation", syscall.EIO, evidence.CodeAttesterFailed},
		"inblob":                 {"write", "inblob", syscall.EINVAL, evidence.CodeAttesterFailed},
		"no provider named":      {"read", "provider", syscall.EIO, evidence.CodeAttesterFailed},
		"no quoting enclave":     {"read", "outblob", syscall.EIO, evidence.CodeAttesterFailed},
		"timed out":              {"read", "outblob", syscall.ETIMEDOUT, evidence.CodeAttesterFailed},
		"the entry stays behind": {"rmdir", "", syscall.EIO, evidence.CodeAttesterFailed},
	} {
		t.Run(name, func(t *testing.T) {
			k, entries := newKernel(), 0
			fails := tsmtest.Fails(test.operation, test.attribute, test.cause)
			client := tsmtest.Hook(k.configFS(), func(operation, attribute string) error {
				err := fails(operation, attribute)
				switch {
				case err != nil:
				case operation == "mkdir":
					entries++
				case operation == "rmdir":
					entries--
				}
				return err
			})
			_, err := guest.New(guest.Options{}, client, k.tables()).Collect(t.Context(), [64]byte{1})
			wantError(t, err, test.code, "configfs-tsm")
			var errno syscall.Errno
			if !errors.As(err, &errno) {
				t.Errorf("the cause is lost: %v", err)
			}
			if entries != 0 && test.operation != "rmdir" {
				t.Errorf("%d entries are left", entries)
			}
		})
	}
}

// TestAskedAgain: a busy kernel, and another process that writes to our entry, are
// asked again a few times.
func TestAskedAgain(t *testing.T) {
	for times := range 5 {
		synctest.Test(t, func(t *testing.T) {
			k, busy, between := newKernel(), times, times
			k.answered = func(e *faketsm.ReportEntry, attribute string) error {
				if attribute == "outblob" && between > 0 {
					between--
					e.WriteGeneration++
				}
				return nil
			}
			_, err := k.attester().Collect(t.Context(), [64]byte{1})
			client := tsmtest.Hook(newKernel().configFS(), func(operation, attribute string) error {
				if attribute == "outblob" && busy > 0 {
					busy--
					return syscall.EBUSY
				}
				return nil
			})
			_, throttled := guest.New(guest.Options{}, client, k.tables()).Collect(t.Context(), [64]byte{1})
			if times < 4 {
				if err != nil || throttled != nil {
					t.Errorf("%d times: %v, %v", times, err, throttled)
				}
				return
			}
			wantError(t, err, evidence.CodeAttesterFailed, "generation")
			wantError(t, throttled, evidence.CodeAttesterBusy)
		})
	}
}

// A call returns when its context ends, even if the kernel does not; the next
// waits, and is served when the kernel is done.
func TestContextEndsBeforeTheKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		kernelIsDone, asked := make(chan struct{}), 0
		k.answered = func(_ *faketsm.ReportEntry, attribute string) error {
			if attribute == "outblob" {
				asked++
				<-kernelIsDone
			}
			return nil
		}
		a := k.attester()
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				synctest.Wait()
				cancel()
			}()
			if _, err := a.Collect(ctx, [64]byte{1}); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		if asked != 1 {
			t.Errorf("%d requests in the kernel at once", asked)
		}
		close(kernelIsDone)
		if _, err := a.Collect(t.Context(), [64]byte{2}); err != nil {
			t.Errorf("after the kernel was done: %v", err)
		}
	})
}

// A panic on the way to the kernel is an error, and leaves the attester usable.
func TestPanicIsAnError(t *testing.T) {
	k := newKernel()
	k.answered = func(*faketsm.ReportEntry, string) error { panic("broken") }
	a := k.attester()
	for range 2 {
		_, err := a.Collect(t.Context(), [64]byte{})
		wantError(t, err, evidence.CodeAttesterFailed, "broken")
	}
}
