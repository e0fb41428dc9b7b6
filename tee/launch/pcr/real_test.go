package pcr_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee/eventlog"
	"github.com/quotary/quotary/tee/launch/pcr"
)

// machine is a machine that really booted: its TPM's registers and command line,
// and its log, which tells the digests of the files that are not in the collection.
type machine struct {
	CommandLine string                  `json:"cmdline"`
	PCRs        map[string]evidence.Hex `json:"pcrs"`
	log         *eventlog.Log
}

func booted(t *testing.T, name string) machine {
	t.Helper()
	dir := filepath.Join(evidencetest.Dir(t), "boot")
	var m machine
	text, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, name+".eventlog"))
	if err != nil {
		t.Fatal(err)
	}
	if m.log, err = eventlog.Parse(raw, eventlog.PCRs); err != nil {
		t.Fatal(err)
	}
	return m
}

// events returns the digests, and the data, of a register's events of a type.
func (m machine) events(register int, kind eventlog.EventType) (digests []pcr.Measured, data [][]byte) {
	for i := range m.log.Events {
		if e := &m.log.Events[i]; e.Register == register && e.Type == kind {
			digests = append(digests, func(crypto.Hash) []byte { return m.log.Digest(e, eventlog.SHA256) })
			data = append(data, e.Data)
		}
	}
	return digests, data
}

// variables rebuilds the machine's Secure Boot from the values in its log.
func (m machine) variables() *pcr.SecureBoot {
	_, data := m.events(7, 0x80000001)
	value := func(i int) []byte {
		name, size := data[i][16], data[i]
		return size[32+2*int(name):]
	}
	s := &pcr.SecureBoot{Enabled: value(0)[0] == 1, PK: value(1), KEK: value(2), DB: value(3), DBX: value(4)}
	_, authorities := m.events(7, 0x800000e0)
	for _, a := range authorities {
		s.Authorities = append(s.Authorities, pcr.Authority{Entry: a[32+2*len("db"):]})
	}
	return s
}

// boot describes how the machine booted, from the files' digests.
func (m machine) boot(name string) *pcr.Boot {
	images, _ := m.events(4, 0x80000003)
	b := &pcr.Boot{Loaded: pcr.Directly, Images: images, SecureBoot: m.variables()}
	b.Kernel.LoadOptions = pcr.Text(m.CommandLine)
	if tagged, _ := m.events(9, 6); len(tagged) == 2 {
		b.Kernel.Initrd = tagged[1]
	}
	if name == "shell" {
		b.Loaded = pcr.FromDisk
		b.Unknown = map[int]string{4: "a boot option fails before the one with the shell"}
	}
	if sections, _ := m.events(11, 0x0d); len(sections) == 8 {
		for i, section := range []string{".linux", ".osrel", ".cmdline", ".initrd"} {
			b.Sections = append(b.Sections, pcr.Part{Name: section, Digest: sections[2*i+1]})
		}
		b.Sections[2].Digest = pcr.Bytes([]byte(m.CommandLine))
	}
	return b
}

// Real boots of every chain lead to the registers that the TPM had.
func TestRealBoots(t *testing.T) {
	for name, registers := range map[string]string{
		"direct1": "2 3 4 5 6 7 9", "cmdl": "2 3 4 5 6 7 9", "amd64": "2 3 4 5 6 7 9", "shell": "2 3 6 7 9",
		"ukigo1": "2 3 4 5 6 7 9 11", "banks": "2 3 4 5 6 7 9 11", "sbgo1": "2 3 4 5 6 7 9 11",
	} {
		t.Run(name, func(t *testing.T) {
			m := booted(t, name)
			log, err := m.boot(name).Log(crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			values := log.Values()
			for _, register := range strings.Fields(registers) {
				n, _ := strconv.Atoi(register)
				if values[n].String() != m.PCRs[register].String() {
					t.Errorf("PCR %s: %v, the TPM has %v", register, values[n], m.PCRs[register])
				}
				delete(values, n)
			}
			if len(values) > 0 {
				t.Errorf("also foretold: %v", values)
			}
		})
	}
}

// Firmware names what vouched for an image by the entry of db that its
// certificate is found in.
func TestRealAuthority(t *testing.T) {
	variables := booted(t, "sbgo1").variables()
	want := variables.Authorities[0].Entry
	certificate, err := x509.ParseCertificate(want[16:])
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range [][]byte{variables.PK, variables.KEK, variables.DB, variables.DBX} {
		if got, err := pcr.ParseVariable(value); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%x, %v", got, err)
		}
	}
	if got, err := pcr.FindAuthority(variables.DB, certificate); err != nil || !bytes.Equal(got.Entry, want) {
		t.Errorf("%x, %v", got.Entry, err)
	}
}

// Real logs of GRUB, behind shim and from a disk, lead to the registers that the
// same images, commands and files foretell.
func TestRealGRUB(t *testing.T) {
	for _, name := range []string{"go-tpm-tools-ubuntu-2104-no-secure-boot", "keylime-binary-bios-measurements-secureboot"} {
		t.Run(name, func(t *testing.T) {
			item := evidencetest.Find(t, name)
			m := machine{}
			var err error
			if m.log, err = eventlog.Parse(item.Read(t, "event_log.bin"), eventlog.PCRs); err != nil {
				t.Fatal(err)
			}
			replay, err := m.log.Replay(eventlog.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			log, err := m.grub(t).Log(crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{4, 5, 8, 9} {
				if got := log.Values()[n]; got.String() != replay.Values[n].String() {
					t.Errorf("PCR %d: %v, the log leads to %v", n, got, replay.Values[n])
				}
			}
		})
	}
}

// grub describes the boot in a log of GRUB's.
func (m machine) grub(t *testing.T) *pcr.Boot {
	t.Helper()
	b := &pcr.Boot{Loaded: pcr.FromDisk}
	b.Images, _ = m.events(4, 0x80000003)
	tables, _ := m.events(5, 0x80000006)
	b.Disk = tables[0]
	b.Files, _ = m.events(9, 0x0d)
	_, commands := m.events(8, 0x0d)
	for _, c := range commands {
		_, command, ok := strings.Cut(strings.TrimRight(string(c), "\x00"), ": ")
		if !ok {
			t.Fatalf("%q is no command", c)
		}
		b.Commands = append(b.Commands, command)
	}
	if tagged, _ := m.events(9, 6); len(tagged) == 2 {
		b.Kernel = pcr.Kernel{LoadOptions: tagged[0], Initrd: tagged[1]}
	}
	return b
}
