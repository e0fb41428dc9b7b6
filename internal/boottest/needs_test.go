//go:build boot

package boottest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What Debian's packages bring.
const (
	firmware       = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	variables      = "/usr/share/OVMF/OVMF_VARS_4M.fd"
	secureFirmware = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
	snakeoil       = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd" // with a key that everybody has
	snakeoilKey    = "/usr/share/ovmf/PkKek-1-snakeoil.key"
	snakeoilCert   = "/usr/share/ovmf/PkKek-1-snakeoil.pem"
	stub           = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
	emulator       = "qemu-system-x86_64"
)

// need skips a test where something is not installed, unless BOOT_TEST says that it must
// be.
func need(t *testing.T) {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("BOOT_TEST") == "required" {
		missing = t.Fatalf
	}
	for _, program := range []string{emulator, "swtpm", "swtpm_setup", "swtpm_localca", "sbsign", "openssl", "zstd"} {
		if _, err := exec.LookPath(program); err != nil {
			missing("%s is not installed; scripts/test-boot-tools installs it", program)
		}
	}
	for _, file := range []string{firmware, variables, secureFirmware, snakeoil, snakeoilKey, snakeoilCert, stub} {
		if _, err := os.Stat(file); err != nil {
			missing("%v; scripts/test-boot-tools installs it", err)
		}
	}
	if matches, _ := filepath.Glob(filepath.Join(kernelDir(t), "boot/vmlinuz-*")); len(matches) != 1 {
		missing("there is no kernel in %s; scripts/test-boot-tools fetches it", kernelDir(t))
	}
}

// kernelDir is where scripts/test-boot-tools unpacks the kernel.
func kernelDir(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cache, "quotary-boot", "kernel")
}

// kernelFile is the one file of the kernel's package that the pattern stands for.
func kernelFile(t *testing.T, pattern string) string {
	t.Helper()
	matches, err := filepath.Glob(filepath.Join(kernelDir(t), pattern))
	if err != nil || len(matches) != 1 {
		t.Fatalf("%s in %s: %q, %v", pattern, kernelDir(t), matches, err)
	}
	return matches[0]
}
