package snp

import (
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/launchtest"
)

// Debian's firmware can be launched as an SEV-SNP guest, and checks no kernel
// that is loaded directly; the half of it without metadata cannot.
func TestDebianFirmware(t *testing.T) {
	image := launchtest.Installed(t, "/usr/share/ovmf/OVMF.fd", "ovmf")
	o := Options{Firmware: image, VCPUs: 4, VCPU: signature(t, "EPYC-Milan"), VMM: QEMU, Features: 1}
	whole, err := Measure(o)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := FirmwareDigest(image)
	if err != nil {
		t.Fatal(err)
	}
	// The end and the digest of all pages lead to the same.
	o.Firmware, o.FirmwareDigest = image[len(image)-2*pageSize:], digest[:]
	if end, err := Measure(o); err != nil || end != whole {
		t.Errorf("%x, %v; the whole image: %x", end, err, whole)
	}
	o.Kernel = kernel(t, "")
	if _, err := Measure(o); evidence.CodeOf(err) != evidence.CodeLaunchUnsupported {
		t.Errorf("a kernel that nothing checks: %v", err)
	}
	o.Firmware = launchtest.Installed(t, "/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf")
	if _, err := Measure(o); evidence.CodeOf(err) != evidence.CodeLaunchUnsupported {
		t.Errorf("firmware without metadata: %v", err)
	}
}
