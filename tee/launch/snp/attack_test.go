package snp

import (
	"encoding/binary"
	"testing"

	"github.com/quotary/quotary/evidence"
)

func options(b build) Options {
	return Options{Firmware: b.image(), VCPUs: 1, VCPU: 0x800f12, VMM: QEMU, Features: 1}
}

// Firmware that a processor would not launch, or that says two things, has no
// measurement.
func TestHostileFirmware(t *testing.T) {
	with := func(s ...section) build { return build{sections: s} }
	mangled := func(at int, n uint32) build {
		b := amdSev()
		b.mangle = func(m []byte) []byte { binary.LittleEndian.PutUint32(m[at:], n); return m }
		return b
	}
	for name, test := range map[string]struct {
		firmware build
		want     evidence.Code
	}{
		"sections overlap":               {with(section{0x1000, 0x2000, sectionMemory}, section{0x2000, 0x1000, sectionSecrets}), evidence.CodeLaunchFirmware},
		"one section twice":              {with(section{0x1000, 0x1000, sectionMemory}, section{0x1000, 0x1000, sectionMemory}), evidence.CodeLaunchFirmware},
		"section over the firmware":      {with(section{0xffff_e000, 0x2000, sectionMemory}), evidence.CodeLaunchFirmware},
		"section beyond 4 GiB":           {with(section{0xffff_f000, 0xffff_f000, sectionMemory}), evidence.CodeLaunchFirmware},
		"section of no pages":            {with(section{0x1000, 0, sectionMemory}), evidence.CodeLaunchFirmware},
		"section of half a page":         {with(section{0x1000, 0x800, sectionMemory}), evidence.CodeLaunchFirmware},
		"section between pages":          {with(section{0x1800, 0x1000, sectionMemory}), evidence.CodeLaunchFirmware},
		"secrets of two pages":           {with(section{0x1000, 0x2000, sectionSecrets}), evidence.CodeLaunchFirmware},
		"two CPUID pages":                {with(section{0x1000, 0x1000, sectionCPUID}, section{0x3000, 0x1000, sectionCPUID}), evidence.CodeLaunchFirmware},
		"a million pages":                {with(section{0x1000, 0xf000_0000, sectionMemory}), evidence.CodeLaunchFirmware},
		"unknown section":                {with(section{0x1000, 0x1000, 5}), evidence.CodeLaunchUnsupported},
		"no sections":                    {with(), evidence.CodeLaunchFirmware},
		"huge count":                     {mangled(12, 0xffff_ffff), evidence.CodeLaunchFirmware},
		"count that wraps with its size": {mangled(12, 0x1555_555c), evidence.CodeLaunchFirmware},
		"size and count disagree":        {mangled(4, 4096), evidence.CodeLaunchFirmware},
		"another version":                {mangled(8, 2), evidence.CodeLaunchFirmware},
		"another signature":              {mangled(0, 0), evidence.CodeLaunchFirmware},
		"metadata twice":                 {build{entries: []entry{number(metadataEntry, 0x700)}, sections: amdSev().sections}, evidence.CodeLaunchFirmware},
		"metadata before the image":      {build{entries: []entry{number(hashTableEntry)}}, evidence.CodeLaunchFirmware},
		"short reset block":              {build{entries: []entry{{resetBlockEntry, []byte{1, 2, 3}}}, sections: amdSev().sections}, evidence.CodeLaunchFirmware},
	} {
		if _, err := Measure(options(test.firmware)); evidence.CodeOf(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, image := range map[string][]byte{
		"empty": {}, "half a page": make([]byte, 2048), "too large": make([]byte, 16<<20+pageSize), "no table": make([]byte, pageSize),
	} {
		o := options(amdSev())
		o.Firmware = image
		if _, err := Measure(o); err == nil {
			t.Error(name + " is accepted")
		}
	}
}

// A kernel that nothing checks must not look like one that the measurement covers.
func TestKernelWithoutHashes(t *testing.T) {
	outside, behind := amdSev(), amdSev()
	outside.entries[0] = number(hashTableEntry, 0x900c00)
	behind.entries[0] = number(hashTableEntry, 0x810ff0)
	for name, firmware := range map[string]build{"no section": ovmfX64(), "table elsewhere": outside, "table beyond its page": behind} {
		o := options(firmware)
		o.Kernel = kernel(t, "")
		if _, err := Measure(o); evidence.CodeOf(err) != evidence.CodeLaunchUnsupported {
			t.Errorf("%s: %v", name, err)
		}
		o.Kernel = nil
		if _, err := Measure(o); err != nil {
			t.Errorf("%s, without kernel: %v", name, err)
		}
	}
}

func TestOptions(t *testing.T) {
	noReset := amdSev()
	noReset.entries = noReset.entries[:1]
	if _, err := Measure(options(noReset)); err != nil {
		t.Errorf("one processor needs no reset block: %v", err)
	}
	for name, test := range map[string]struct {
		change func(*Options)
		want   evidence.Code
	}{
		"no processor":             {func(o *Options) { o.VCPUs = 0 }, evidence.CodeLaunchOption},
		"too many processors":      {func(o *Options) { o.VCPUs = maxVCPUs + 1 }, evidence.CodeLaunchOption},
		"no type":                  {func(o *Options) { o.VCPU = 0 }, evidence.CodeLaunchOption},
		"no hypervisor":            {func(o *Options) { o.VMM = "" }, evidence.CodeLaunchOption},
		"SNP not active":           {func(o *Options) { o.Features = 0x20 }, evidence.CodeLaunchOption},
		"digest of another size":   {func(o *Options) { o.FirmwareDigest = make([]byte, 32) }, evidence.CodeLaunchOption},
		"processors start nowhere": {func(o *Options) { o.Firmware, o.VCPUs = noReset.image(), 2 }, evidence.CodeLaunchUnsupported},
	} {
		o := options(amdSev())
		test.change(&o)
		if _, err := Measure(o); evidence.CodeOf(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := HashKernel(nil, nil, string(make([]byte, maxCommandLine+1))); evidence.CodeOf(err) != evidence.CodeLaunchOption {
		t.Errorf("huge command line: %v", err)
	}
}

// Everything that goes in comes out in the measurement.
func TestEveryInputCounts(t *testing.T) {
	base := options(amdSev())
	base.Kernel, base.VCPUs = kernel(t, ""), 2
	seen := map[[Size]byte]string{}
	for name, change := range map[string]func(*Options){
		"nothing":         func(o *Options) {},
		"a firmware byte": func(o *Options) { o.Firmware = append([]byte{}, o.Firmware...); o.Firmware[7] ^= 1 },
		"kernel":          func(o *Options) { o.Kernel = &Kernel{Kernel: [32]byte{1}} },
		"initrd":          func(o *Options) { o.Kernel = &Kernel{Initrd: [32]byte{1}} },
		"command line":    func(o *Options) { o.Kernel = &Kernel{CommandLine: [32]byte{1}} },
		"no kernel":       func(o *Options) { o.Kernel = nil },
		"processors":      func(o *Options) { o.VCPUs++ },
		"type":            func(o *Options) { o.VCPU++ },
		"features":        func(o *Options) { o.Features |= 0x20 },
		"EC2":             func(o *Options) { o.VMM = EC2 },
		"GCE":             func(o *Options) { o.VMM = GCE },
	} {
		o := base
		change(&o)
		got, err := Measure(o)
		if err != nil || seen[got] != "" {
			t.Errorf("%s: %v, the same as %q", name, err, seen[got])
		}
		seen[got] = name
	}
}

func TestSignatures(t *testing.T) {
	for s, want := range map[string]Signature{
		"EPYC": 0x800f12, "EPYC-v4": 0x800f12, "EPYC-IBPB": 0x800f12, "EPYC-Rome-v3": 0x830f10, "EPYC-Milan": 0xa00f11,
		"EPYC-Milan-v2": 0xa00f11, "EPYC-Genoa": 0xa10f10, "EPYC-Turin": 0xb00f00, "25:1:1": 0xa00f11, "26:2:1": 0xb00f21,
	} {
		if got, err := ParseSignature(s); err != nil || got != want {
			t.Errorf("%s: %#x, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "epyc", "EPYC-v0", "EPYC-v100", "EPYC-v", "EPYC-Milan-v2-v3", "25:1", "25:1:1:1", "25:1:16", "25:256:0", "14:0:0", "271:0:0", "0x19:1:1", "-1:1:1"} {
		if got, err := ParseSignature(s); evidence.CodeOf(err) != evidence.CodeLaunchOption {
			t.Errorf("%q: %#x, %v", s, got, err)
		}
	}
}

func FuzzMeasure(f *testing.F) {
	for _, b := range []build{amdSev(), ovmfX64(), {}, {entries: []entry{number(metadataEntry, 0x700)}}} {
		f.Add(b.image()[pageSize-metadataDistance:])
	}
	f.Fuzz(func(t *testing.T, end []byte) {
		if len(end) > pageSize {
			return
		}
		o := options(build{})
		o.Firmware = append(make([]byte, pageSize-len(end)), end...)
		o.VCPUs, o.Kernel = 2, &Kernel{}
		first, err := Measure(o)
		if err != nil {
			if evidence.CodeOf(err).IsZero() {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		if again, _ := Measure(o); again != first || first == ([Size]byte{}) {
			t.Fatal("two measurements of one launch")
		}
	})
}
