package guest_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"

	"github.com/google/go-configfs-tsm/configfs/faketsm"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/internal/tsm/tsmtest"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/sevsnp/guest"
	"github.com/quotary/quotary/tee/teetest"
)

var _ tee.Attester = (*guest.Attester)(nil)

// TestConform holds the attester to its contract, over both interfaces.
func TestConform(t *testing.T) {
	k := newKernel(t, "conform")
	for name, i := range map[string]guest.Interface{"ConfigFS": guest.ConfigFS(k.configFS()), "Device": guest.SEVGuest(k.device())} {
		t.Run(name, func(t *testing.T) {
			teetest.ConformAttester(t, teetest.AttesterConformance{
				Attester:   newAttester(t, guest.Options{}, i),
				ReportData: func(_ testing.TB, item evidence.Item) []byte { return item.(*evidence.SNP).Report[0x50:0x90] },
			})
		})
	}
}

// TestEvidenceIsGenuine goes the whole way: kernel, attester, wire, verifier.
func TestEvidenceIsGenuine(t *testing.T) {
	k := newKernel(t, "genuine")
	for name, i := range map[string]guest.Interface{"configfs-tsm": guest.ConfigFS(k.configFS()), "/dev/sev-guest": guest.SEVGuest(k.device())} {
		binding := evidence.Binding(bytes.Repeat([]byte(name[:4]), 16))
		bundle, err := newAttester(t, guest.Options{VMPL: 1}, i).Attest(t.Context(), binding)
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
		v, err := sevsnp.New(vendor().Anchor())
		if err != nil {
			t.Fatal(err)
		}
		out := v.Verify(received[0], nil, tee.Params{Now: now})
		if !out.Genuine() || !out.Claims.Simulated || !bytes.Equal(out.ReportData, binding[:]) || out.Claims.SEVSNP.VMPL != 1 {
			t.Errorf("%s: failed %v, missing %v, report data %x", name, out.Checks.Failed(), out.Missing, out.ReportData)
		}
	}
}

// TestRealEvidenceIsGenuine has the kernel give what a public machine gave.
func TestRealEvidenceIsGenuine(t *testing.T) {
	item := evidencetest.Find(t, "genoa-v3-tsm-veraison")
	k := newKernel(t, "stands in")
	k.alter = func([]byte) []byte { return item.Read(t, "report.bin") }
	k.table = item.Read(t, "auxblob.bin")
	v, err := sevsnp.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, i := range map[string]guest.Interface{"configfs-tsm": guest.ConfigFS(k.configFS()), "/dev/sev-guest": guest.SEVGuest(k.device())} {
		got, err := newAttester(t, guest.Options{}, i).Collect(t.Context(), [64]byte(item.Read(t, "report.bin")[0x50:]))
		if err != nil {
			t.Fatal(err)
		}
		if got.Interface != name || got.Omitted != nil || len(got.Item.Certificates) != 2 {
			t.Errorf("from %s: %d certificates, omitted %v", got.Interface, len(got.Item.Certificates), got.Omitted)
		}
		if out := v.Verify(got.Item, nil, tee.Params{Now: item.Cases[0].At}); !out.Genuine() {
			t.Errorf("%s: failed %v, missing %v", name, out.Checks.Failed(), out.Missing)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	k := newKernel(t, "options")
	_, err := guest.New(guest.Options{VMPL: 4}, guest.ConfigFS(k.configFS()))
	wantError(t, err, evidence.CodeAttesterVMPL)
	_, err = guest.New(guest.Options{})
	wantError(t, err, evidence.CodeAttesterAbsent)
}

// An answer that is not what was asked for must not leave as evidence of it.
func TestAnswersThatWereNotAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		alter func([]byte) []byte
		want  string
	}{
		"other report data":   {func(r []byte) []byte { r[0x50] ^= 1; return r }, "REPORT_DATA"},
		"the data's last bit": {func(r []byte) []byte { r[0x8f] ^= 0x80; return r }, "REPORT_DATA"},
		"another VMPL":        {func(r []byte) []byte { r[0x30] = 0; return r }, "VMPL 0; VMPL 2"},
		"the host's report":   {func(r []byte) []byte { copy(r[0x30:], "\xff\xff\xff\xff"); return r }, "VMPL 4294967295"},
		"a high VMPL bit":     {func(r []byte) []byte { r[0x33] = 1; return r }, "VMPL 16777218"},
		"a short report":      {func(r []byte) []byte { return r[:len(r)-1] }, "1183 bytes"},
		"no report":           {func([]byte) []byte { return nil }, "0 bytes"},
		"a long report":       {func(r []byte) []byte { return append(r, 0) }, "1185 bytes"},
	} {
		k := newKernel(t, "answers")
		k.alter = test.alter
		for _, i := range []guest.Interface{guest.ConfigFS(k.configFS()), guest.SEVGuest(k.device())} {
			_, err := newAttester(t, guest.Options{VMPL: 2}, i).Collect(t.Context(), [64]byte{1})
			t.Run(name, func(t *testing.T) { wantError(t, err, evidence.CodeAttesterReport, test.want) })
		}
	}
}

// TestTheNextInterface goes on to the second where the first is not there or may
// not be used, and only then.
func TestTheNextInterface(t *testing.T) {
	k := newKernel(t, "next")
	other := newKernel(t, "next")
	other.provider = "tdx_guest\n"
	device := guest.SEVGuest(k.device())
	for name, first := range map[string]guest.Interface{
		"no configfs":    guest.ConfigFS(tsmtest.Hook(k.configFS(), tsmtest.Fails("mkdir", "", fs.ErrNotExist))),
		"may not write":  guest.ConfigFS(tsmtest.Hook(k.configFS(), tsmtest.Fails("write", "inblob", fs.ErrPermission))),
		"other provider": guest.ConfigFS(other.configFS()),
	} {
		got, err := newAttester(t, guest.Options{}, first, device).Collect(t.Context(), [64]byte{})
		if err != nil || got.Interface != "/dev/sev-guest" {
			t.Errorf("%s: from %+v, %v", name, got, err)
		}
	}
	broken := guest.ConfigFS(tsmtest.Hook(k.configFS(), tsmtest.Fails("read", "outblob", errors.New("broken"))))
	_, err := newAttester(t, guest.Options{}, broken, device).Collect(t.Context(), [64]byte{})
	wantError(t, err, evidence.CodeAttesterFailed, "configfs-tsm", "broken")

	gone := guest.ConfigFS(tsmtest.Hook(k.configFS(), tsmtest.Fails("mkdir", "", fs.ErrNotExist)))
	denied := guest.SEVGuest(deviceFunc(func(guest.Request) (guest.Response, error) { return guest.Response{}, fs.ErrPermission }))
	_, err = newAttester(t, guest.Options{}, gone, denied).Collect(t.Context(), [64]byte{})
	wantError(t, err, evidence.CodeAttesterDenied, "configfs-tsm: ", "file does not exist; /dev/sev-guest: permission denied")
}

// A call returns when its context ends, even if the kernel does not; the next
// waits, and is served when the kernel is done.
func TestContextEndsBeforeTheKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKernel(t, "slow")
		kernelIsDone := make(chan struct{})
		asked := 0
		k.answered = func(_ *faketsm.ReportEntry, attribute string) error {
			if attribute == "outblob" {
				asked++
				<-kernelIsDone
			}
			return nil
		}
		a := newAttester(t, guest.Options{}, guest.ConfigFS(k.configFS()))
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
		if got, err := a.Collect(t.Context(), [64]byte{2}); err != nil || got.Item.Report[0x50] != 2 {
			t.Errorf("after the kernel was done: %v", err)
		}
	})
}

// A panic on the way to the kernel is an error, and leaves the attester usable.
func TestPanicIsAnError(t *testing.T) {
	a := newAttester(t, guest.Options{}, guest.SEVGuest(deviceFunc(func(guest.Request) (guest.Response, error) { panic("broken") })))
	for range 2 {
		_, err := a.Collect(t.Context(), [64]byte{})
		wantError(t, err, evidence.CodeAttesterFailed, "broken")
	}
}
