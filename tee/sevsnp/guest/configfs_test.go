package guest_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-configfs-tsm/configfs/faketsm"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/internal/tsm/tsmtest"
	"github.com/quotary/quotary/tee/sevsnp/guest"
)

func TestProviders(t *testing.T) {
	for provider, accepted := range map[string]bool{
		"sev_guest\n": true, "sev_guest": true,
		"tdx_guest\n": false, "arm_cca_guest\n": false, "sev_guest2\n": false, "sev_guest\n\n": false, "": false, "fake\n": false,
		strings.Repeat("\x1b[2J", 1000): false,
	} {
		k := newKernel(t, "provider")
		k.provider = provider
		reads := 0
		k.answered = func(_ *faketsm.ReportEntry, attribute string) error {
			if attribute == "outblob" {
				reads++
			}
			return nil
		}
		_, err := newAttester(t, guest.Options{}, guest.ConfigFS(k.configFS())).Collect(t.Context(), [64]byte{1})
		if accepted {
			if err != nil {
				t.Errorf("%q: %v", provider, err)
			}
			continue
		}
		wantError(t, err, evidence.CodeAttesterAbsent, "provider")
		if text := err.Error(); reads > 0 || len(text) > 300 || strings.Contains(text, "\x1b") {
			t.Errorf("%.20q: %d reports made; %q", provider, reads, text)
		}
	}
}

// TestPrivilegeLevels asks for each level, at kernels of each.
func TestPrivilegeLevels(t *testing.T) {
	k := newKernel(t, "levels")
	for k.floor = range uint(4) {
		for vmpl := range uint(4) {
			got, err := newAttester(t, guest.Options{VMPL: vmpl}, guest.ConfigFS(k.configFS())).Collect(t.Context(), [64]byte{1})
			switch {
			case vmpl < k.floor:
				wantError(t, err, evidence.CodeAttesterVMPL, "VMPL")
			case err != nil:
				t.Error(err)
			case got.Item.Report[0x30] != byte(vmpl):
				t.Errorf("a report of VMPL %d, want %d", got.Item.Report[0x30], vmpl)
			}
		}
	}
}

// TestConfigFSErrors has every step fail: each is an error with its cause, but
// for what is not needed.
func TestConfigFSErrors(t *testing.T) {
	k := newKernel(t, "errors")
	for name, test := range map[string]struct {
		hook func(string, string) error
		code evidence.Code
	}{
		"no subsystem":           {tsmtest.Fails("mkdir", "", syscall.ENOENT), evidence.CodeAttesterAbsent},
		"no provider":            {tsmtest.Fails("mkdir", "", syscall.ENXIO), evidence.CodeAttesterAbsent},
		"not root":               {tsmtest.Fails("mkdir", "", syscall.EACCES), evidence.CodeAttesterDenied},
		"no memory":              {tsmtest.Fails("mkdir", "", syscall.ENOMEM), evidence.CodeAttesterFailed},
		"no generation":          {tsmtest.Fails("read", "generation", syscall.EIO), evidence.CodeAttesterFailed},
		"inblob":                 {tsmtest.Fails("write", "inblob", syscall.EINVAL), evidence.CodeAttesterFailed},
		"inblob denied":          {tsmtest.Fails("write", "inblob", syscall.EACCES), evidence.CodeAttesterDenied},
		"no provider named":      {tsmtest.Fails("read", "provider", syscall.EIO), evidence.CodeAttesterFailed},
		"privlevel":              {tsmtest.Fails("write", "privlevel", syscall.EINVAL), evidence.CodeAttesterFailed},
		"outblob":                {tsmtest.Fails("read", "outblob", syscall.EIO), evidence.CodeAttesterFailed},
		"the firmware refuses":   {tsmtest.Fails("read", "outblob", syscall.ENXIO), evidence.CodeAttesterFailed},
		"the entry is gone":      {tsmtest.Fails("read", "outblob", syscall.ENOENT), evidence.CodeAttesterFailed},
		"timed out":              {tsmtest.Fails("read", "outblob", syscall.ETIMEDOUT), evidence.CodeAttesterFailed},
		"the entry stays behind": {tsmtest.Fails("rmdir", "", syscall.EIO), evidence.CodeAttesterFailed},
	} {
		_, err := newAttester(t, guest.Options{}, guest.ConfigFS(tsmtest.Hook(k.configFS(), test.hook))).Collect(t.Context(), [64]byte{1})
		t.Run(name, func(t *testing.T) {
			var errno syscall.Errno
			wantError(t, err, test.code, "configfs-tsm")
			if !errors.As(err, &errno) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
	optional := tsmtest.Hook(k.configFS(), tsmtest.Fails("read", "privlevel_floor", syscall.ENOENT))
	if _, err := newAttester(t, guest.Options{}, guest.ConfigFS(optional)).Collect(t.Context(), [64]byte{1}); err != nil {
		t.Errorf("without a floor of privilege levels: %v", err)
	}
}

// TestEntriesAreRemoved counts what is left after good and bad requests.
func TestEntriesAreRemoved(t *testing.T) {
	k := newKernel(t, "removed")
	for _, failing := range []string{"", "generation", "provider", "outblob", "auxblob"} {
		entries := 0
		client := tsmtest.Hook(k.configFS(), func(operation, attribute string) error {
			switch {
			case operation == "mkdir":
				entries++
			case operation == "rmdir":
				entries--
			case attribute == failing:
				return syscall.EIO
			}
			return nil
		})
		newAttester(t, guest.Options{}, guest.ConfigFS(client)).Collect(t.Context(), [64]byte{1})
		if entries != 0 {
			t.Errorf("%q fails: %d entries are left", failing, entries)
		}
	}
}

// TestTables: whatever a host puts beside the report, the report is collected.
func TestTables(t *testing.T) {
	good := newKernel(t, "tables")
	leaf, issuer := good.machine.Certificate.Raw, vendor().ASK().Certificate.Raw
	vcek, vlek, ask := evidence.AuxiliaryVCEK, evidence.AuxiliaryVLEK, evidence.AuxiliaryASK
	wraps := table(entry{vcek, leaf})
	copy(wraps[16:], "\xf0\xff\xff\xff\x40\x00\x00\x00")
	for _, test := range []struct {
		name    string
		table   []byte
		want    [][]byte
		omitted bool
	}{
		{"VCEK, ASK and ARK", good.table, [][]byte{leaf, issuer}, false},
		{"padded to a page", append(slices.Clone(good.table), make([]byte, 16<<10-len(good.table))...), [][]byte{leaf, issuer}, false},
		{"VLEK and ASVK", table(entry{ask, issuer}, entry{vlek, leaf}), [][]byte{leaf, issuer}, false},
		{"VCEK and VLEK", table(entry{vlek, issuer}, entry{vcek, leaf}), [][]byte{leaf, issuer}, false},
		{"PEM", table(entry{vcek, pemOf(leaf)}, entry{ask, append(pemOf(issuer), "\n\x00\x00"...)}), [][]byte{leaf, issuer}, false},
		{"none", nil, nil, false},
		{"zeros", make([]byte, 4096), nil, false},
		{"a CRL and a host's own", table(entry{evidence.AuxiliaryCRL, []byte("crl")}, entry{evidence.AuxiliaryGUID{1}, []byte("own")}), nil, false},
		{"noise", []byte("auxblob"), nil, true},
		{"a table that wraps", wraps, nil, true},
		{"too long", append(slices.Clone(good.table), make([]byte, 64<<10)...), nil, true},
		{"a VCEK of noise", table(entry{vcek, []byte("noise")}, entry{ask, issuer}), [][]byte{issuer}, true},
		{"a certificate with something behind it", table(entry{vcek, append(slices.Clone(leaf), 0)}), nil, true},
		{"PEM of two certificates", table(entry{vcek, append(pemOf(leaf), pemOf(issuer)...)}), nil, true},
		{"PEM of a key", table(entry{vcek, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}), nil, true},
		{"a large certificate", table(entry{vcek, largeCertificate(t)}), nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := *good
			k.table = test.table
			got, err := newAttester(t, guest.Options{}, guest.ConfigFS(k.configFS())).Collect(t.Context(), [64]byte{1})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got.Item.Certificates, test.want, slices.Equal) || (got.Omitted != nil) != test.omitted {
				t.Errorf("%d certificates, omitted %v", len(got.Item.Certificates), got.Omitted)
			}
			if _, err := evidence.NewBundle(got.Item); err != nil {
				t.Error(err)
			}
		})
	}
}

// A kernel without the attribute, or that cannot give it, gives a report all the same.
func TestTableThatCannotBeRead(t *testing.T) {
	k := newKernel(t, "unreadable")
	for _, cause := range []error{syscall.ENOENT, syscall.EINVAL, syscall.EACCES} {
		client := tsmtest.Hook(k.configFS(), tsmtest.Fails("read", "auxblob", cause))
		got, err := newAttester(t, guest.Options{}, guest.ConfigFS(client)).Collect(t.Context(), [64]byte{1})
		if err != nil || len(got.Item.Certificates) > 0 || !errors.Is(got.Omitted, cause) {
			t.Errorf("%v: got %+v, %v", cause, got, err)
		}
	}
}

// TestGenerations has another process write to the entry while it is read: the
// answer may be to its question.
func TestGenerations(t *testing.T) {
	for _, attribute := range []string{"provider", "privlevel_floor", "outblob", "auxblob"} {
		for times := range 5 {
			synctest.Test(t, func(t *testing.T) {
				k := newKernel(t, "generations")
				left := times
				k.answered = func(e *faketsm.ReportEntry, a string) error {
					if a == attribute && left > 0 {
						left--
						e.WriteGeneration++
					}
					return nil
				}
				got, err := newAttester(t, guest.Options{}, guest.ConfigFS(k.configFS())).Collect(t.Context(), [64]byte{1})
				if times < 4 && (err != nil || got.Omitted != nil) {
					t.Errorf("%s, %d times: %v", attribute, times, err)
				} else if times == 4 {
					wantError(t, err, evidence.CodeAttesterFailed, "generation")
				}
			})
		}
	}
}

// TestBusyConfigFS asks again where any step is busy, until ctx ends.
func TestBusyConfigFS(t *testing.T) {
	for _, step := range [][2]string{{"mkdir", ""}, {"write", "inblob"}, {"write", "privlevel"}, {"read", "outblob"}, {"read", "auxblob"}} {
		synctest.Test(t, func(t *testing.T) {
			k := newKernel(t, "busy")
			left := 2
			client := tsmtest.Hook(k.configFS(), func(operation, attribute string) error {
				if operation == step[0] && attribute == step[1] && left > 0 {
					left--
					return syscall.EBUSY
				}
				return nil
			})
			a, start := newAttester(t, guest.Options{}, guest.ConfigFS(client)), time.Now()
			if got, err := a.Collect(t.Context(), [64]byte{1}); err != nil || got.Omitted != nil || time.Since(start) != 4*time.Second {
				t.Errorf("%v: %v after %v", step, err, time.Since(start))
			}
			left = 4
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if _, err := a.Collect(ctx, [64]byte{1}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v: %v after the deadline", step, err)
			}
		})
	}
}

// TestErrorsKeepTheirCauses: what the library writes into text can still be asked for.
func TestErrorsKeepTheirCauses(t *testing.T) {
	k := newKernel(t, "causes")
	client := tsmtest.Hook(k.configFS(), tsmtest.Fails("mkdir", "", fs.ErrPermission))
	_, err := newAttester(t, guest.Options{}, guest.ConfigFS(client)).Collect(t.Context(), [64]byte{1})
	var path *os.PathError
	if !errors.As(err, &path) || strings.Count(err.Error(), "permission denied") != 1 {
		t.Errorf("got %v", err)
	}
}
