//go:build boot

package boottest_test

import (
	"bytes"
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
// the first serial port, and a panic ends the machine. The rest spares it work that is no
// part of the test: a fifth of what the kernel does before the first program.
const commandLine = "console=ttyS0 quiet panic=-1 nokaslr mitigations=off cryptomgr.notests"

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
	initrd  []byte
}

// build builds what is ours and reads what is not.
func build(t *testing.T, dir string, root []byte) *artefacts {
	t.Helper()
	compile(t, dir, "./cmd/quotary-agent", "./internal/boottest/guest", "./cmd/quotary")
	a := &artefacts{
		dir: dir, kernel: read(t, kernelFile(t, "boot/vmlinuz-*")),
		agent: read(t, filepath.Join(dir, "quotary-agent")), guest: read(t, filepath.Join(dir, "guest")),
	}
	for _, name := range modules {
		a.modules = append(a.modules, read(t, kernelFile(t, "lib/modules/*/kernel/"+name+".ko")))
	}
	a.initrd = compressed(t, a.archive(root))
	return a
}

// compile builds programs of this module into a folder, as make build does, but without
// symbols.
func compile(t *testing.T, dir string, programs ...string) {
	t.Helper()
	command := exec.Command("go", append([]string{"build", "-tags=grpcnotrace", "-buildvcs=false", "-ldflags=-s -w", "-o", dir + "/"}, programs...)...)
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", programs, err, out)
	}
}

// archive is the initial RAM disk. The files in it beside the programs say whom the agent
// believes, so they are measured with it.
func (a *artefacts) archive(root []byte) []byte {
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
		boottest.File{Name: boottest.RootPath[1:], Mode: boottest.Regular | 0o644, Data: root},
	)
	for n, module := range a.modules {
		files = append(files, boottest.File{Name: fmt.Sprintf("modules/%02d.ko", n), Mode: boottest.Regular | 0o644, Data: module})
	}
	return boottest.Archive(files...)
}

// compressed is an archive as small as it quickly gets: firmware, stub and kernel each
// digest all of it in emulation.
func compressed(t *testing.T, archive []byte) []byte {
	t.Helper()
	command := exec.Command("zstd", "-9", "--stdout")
	command.Stdin = bytes.NewReader(archive)
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
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
