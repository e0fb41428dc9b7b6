package pcr

import (
	"crypto"
	"maps"
	"slices"
	"strconv"
)

// Registers with a meaning of their own (UAPI Group, Linux TPM PCR Registry).
const (
	pcrImages     = 4
	pcrBootEvents = 5
	pcrSecureBoot = 7
	pcrCommands   = 8 // GRUB's
	pcrFiles      = 9 // GRUB's, and the kernel's
	pcrKernel     = 11
	pcrOptions    = 12
	pcrOwner      = 14 // shim's
)

// Loaded says how the first image comes into the machine.
type Loaded int

// The ways of loading.
const (
	FromDisk Loaded = iota // a boot option names it
	Directly               // the hypervisor hands it over (QEMU's -kernel): loaded before any boot option
)

// Boot is a boot chain. What it does not have is nil or empty.
type Boot struct {
	Loaded Loaded
	// Disk is the partition table of the disk that is booted from; nil: not known.
	Disk Measured
	// Images are what firmware or shim loads, in order: boot loaders, then the kernel
	// or the unified kernel image, then the kernel within that if the stub has
	// firmware load it (it does unless Secure Boot is on).
	Images []Measured
	// Sections are what the stub of a unified kernel image measures.
	Sections []Part
	// Options are the command lines that systemd-boot hands over, and that a stub was
	// handed, in the order in which they measure them.
	Options []string
	// Commands and Files are what GRUB runs and reads, in order.
	Commands []string
	Files    []Measured
	// Kernel is what the kernel's own EFI stub measures.
	Kernel Kernel
	// Phases are the words that systemd extends PCR 11 with until the quote is made:
	// enter-initrd, leave-initrd, sysinit, ready.
	Phases []string
	// SecureBoot has the variables of Secure Boot; nil: PCR 7 is not foretold.
	SecureBoot *SecureBoot
	// Unknown are registers that the chain extends with more than that, and why.
	Unknown map[int]string
}

// Part is a section by its name.
type Part struct {
	Name   string
	Digest Measured
}

// Kernel is what the kernel's EFI stub measures into PCR 9 once it runs. A kernel
// that does not measure the one or the other has nil there.
type Kernel struct {
	LoadOptions Measured // its command line, as it was handed over
	Initrd      Measured // if the stub loads it itself
}

// Log foretells the events. Errors have [evidence.CodeLaunchOption].
func (b *Boot) Log(bank crypto.Hash) (*Log, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	l := &Log{Bank: bank, Unknown: map[int]string{}}
	maps.Copy(l.Unknown, b.Unknown)
	if b.SecureBoot != nil {
		b.SecureBoot.extend(l)
	} else if l.Unknown[pcrSecureBoot] == "" {
		l.unknown(pcrSecureBoot, "the variables of Secure Boot are not given")
	}
	b.firmware(l)
	b.loaders(l)
	b.kernel(l)
	l.extend(pcrBootEvents, "Exit Boot Services Invocation", Bytes([]byte("Exit Boot Services Invocation")))
	l.extend(pcrBootEvents, "Exit Boot Services Returned with Success", Bytes([]byte("Exit Boot Services Returned with Success")))
	for _, phase := range b.Phases {
		l.extend(pcrKernel, "phase "+phase, Bytes([]byte(phase)))
	}
	return l, nil
}

func (b *Boot) check() error {
	if len(b.Images) == 0 {
		return wrong("", "there is nothing to boot: name a kernel or a unified kernel image")
	}
	if slices.ContainsFunc(slices.Concat(b.Options, b.Commands), func(s string) bool { return len(s) > maxCommandLine }) {
		return wrong("cmdline", "a command line has more than %d bytes", maxCommandLine)
	}
	if len(b.Phases) > maxPhases {
		return wrong("phases", "there are %d phases; at most %d are read", len(b.Phases), maxPhases)
	}
	for _, phase := range b.Phases {
		if phase == "" {
			return wrong("phases", "a phase has no name")
		}
	}
	return nil
}

// separate ends what firmware does before it boots (PFP, 10.4.1).
func (l *Log) separate(pcr int) {
	l.extend(pcr, "separator", Bytes(make([]byte, 4)))
	l.Events[len(l.Events)-1].Separator = true
}

// firmware foretells what firmware measures of the images and of booting.
func (b *Boot) firmware(l *Log) {
	first := 0
	if b.Loaded == Directly {
		first = 1
		l.extend(pcrImages, "image 1", b.Images[0])
	}
	l.extend(pcrImages, "Calling EFI Application from Boot Option", Bytes([]byte("Calling EFI Application from Boot Option")))
	for pcr := range 7 {
		l.separate(pcr)
	}
	for pcr, why := range map[int]string{0: "it depends on the firmware and the machine's shape", 1: "it depends on the firmware's settings"} {
		l.unknown(pcr, why)
	}
	switch {
	case b.Disk != nil:
		l.extend(pcrBootEvents, "partition table", b.Disk)
	case b.Loaded == FromDisk:
		l.unknown(pcrBootEvents, "the disk's partition table is not given")
	}
	for n, image := range b.Images[first:] {
		l.extend(pcrImages, "image "+strconv.Itoa(1+first+n), image)
	}
}

// loaders foretells what boot loaders and the stub measure.
func (b *Boot) loaders(l *Log) {
	for _, command := range b.Commands {
		l.extend(pcrCommands, "command "+command, Bytes([]byte(command)))
	}
	for _, file := range b.Files {
		l.extend(pcrFiles, "file", file)
	}
	for _, s := range b.Sections {
		l.extend(pcrKernel, "name of "+s.Name, Bytes(append([]byte(s.Name), 0)))
		l.extend(pcrKernel, "section "+s.Name, s.Digest)
	}
	for _, options := range b.Options {
		l.extend(pcrOptions, "options", Text(options))
	}
}

func (b *Boot) kernel(l *Log) {
	if b.Kernel.LoadOptions != nil {
		l.extend(pcrFiles, "load options", b.Kernel.LoadOptions)
	}
	if b.Kernel.Initrd != nil {
		l.extend(pcrFiles, "initrd", b.Kernel.Initrd)
	}
}
