package eventlog_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee/eventlog"
)

// summary is what the claims of a real boot come down to.
type summary struct {
	SecureBoot  string // "on", "off", "none", or empty where nothing is claimed
	Setup       bool
	DB, DBX     int // certificates; hashes
	Images      int
	Attempts    uint32
	Exited      bool
	Authorities int
	Sbat, Mok   bool
	Line        string // the beginning of the first command line
	Unsettled   bool
	Commands    int
	UKI         int // sections
	Options     int
	Firmware    string
}

func summarize(c *evidence.BootClaims) summary {
	s := summary{
		Images: len(c.Images), Sbat: c.SbatLevel != "", Mok: c.Mok != nil, Commands: len(c.GRUBCommands), Options: len(c.BootOptions),
		Firmware: c.FirmwareVersion, Unsettled: len(c.UnsettledCommandLines) > 0,
	}
	if b := c.SecureBoot; b != nil {
		s.SecureBoot, s.Setup, s.DB, s.DBX, s.Authorities = "none", b.SetupMode, len(b.DB.Certificates), len(b.DBX.Hashes), len(b.Authorities)
		if b.Enabled != nil {
			s.SecureBoot = map[bool]string{true: "on", false: "off"}[*b.Enabled]
		}
	}
	if c.BootAttempts != nil {
		s.Attempts = *c.BootAttempts
	}
	s.Exited = c.ExitedBootServices != nil && *c.ExitedBootServices
	if len(c.CommandLines) > 0 {
		s.Line = c.CommandLines[0].Text[:min(20, len(c.CommandLines[0].Text))]
	}
	if c.UKI != nil {
		s.UKI = len(c.UKI.Sections)
	}
	return s
}

// golden are the summaries of real boots, read and checked one by one.
var golden = map[string]summary{
	"go-tpm-tools-arch-linux-workstation":                          {SecureBoot: "none", DB: 3, DBX: 77, Images: 3, Line: "initrd=\\intel-ucode.", Options: 3, Firmware: "546bfb1e-1d0c-4055-a4ad-4ef4bf17b83a"},
	"go-tpm-tools-cos-101-amd-sev":                                 {SecureBoot: "on", DB: 1, Images: 4, Attempts: 1, Exited: true, Authorities: 3, Sbat: true, Mok: true, Line: "/syslinux/vmlinuz.A ", Commands: 14, Options: 2, Firmware: "GCE Virtual Firmware v1"},
	"go-tpm-tools-cos-93-amd-sev":                                  {SecureBoot: "on", DB: 1, Images: 3, Attempts: 1, Exited: true, Line: "/syslinux/vmlinuz.A ", Commands: 14, Options: 2, Firmware: "GCE Virtual Firmware v1"},
	"go-tpm-tools-eventlogwithsp800155":                            {SecureBoot: "on", DB: 1, Images: 3, Attempts: 1, Exited: true, Authorities: 4, Sbat: true, Mok: true, Line: "/syslinux/vmlinuz.B ", Commands: 14, Options: 2, Firmware: "GCE Virtual Firmware v2"},
	"go-tpm-tools-glinux-alex":                                     {SecureBoot: "off", DB: 4, DBX: 77, Images: 2, Options: 5},
	"go-tpm-tools-ubuntu-1804-amd-sev":                             {SecureBoot: "off", DB: 2, DBX: 77, Images: 2, Attempts: 1, Exited: true, Line: "/boot/vmlinuz-5.4.0-", Commands: 51, Options: 3, Firmware: "GCE Virtual Firmware v1"},
	"go-tpm-tools-ubuntu-2104-no-secure-boot":                      {SecureBoot: "off", DB: 2, DBX: 183, Images: 2, Attempts: 1, Exited: true, Authorities: 1, Sbat: true, Mok: true, Line: "/boot/vmlinuz-5.11.0", Commands: 66, Options: 4, Firmware: "GCE Virtual Firmware v1"},
	"go-attestation-coreos-36-shielded-vm-no-secure-boot-eventlog": {SecureBoot: "off", DB: 2, DBX: 183, Images: 2, Attempts: 1, Exited: true, Authorities: 2, Sbat: true, Mok: true, Line: "(hd0,gpt3)/ostree/fe", Commands: 36, Options: 3, Firmware: "GCE Virtual Firmware v1"},
	"go-attestation-sb-cert-eventlog":                              {SecureBoot: "on", DB: 4, DBX: 77},
	"tcglog-parser-binary-bios-measurements":                       {SecureBoot: "on", DB: 3, DBX: 77, Images: 3, Authorities: 3, Sbat: true, Mok: true, Line: "/vmlinuz-5.11.0-22-g", Commands: 64, Options: 3, Firmware: "546bfb1e-1d0c-4055-a4ad-4ef4bf17b83a"},
	"keylime-binary-bios-measurements":                             {SecureBoot: "off", DB: 4, DBX: 458, Images: 6, Attempts: 1, Authorities: 1, Sbat: true, Mok: true, Line: "(hd3,gpt2)/vmlinuz-6", Commands: 52, Options: 13, Firmware: "N40ET41W "},
	"keylime-binary-bios-measurements-secureboot":                  {SecureBoot: "on", DB: 4, DBX: 371, Images: 4, Attempts: 1, Exited: true, Authorities: 3, Sbat: true, Mok: true, Line: "(hd0,gpt2)/vmlinuz-5", Commands: 51, Options: 3, Firmware: "edk2-20240524-7.el9"},
	"trustee-ovmf-1":                                               {SecureBoot: ""},
	"trustee-grub":                                                 {SecureBoot: "on", DB: 2, DBX: 1, Images: 5, Attempts: 1, Exited: true, Options: 2},
	"trustee-gcp":                                                  {SecureBoot: "off", DB: 2, DBX: 183, Images: 2, Attempts: 1, Exited: true, Options: 2},
	"dstack":                                                       {SecureBoot: "none", Setup: true, Images: 1, Attempts: 1, Exited: true, Options: 1},
	"go-eventlog-small":                                            {SecureBoot: "off", Setup: true, Attempts: 1, Exited: true},
	"v4-00806f-cos113-gcp-with-ccel":                               {SecureBoot: "off", DB: 1, Images: 2, Attempts: 1, Exited: true, Unsettled: true, Options: 2},
	"gce-cos85-nonce9009":                                          {SecureBoot: "on", DB: 1, Images: 3, Attempts: 1, Exited: true, Line: "/syslinux/vmlinuz.A ", Commands: 14, Options: 2, Firmware: "GCE Virtual Firmware v1"},
	"boot-amd64.json":                                              {SecureBoot: "off", Setup: true, Images: 1, Attempts: 1, Exited: true, Options: 1},
	"boot-banks.json":                                              {SecureBoot: "off", Setup: true, Images: 2, Attempts: 1, Exited: true, UKI: 4, Options: 1},
	"boot-cmdl.json":                                               {SecureBoot: "off", Setup: true, Images: 1, Attempts: 1, Exited: true, Options: 1},
	"boot-direct1.json":                                            {SecureBoot: "off", Setup: true, Images: 1, Attempts: 1, Exited: true, Options: 1},
	"boot-sbgo1.json":                                              {SecureBoot: "on", DB: 1, DBX: 1, Images: 1, Attempts: 1, Exited: true, Authorities: 1, UKI: 4, Options: 1},
	"boot-shell.json":                                              {SecureBoot: "off", Setup: true, Images: 2, Attempts: 2, Exited: true, Options: 3},
	"boot-ukigo1.json":                                             {SecureBoot: "off", Setup: true, Images: 2, Attempts: 1, Exited: true, UKI: 4, Options: 1},
}

// TestGolden holds the claims of real boots to what is known of them.
func TestGolden(t *testing.T) {
	seen := 0
	for _, real := range realLogs(t) {
		want, known := golden[real.name]
		if !known {
			continue
		}
		seen++
		t.Run(real.name, func(t *testing.T) {
			bank := bankOf(real.kind)
			replay, err := real.parse(t).Replay(bank)
			if err != nil {
				t.Fatal(err)
			}
			quoted := real.replayed[bank.String()]
			for n := range 16 { // those that the replayer has no events for
				if real.kind == eventlog.PCRs && quoted[n] == nil {
					quoted[n] = make(evidence.Hex, 32)
				}
			}
			got, _ := replay.Compare(quoted).Claims()
			if diff := cmp.Diff(want, summarize(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if seen != len(golden) {
		t.Errorf("%d of %d boots are there", seen, len(golden))
	}
}

// TestRealCommandLines compares what the kernel's EFI stub measured with what
// the kernel itself shows of its command line.
func TestRealCommandLines(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(evidencetest.Dir(t), "boot", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("the collection has no boots")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var boot struct {
				PCRs     eventlog.Values
				EventLog []byte
				Cmdline  string
			}
			if err := json.Unmarshal(data, &boot); err != nil {
				t.Fatal(err)
			}
			log, err := eventlog.Parse(boot.EventLog, eventlog.PCRs)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := compare(t, log, eventlog.SHA256, boot.PCRs).Claims()
			if want := eventlog.LoadOptionsDigest(eventlog.SHA256, strings.TrimSpace(boot.Cmdline)); !bytes.Equal(got.LoadOptions, want) {
				t.Errorf("load options %v, want %x of %q", got.LoadOptions, want, boot.Cmdline)
			}
			// The shell's boot loads its initial RAM disk by name, and nobody measures it.
			if shell := strings.Contains(file, "shell"); (got.Initrd == nil) != shell {
				t.Errorf("initrd %v", got.Initrd)
			}
			if got.UKI != nil && !bytes.Equal(got.UKI.Sections[".initrd"], got.Initrd) {
				t.Errorf("the image holds another initrd: %v, %v", got.UKI, got.Initrd)
			}
		})
	}
}
