//go:build boot

package boottest_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
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
	anotherImage = slices.Concat(denied, []evidence.Code{evidence.CodePolicyBootImages, evidence.CodePolicyBootKernel, evidence.CodePolicyBootUKI})
)

func with(codes []evidence.Code, more ...evidence.Code) []evidence.Code {
	return slices.Concat(codes, more)
}

// TestBoot boots machines. Some are made of the files that the policy was computed from,
// and have an identity before anything else runs; the others differ from them in one
// thing each.
func TestBoot(t *testing.T) {
	need(t)
	ca := tpmtest.NewCA(t)
	first := ca.Manufacture(t, bank) // and the CA with it
	s := serve(t, ca)
	a := build(t, short(t), s.RootPEM())
	image := a.unified(t, commandLine, a.initrd(t))
	if !bytes.Equal(image, a.unified(t, commandLine, a.initrd(t))) {
		t.Error("the same files make another image")
	}
	good := a.save(t, "good.efi", image)
	signed := a.sign(t, good, "signed.efi")
	s.enforce(t, a.measure(t, "good-boot", good, "--no-keys"), a.measure(t, "signed-boot", signed, a.secureBoot(t)...), a.files())

	other := boottest.File{Name: "other", Mode: boottest.Regular | 0o644}
	for _, c := range []struct {
		name string
		machine
		failed []evidence.Code // the checks that fail; none: there is an identity, or the firmware refuses
	}{
		{"AsItShouldBe", machine{tpm: first, image: good}, nil},
		{"AnotherCommandLine", machine{image: a.save(t, "line.efi", a.unified(t, commandLine+" other", a.initrd(t)))}, with(anotherImage, evidence.CodePolicyBootLoadOptions)},
		{"AnotherInitrd", machine{image: a.save(t, "initrd.efi", a.unified(t, commandLine, a.initrd(t, other)))}, with(anotherImage, evidence.CodePolicyBootInitrd)},
		{"CommandLineFromOutside", machine{image: good, appended: commandLine + " other"}, with(denied, evidence.CodePolicyBootLoadOptions, evidence.CodePolicyBootRegister)},
		{"InitrdThatIsNotMeasured", a.shell(t), with(anotherImage, evidence.CodePolicyBootLoadOptions, evidence.CodePolicyBootInitrd, evidence.CodePolicyBootAttempts)},
		{"Signed", machine{image: signed, secure: true}, nil},
		{"SignedAndTamperedWith", machine{image: a.save(t, "tampered.efi", tampered(read(t, signed))), secure: true, refusal: "BdsDxe: failed to"}, nil},
	} {
		if c.tpm == "" {
			c.tpm = ca.Manufacture(t, bank)
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			switch told := c.run(t, s.addr); {
			case c.refusal != "": // by the firmware: there is nothing to tell
			case c.failed == nil:
				granted(t, s, told)
			default:
				refusedFor(t, told, c.failed)
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

// refusedFor checks that the machine has no identity because these checks failed, and no
// others, as the agent's log says on the console.
func refusedFor(t *testing.T, told *boottest.Report, want []evidence.Code) {
	t.Helper()
	const refused = 2 // the agent's exit code
	var failed []string
	for line := range strings.Lines(told.Said) {
		var logged struct {
			FailedChecks []string `json:"failed_checks"`
		}
		if json.Unmarshal([]byte(line), &logged) == nil && logged.FailedChecks != nil {
			failed = logged.FailedChecks
		}
	}
	var codes []string
	for _, code := range want {
		codes = append(codes, code.String())
	}
	slices.Sort(codes)
	slices.Sort(failed)
	if got := slices.Compact(failed); told.Exit != refused || told.Chain != "" || !slices.Equal(got, codes) {
		t.Errorf("refused for %q, want %q: %+v", got, codes, told)
	}
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
