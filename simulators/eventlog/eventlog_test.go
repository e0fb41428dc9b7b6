package eventlog_test

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee/eventlog"
)

// TestMachineAndLog extends a simulated machine with a boot's digests, and reads
// the values that the log says.
func TestMachineAndLog(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	vendor, err := tpm.NewVendor(tpm.Options{Seed: "eventlog", Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := vendor.NewMachine(tpm.MachineOptions{Name: "logged"})
	if err != nil {
		t.Fatal(err)
	}
	boot := simulated.Boot{SecureBoot: true, Image: []byte("image"), Kernel: []byte("kernel"), CommandLine: "ro", Initrd: []byte("initrd")}
	b := boot.Log(eventlog.PCRs, eventlog.SHA256, eventlog.SHA384)
	for _, entry := range b.Entries {
		for _, digest := range entry.Digests {
			if err := machine.Extend(entry.Register, digest); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, bank := range b.Banks {
		for n, want := range b.Values(bank) {
			if got := machine.PCRs()[bank.String()][n]; !bytes.Equal(got, want) {
				t.Errorf("%s PCR %d: got %v, want %v", bank, n, got, want)
			}
		}
	}
}

// TestGRUB reads what shim and GRUB logged.
func TestGRUB(t *testing.T) {
	certificate := []byte("certificate")
	boot := simulated.Boot{
		SecureBoot: true, DB: simulated.SignatureList(simulated.GUIDX509, certificate), Authority: certificate,
		Image: []byte("shim"), Kernel: []byte("kernel"), CommandLine: "ro quiet", Initrd: []byte("initrd"),
		GRUB: &simulated.GRUB{
			Loader: []byte("grub"), Commands: []string{"set root=hd0", "linux /vmlinuz ro quiet"}, KernelPath: "/vmlinuz",
			SbatLevel: "sbat,1,2024010900", Mok: []byte("owner"),
		},
	}
	b := boot.Log(eventlog.PCRs, eventlog.SHA256)
	log, err := eventlog.Parse(b.Encode(), eventlog.PCRs)
	if err != nil {
		t.Fatal(err)
	}
	replay, err := log.Replay(eventlog.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	quoted := b.Values(eventlog.SHA256)
	quoted[12] = make([]byte, 32)
	claims, _ := replay.Compare(quoted).Claims()
	if len(claims.CommandLines) != 1 || claims.CommandLines[0].Text != "/vmlinuz ro quiet" || len(claims.GRUBCommands) != 2 {
		t.Errorf("command lines %v, commands %q", claims.CommandLines, claims.GRUBCommands)
	}
	if len(claims.Images) != 3 || claims.Mok == nil || claims.SbatLevel != boot.GRUB.SbatLevel || claims.UKI != nil {
		t.Errorf("images %v, lists %v, level %q", claims.Images, claims.Mok, claims.SbatLevel)
	}
	authorities := claims.SecureBoot.Authorities
	fingerprint := sha256.Sum256(certificate)
	if len(authorities) != 2 || authorities[0].Owner != simulated.GUIDOwner || !bytes.Equal(authorities[0].SHA256, fingerprint[:]) {
		t.Errorf("authorities %v", authorities)
	}
}
