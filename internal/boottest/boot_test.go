//go:build boot

package boottest_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/boottest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// booted is who the machines are.
const booted = "spiffe://quotary.internal/booted"

// bank is the only one of the machines' TPMs: firmware measures for each, in software.
const bank = "sha256"

// refused is the agent's exit code.
const refused = 2

// TestBoot boots machines. Some are made of the files that the policy was computed from,
// and have an identity before anything else runs; the others differ from them in one
// thing each.
func TestBoot(t *testing.T) {
	need(t)
	ca := tpmtest.NewCA(t)
	first := ca.Manufacture(t, bank) // and the CA with it
	s := serve(t, ca)
	a := build(t, short(t), s.RootPEM())
	good := a.save(t, "good.efi", a.unified(t, commandLine, a.initrd(t)))
	signed := a.sign(t, good, "signed.efi")
	s.enforce(t, a.measure(t, "good-boot", good, "--no-keys"), a.measure(t, "signed-boot", signed, a.secureBoot(t)...), a.files())

	other := boottest.File{Name: "other", Mode: boottest.Regular | 0o644}
	for _, c := range []struct {
		name string
		machine
		code evidence.Code // of a check that fails; zero: none does
	}{
		{"AsItShouldBe", machine{tpm: first, image: good}, evidence.Code{}},
		{"AnotherCommandLine", machine{image: a.save(t, "line.efi", a.unified(t, commandLine+" other", a.initrd(t)))}, evidence.CodePolicyTPMPCR},
		{"AnotherInitrd", machine{image: a.save(t, "initrd.efi", a.unified(t, commandLine, a.initrd(t, other)))}, evidence.CodePolicyTPMPCR},
		{"CommandLineFromOutside", machine{image: good, appended: commandLine + " other"}, evidence.CodePolicyTPMPCR},
		{"InitrdThatIsNotMeasured", a.shell(t), evidence.CodePolicyTPMPCR},
		{"Signed", machine{image: signed, secure: true}, evidence.Code{}},
		{"SignedAndTamperedWith", machine{image: a.save(t, "tampered.efi", tampered(read(t, signed))), secure: true, refusal: "BdsDxe: failed to"}, evidence.Code{}},
	} {
		if c.tpm == "" {
			c.tpm = ca.Manufacture(t, bank)
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			told := c.run(t, s.addr)
			switch {
			case told == nil: // refused by the firmware
			case c.code == evidence.Code{}:
				granted(t, s, told)
			case told.Exit != refused || told.Chain != "" || !strings.Contains(told.Said, c.code.String()):
				t.Errorf("want refused for %s: %+v", c.code, told)
			}
		})
	}
	t.Run("TwoSpeakToEachOther", func(t *testing.T) {
		t.Parallel()
		meet(t, s, ca, good)
	})
}

// pair are two machines with a network between them.
func pair(t *testing.T, m machine) (pair [2]machine) {
	t.Helper()
	dir := short(t)
	for n := range pair {
		pair[n] = m
		pair[n].extra = []string{
			"-netdev", fmt.Sprintf("dgram,id=n1,local.type=unix,local.path=%s/%d,remote.type=unix,remote.path=%s/%d", dir, n, dir, 1-n),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=n1,romfile=,mac=52:54:00:00:00:%02x", n+1),
		}
	}
	return pair
}

// meet has two machines boot, and each speak to the other by mutual TLS with what it was
// granted.
func meet(t *testing.T, s *service, ca *tpmtest.CA, image string) {
	var both sync.WaitGroup
	for n, m := range pair(t, machine{image: image}) {
		m.tpm = ca.Manufacture(t, bank)
		both.Go(func() {
			t.Run(fmt.Sprint(n+1), func(t *testing.T) {
				told := m.run(t, s.addr)
				granted(t, s, told)
				if told.Peer != booted {
					t.Errorf("the peer is %q", told.Peer)
				}
			})
		})
	}
	both.Wait()
}

// shell is a machine whose firmware starts its shell, which hands the kernel an initial
// RAM disk by its name: nobody measures that. It tries the disk first, which has nothing
// to boot, and nothing else before the shell.
func (a *artefacts) shell(t *testing.T) machine {
	t.Helper()
	disk := filepath.Join(a.dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	a.save(t, "disk/linux.efi", a.kernel)
	a.save(t, "disk/initrd", a.initrd(t))
	a.save(t, "disk/startup.nsh", fmt.Appendf(nil, "linux.efi %s initrd=\\initrd\r\n", commandLine))
	return machine{extra: []string{"-drive", "if=none,id=disk,format=raw,readonly=on,file=fat:" + disk, "-device", "virtio-blk-pci,drive=disk,bootindex=0"}}
}

// tampered changes the command line of a signed image.
func tampered(image []byte) []byte {
	return bytes.Replace(image, []byte(commandLine), []byte(strings.ToUpper(commandLine)), 1)
}

// granted checks that the machine has the identity.
func granted(t *testing.T, s *service, told *boottest.Report) {
	t.Helper()
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(s.RootPEM())
	block, rest := pem.Decode([]byte(told.Chain))
	if block == nil || told.Exit != 0 {
		t.Fatalf("no identity: %+v", told)
	}
	intermediates.AppendCertsFromPEM(rest)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates}); err != nil {
		t.Error(err)
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != booted {
		t.Errorf("granted %v", leaf.URIs)
	}
}
