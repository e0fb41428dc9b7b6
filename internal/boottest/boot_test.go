//go:build boot

package boottest_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// What fails wherever a machine is denied, and where the image is another.
var (
	denied       = []evidence.Code{evidence.CodePolicyWorkload, evidence.CodePolicyTPMPCR}
	anotherImage = with(denied, evidence.CodePolicyBootImages, evidence.CodePolicyBootKernel, evidence.CodePolicyBootUKI)
)

// stranger is what fails when a program ran that nobody listed.
var stranger = []evidence.Code{evidence.CodePolicyWorkload, evidence.CodePolicyIMAFiles}

func with(codes []evidence.Code, more ...evidence.Code) []evidence.Code {
	return slices.Concat(codes, more)
}

// TestBoot boots machines. Two are made of the files that the policy was computed from, and
// have an identity before anything else runs; the others differ from them in one thing
// each, and have none. With -short only the essential ones boot.
func TestBoot(t *testing.T) {
	need(t)
	ca := tpmtest.NewCA(t)
	first := ca.Manufacture(t, bank) // and the CA with it
	s := serve(t, ca)
	a := build(t, short(t), s.RootPEM())
	image := a.unified(t, commandLine, a.initrd)
	if !bytes.Equal(image, a.unified(t, commandLine, a.initrd)) {
		t.Error("the same files make another image")
	}
	good := a.save(t, "good.efi", image)
	signed := a.sign(t, good, "signed.efi")
	s.enforce(t, a.measure(t, "good-boot", good, "--no-keys"), a.measure(t, "signed-boot", signed, a.secureBoot(t)...), a.files())

	other := compressed(t, boottest.Archive(boottest.File{Name: "other", Mode: boottest.Regular | 0o644}))
	var told []*boottest.Report
	t.Run("Machine", func(t *testing.T) {
		t.Run("AsItShouldBe", func(t *testing.T) {
			t.Parallel()
			told = meet(t, s, pair(t, machine{tpm: first, image: good}, machine{tpm: ca.Manufacture(t, bank), image: signed, secure: true}))
		})
		for _, c := range []struct {
			name      string
			essential bool
			machine
			failed []evidence.Code // the checks that fail; none: firmware refuses
		}{
			{"AnotherCommandLine", true, machine{image: a.save(t, "line.efi", a.unified(t, commandLine+" other", a.initrd))}, with(anotherImage, evidence.CodePolicyBootLoadOptions)},
			{"SignedAndTamperedWith", true, machine{image: a.save(t, "tampered.efi", tampered(read(t, signed))), secure: true, refusal: "BdsDxe: failed to"}, nil},
			{"AnotherInitrd", false, machine{image: a.save(t, "initrd.efi", a.unified(t, commandLine, slices.Concat(a.initrd, other)))}, with(anotherImage, evidence.CodePolicyBootInitrd)},
			{"InitrdThatIsNotMeasured", false, a.shell(t), with(anotherImage, evidence.CodePolicyBootLoadOptions, evidence.CodePolicyBootInitrd, evidence.CodePolicyBootAttempts)},
			{"CommandLineFromOutside", false, machine{image: good, appended: commandLine + " other"}, with(denied, evidence.CodePolicyBootLoadOptions, evidence.CodePolicyBootRegister)},
		} {
			t.Run(c.name, func(t *testing.T) {
				if !c.essential && testing.Short() {
					t.Skip("not with -short")
				}
				t.Parallel()
				c.tpm = ca.Manufacture(t, bank)
				told := c.run(t, s.addr)
				switch {
				case c.refusal != "": // by the firmware: there is nothing to tell
				case len(told.Outcomes) != 1 || told.Chain != "":
					t.Errorf("not refused at once: %+v", told)
				default:
					refused(t, told.Outcomes[0], c.failed)
				}
			})
		}
	})
	if !t.Failed() {
		s.recorded(t, told)
	}
}

// pair are two machines with a network between them.
func pair(t *testing.T, machines ...machine) []machine {
	t.Helper()
	dir := short(t)
	for n := range machines {
		machines[n].extra = []string{
			"-netdev", fmt.Sprintf("dgram,id=n1,local.type=unix,local.path=%s/%d,remote.type=unix,remote.path=%s/%d", dir, n, dir, 1-n),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=n1,romfile=,mac=52:54:00:00:00:%02x", n+1),
		}
	}
	return machines
}

// meet has two machines boot. Each has its identity renewed, speaks to the other by mutual
// TLS with it, and loses it.
func meet(t *testing.T, s *service, pair []machine) []*boottest.Report {
	told := make([]*boottest.Report, len(pair))
	var both sync.WaitGroup
	for n, m := range pair {
		both.Go(func() {
			t.Run(fmt.Sprint(n+1), func(t *testing.T) {
				told[n] = m.run(t, s.addr)
				granted(t, s, told[n])
			})
		})
	}
	both.Wait()
	return told
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
	a.save(t, "disk/initrd", a.initrd)
	a.save(t, "disk/startup.nsh", fmt.Appendf(nil, "linux.efi %s initrd=\\initrd\r\n", commandLine))
	return machine{extra: []string{"-drive", "if=none,id=disk,format=raw,readonly=on,file=fat:" + disk, "-device", "virtio-blk-pci,drive=disk,bootindex=0"}}
}

// tampered changes the command line of a signed image.
func tampered(image []byte) []byte {
	return bytes.Replace(image, []byte(commandLine), []byte(strings.ToUpper(commandLine)), 1)
}

// refused checks that an attestation was refused because these checks failed, and no others.
func refused(t *testing.T, outcome boottest.Outcome, want []evidence.Code) {
	t.Helper()
	codes := make([]string, 0, len(want))
	for _, code := range want {
		codes = append(codes, code.String())
	}
	slices.Sort(codes)
	failed := slices.Sorted(slices.Values(outcome.FailedChecks))
	if got := slices.Compact(failed); !slices.Equal(got, codes) {
		t.Errorf("refused for %q, want %q", got, codes)
	}
}

// granted checks that the machine had the identity, had it renewed, spoke to its peer, and
// lost it.
func granted(t *testing.T, s *service, told *boottest.Report) {
	t.Helper()
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(s.RootPEM())
	block, rest := pem.Decode([]byte(told.Chain))
	if block == nil || len(told.Outcomes) != 3 || !told.Outcomes[0].Granted() || !told.Outcomes[1].Granted() {
		t.Fatalf("no identity, renewed and lost: %+v", told)
	}
	refused(t, told.Outcomes[2], stranger)
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
	if told.Peer != booted {
		t.Errorf("the peer is %q", told.Peer)
	}
}
