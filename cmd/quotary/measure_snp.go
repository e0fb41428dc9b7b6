package main

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/ovmf"
	"github.com/quotary/quotary/tee/launch/pe"
	"github.com/quotary/quotary/tee/launch/snp"
)

const measureSNPHelp = `usage: quotary measure snp --ovmf FILE --vcpus N [FLAG]…

Compute the launch measurement of an SEV-SNP guest: the MEASUREMENT of its reports.

flags:
  --ovmf FILE              the firmware, as it ends at 4 GiB
  --kernel FILE            the kernel that the firmware is to check and load directly
                           (QEMU's kernel-hashes=on); the firmware must be built for it
  --initrd FILE            its initrd
  --append STRING          its command line
  --vcpus N                virtual processors
  --vcpu-type TYPE         their type: EPYC, EPYC-Rome, EPYC-Milan, EPYC-Genoa or EPYC-Turin,
                           with a version if you like (EPYC-v4), or FAMILY:MODEL:STEPPING
                           in decimal; only QEMU's guests depend on it
  --vmm qemu|ec2|gce       the hypervisor
  --guest-features BITS    SEV_FEATURES; 0x1: SNP alone (default), 0x21: with debug swap
  --ovmf-digest HEX        stands for the firmware's pages, as another tool computed them;
                           of --ovmf only the tables at its end count then
` + measureOutputHelp + `
exit codes: 0 computed, 1 usage or internal error, or not computable

examples:
  quotary measure snp --ovmf OVMF.fd --vcpus 4 --vcpu-type EPYC-Milan
  quotary measure snp --ovmf OVMF.amdsev.fd --kernel vmlinuz --initrd initrd --append "console=ttyS0" \
      --vcpus 4 --vcpu-type EPYC-v4 --reference ledger-guest > references.yaml
`

// measureSNPOptions are measure snp's flags.
type measureSNPOptions struct {
	ovmf, kernel, initrd, commandLine string
	vcpus                             int
	vcpuType, features                string
	vmm                               *choice
	digest                            hexBytes
	output                            measureOutput
}

func measureSNP(s streams, args []string) (exit, error) {
	o, err := parseMeasureSNP(args)
	if err != nil {
		return exitFailed, err
	}
	var files artefacts
	launch, err := o.launch(&files)
	if err != nil {
		return exitFailed, hintMeasure("snp", err)
	}
	value, err := snp.Measure(launch)
	if err != nil {
		return exitFailed, hintMeasure("snp", err)
	}
	return exitAccepted, o.output.write(s, measurement{
		Technology: evidence.KindSEVSNP, Artefacts: files, Launch: o.words(launch), Shape: o.shape(launch),
		Values: map[string]any{"measurements": []string{hex.EncodeToString(value[:])}},
	})
}

func parseMeasureSNP(args []string) (*measureSNPOptions, error) {
	o := &measureSNPOptions{vmm: &choice{string(snp.QEMU), []string{string(snp.QEMU), string(snp.EC2), string(snp.GCE)}}}
	fs := flagSet("measure snp")
	fs.StringVar(&o.ovmf, "ovmf", "", "")
	fs.StringVar(&o.kernel, "kernel", "", "")
	fs.StringVar(&o.initrd, "initrd", "", "")
	fs.StringVar(&o.commandLine, "append", "", "")
	fs.IntVar(&o.vcpus, "vcpus", 0, "")
	fs.StringVar(&o.vcpuType, "vcpu-type", "", "")
	fs.Var(o.vmm, "vmm", "")
	fs.StringVar(&o.features, "guest-features", "0x1", "")
	fs.Var(&o.digest, "ovmf-digest", "")
	o.output.define(fs)
	err := parseWithout(fs, args)
	switch {
	case err != nil:
		return nil, err
	case o.ovmf == "":
		return nil, usage("there is no --ovmf", "name the firmware that the guest is launched with; try: quotary measure snp --help")
	case o.vcpus == 0:
		return nil, usage("there is no --vcpus", "each virtual processor is measured; say how many the guest has")
	case o.kernel == "" && (o.initrd != "" || o.commandLine != ""):
		return nil, usage("--initrd and --append go with --kernel", "without a kernel to load directly, neither gets into the measurement")
	}
	return o, nil
}

// launch reads the files.
func (o *measureSNPOptions) launch(files *artefacts) (l snp.Options, err error) {
	l = snp.Options{VCPUs: o.vcpus, VMM: snp.VMM(o.vmm.value), FirmwareDigest: o.digest}
	if l.Features, err = strconv.ParseUint(o.features, 0, 64); err != nil {
		return l, usage("--guest-features are no number", "such as 0x1, or 0x21 with debug swap")
	}
	if o.vcpuType != "" {
		if l.VCPU, err = snp.ParseSignature(o.vcpuType); err != nil {
			return l, err
		}
	}
	if l.Firmware, err = files.read("ovmf", o.ovmf, ovmf.MaxSize); err != nil {
		return l, err
	}
	kernel, err := files.read("kernel", o.kernel, pe.MaxSize)
	if err != nil || kernel == nil {
		return l, err
	}
	initrd, err := files.read("initrd", o.initrd, pe.MaxSize)
	if err != nil {
		return l, err
	}
	l.Kernel, err = snp.HashKernel(kernel, initrd, o.commandLine)
	return l, err
}

// shape is the machine that the measurement is for. Its firmware stands among the artefacts.
func (o *measureSNPOptions) shape(l snp.Options) *machineShape {
	shape := &machineShape{VCPUs: l.VCPUs, VMM: string(l.VMM)}
	if l.VMM == snp.QEMU {
		shape.CPU = o.vcpuType
	}
	return shape
}

// words says how the guest is launched.
func (o *measureSNPOptions) words(l snp.Options) string {
	text := fmt.Sprintf("%d vCPUs under %s, guest features %#x", l.VCPUs, l.VMM, l.Features)
	if l.VMM == snp.QEMU {
		text += ", type " + o.vcpuType
	}
	if l.Kernel != nil {
		text += fmt.Sprintf(", command line %q", o.commandLine)
	}
	return text
}
