// Package snp computes the measurement of an SEV-SNP guest before it is
// launched: the MEASUREMENT that its reports will carry, from the firmware, the
// kernel if firmware is to check it, and the processors.
//
// The measurement chains every page that the hypervisor launches the guest
// with (SEV-SNP ABI specification, 56860, 8.17): the firmware below 4 GiB, the
// memory that its metadata lists, and a save area for each virtual processor.
//
// Start at [Measure].
package snp

import (
	"crypto/sha512"

	"github.com/quotary/quotary/evidence"
)

// Options says what is launched, and by whom.
type Options struct {
	Firmware []byte // the image, ending at 4 GiB
	// FirmwareDigest stands for the chain over the firmware's pages, where only the
	// image's end is at hand; nil: it is computed.
	FirmwareDigest []byte
	Kernel         *Kernel // what the firmware has to load; nil: nothing
	VCPUs          int     // 1 to 4096
	VCPU           Signature
	VMM            VMM
	Features       uint64 // SEV_FEATURES; bit 0, SNPActive, is set
}

// Measure returns the launch measurement. Errors are an [*evidence.Error] with
// [evidence.CodeLaunchFirmware], [evidence.CodeLaunchUnsupported] or
// [evidence.CodeLaunchOption].
func Measure(o Options) ([Size]byte, error) {
	r, err := o.check()
	if err != nil {
		return [Size]byte{}, err
	}
	f, err := parseFirmware(o.Firmware)
	if err != nil {
		return [Size]byte{}, err
	}
	var d digest
	if o.FirmwareDigest != nil {
		copy(d[:], o.FirmwareDigest)
	} else {
		d.normal(f.address, f.Data)
	}
	if err := o.addSections(&d, f); err != nil {
		return [Size]byte{}, err
	}
	return d, o.addProcessors(&d, f, r)
}

// FirmwareDigest returns the chain over a firmware's pages alone.
func FirmwareDigest(image []byte) ([Size]byte, error) {
	f, err := parseFirmware(image)
	if err != nil {
		return [Size]byte{}, err
	}
	var d digest
	d.normal(f.address, f.Data)
	return d, nil
}

func (o Options) check() (registers, error) {
	r, known := o.VMM.registers(o.VCPU)
	switch {
	case !known:
		return r, wrong("vmm", "%.64q is no hypervisor whose launches are known; use qemu, ec2 or gce", o.VMM)
	case o.VCPUs < 1 || o.VCPUs > maxVCPUs:
		return r, wrong("vcpus", "a machine has 1 to %d processors, not %d", maxVCPUs, o.VCPUs)
	case o.VMM == QEMU && o.VCPU == 0:
		return r, wrong("vcpu-type", "QEMU measures the processors' type; it must be given")
	case o.Features&1 == 0:
		return r, wrong("guest-features", "%#x are not the features of an SEV-SNP guest: bit 0 is not set", o.Features)
	case o.FirmwareDigest != nil && len(o.FirmwareDigest) != sha512.Size384:
		return r, wrong("ovmf-digest", "a digest of firmware has %d bytes, not %d", sha512.Size384, len(o.FirmwareDigest))
	}
	return r, nil
}

// addSections adds what the firmware's metadata lists, in its order; EC2 leaves
// the CPUID page to the end.
func (o Options) addSections(d *digest, f *firmware) error {
	if o.Kernel != nil {
		if _, ok := f.hashes(); !ok {
			return unsupported("the firmware has no page for the hashes of a kernel: it does not check what it loads directly")
		}
	}
	for _, s := range f.sections {
		if o.VMM == EC2 && s.what == sectionCPUID {
			continue
		}
		if err := o.addSection(d, f, s); err != nil {
			return err
		}
	}
	for _, s := range f.sections {
		if o.VMM == EC2 && s.what == sectionCPUID {
			d.blank(cpuidPage, s.address, s.size)
		}
	}
	return nil
}

func (o Options) addSection(d *digest, f *firmware, s section) error {
	switch {
	case s.what == sectionSecrets:
		d.blank(secretsPage, s.address, s.size)
	case s.what == sectionCPUID:
		d.blank(cpuidPage, s.address, s.size)
	case s.what == sectionMemory && o.VMM == GCE:
		d.blank(unmeasuredPage, s.address, s.size)
	case s.what == sectionHashes && o.Kernel != nil:
		return o.addHashes(d, f, s)
	default:
		d.blank(zeroPage, s.address, s.size)
	}
	return nil
}

func (o Options) addHashes(d *digest, f *firmware, s section) error {
	table := uint64(f.hashTable)
	if table < s.address || table >= s.end() {
		return unsupported("the firmware looks for the table of hashes at %#x, outside of its page at %#x", table, s.address)
	}
	page, err := o.Kernel.page(uint32(table - s.address))
	if err != nil {
		return err
	}
	d.normal(s.address, page)
	return nil
}

func (o Options) addProcessors(d *digest, f *firmware, r registers) error {
	d.add(vmsaPage, vmsaAddress, sha512.Sum384(r.page(resetAddress, o.Features)))
	if o.VCPUs == 1 {
		return nil
	}
	if f.resetBlock == 0 {
		return unsupported("the firmware does not say where processors beside the first start")
	}
	other := sha512.Sum384(r.page(f.resetBlock, o.Features))
	for range o.VCPUs - 1 {
		d.add(vmsaPage, vmsaAddress, other)
	}
	return nil
}

func unsupported(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeLaunchUnsupported, "", format, args...)
}

func wrong(option, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeLaunchOption, option, format, args...)
}
