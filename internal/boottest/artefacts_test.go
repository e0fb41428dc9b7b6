//go:build boot

package boottest_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/quotary/quotary/internal/boottest"
	"github.com/quotary/quotary/tee/launch/launchtest"
)

// commandLine is that of the machines that are as they should be: the kernel speaks on
// the first serial port, and a panic ends the machine.
const commandLine = "console=ttyS0 quiet panic=-1"

// The modules that a network card of QEMU's needs, in the order in which each finds what
// it needs.
var modules = []string{
	"drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_legacy_dev", "drivers/virtio/virtio_pci_modern_dev",
	"drivers/virtio/virtio_pci", "net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net",
}

// artefacts are what machines are made of.
type artefacts struct {
	dir     string
	kernel  []byte
	modules [][]byte
	agent   []byte
	guest   []byte // the first program
	root    []byte // the service's, PEM
}

// build builds what is ours and reads what is not.
func build(t *testing.T, dir string, root []byte) *artefacts {
	t.Helper()
	a := &artefacts{dir: dir, kernel: read(t, kernelFile(t, "boot/vmlinuz-*")), root: root}
	for _, name := range modules {
		a.modules = append(a.modules, read(t, kernelFile(t, "lib/modules/*/kernel/"+name+".ko")))
	}
	a.agent = read(t, compile(t, dir, "cmd/quotary-agent"))
	a.guest = read(t, compile(t, dir, "internal/boottest/guest"))
	compile(t, dir, "cmd/quotary")
	return a
}

// compile builds a program of this module, the same bytes from the same sources.
func compile(t *testing.T, dir, program string) (path string) {
	t.Helper()
	path = filepath.Join(dir, filepath.Base(program))
	command := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", path, "./"+program)
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", program, err, out)
	}
	return path
}

// initrd is the initial RAM disk, compressed. The files in it beside the programs say
// whom the agent believes, so they are measured with it.
func (a *artefacts) initrd(t *testing.T, more ...boottest.File) []byte {
	t.Helper()
	config := fmt.Sprintf("service: {url: \"https://%s:%s\", bundle: %s}\nmachine: {tee: none, tpm: {platform: enrolled, ima: true}}\nfiles: [{directory: %s}]\n",
		boottest.ServiceHost, boottest.ServicePort, boottest.RootPath, boottest.IdentityPath)
	var files []boottest.File
	for _, name := range []string{"dev", "proc", "sys", "run", "modules"} {
		files = append(files, boottest.File{Name: name, Mode: boottest.Directory | 0o755})
	}
	files = append(files,
		boottest.File{Name: "dev/console", Mode: boottest.Character | 0o600, Major: 5, Minor: 1},
		boottest.File{Name: "init", Mode: boottest.Regular | 0o755, Data: a.guest},
		boottest.File{Name: boottest.AgentPath[1:], Mode: boottest.Regular | 0o755, Data: a.agent},
		boottest.File{Name: boottest.ConfigPath[1:], Mode: boottest.Regular | 0o600, Data: []byte(config)},
		boottest.File{Name: boottest.RootPath[1:], Mode: boottest.Regular | 0o644, Data: a.root},
	)
	for n, module := range a.modules {
		files = append(files, boottest.File{Name: fmt.Sprintf("modules/%02d.ko", n), Mode: boottest.Regular | 0o644, Data: module})
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(boottest.Archive(append(files, more...)...)) // to memory: it does not fail
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unified is a unified kernel image.
func (a *artefacts) unified(t *testing.T, commandLine string, initrd []byte) []byte {
	t.Helper()
	return launchtest.Join(read(t, stub),
		launchtest.Section{Name: ".osrel", Data: []byte("ID=quotary-boottest\n")},
		launchtest.Section{Name: ".cmdline", Data: []byte(commandLine)},
		launchtest.Section{Name: ".initrd", Data: initrd},
		launchtest.Section{Name: ".linux", Data: a.kernel},
	)
}

// save writes a file for QEMU and for quotary measure.
func (a *artefacts) save(t *testing.T, name string, data []byte) (path string) {
	t.Helper()
	path = filepath.Join(a.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// measured are the digests of the files that the kernel measures once the first program
// runs: modules and the agent.
func (a *artefacts) measured() (files [][]byte) { return append(slices.Clone(a.modules), a.agent) }

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
