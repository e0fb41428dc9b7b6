package pcr

import (
	"slices"
	"strings"

	"github.com/quotary/quotary/tee/launch/pe"
)

// UKI says how a unified kernel image is booted.
type UKI struct {
	Loaded  Loaded
	Loaders []*pe.Image // in front of it, such as shim and systemd-boot
	// Stub is the version of systemd-stub; 0: the one that the image says.
	Stub int
	// SecureBoot says that it is on: the stub then loads the kernel without the
	// firmware, and heeds no command line but its own.
	SecureBoot bool
	// Appended is a command line that is handed to the image; empty: none.
	Appended string
	// Inner says whether the stub has firmware load the kernel within, so that it is
	// measured; nil: as versions before 256 do.
	Inner *bool
}

// newerStub is the first version whose ways of loading the kernel and of adding
// to the initrd are left open here.
const newerStub = 256

// Boot returns the chain of a unified kernel image.
func (o UKI) Boot(u *pe.UKI) (*Boot, error) {
	stub := o.Stub
	if stub == 0 {
		stub = u.Stub
	}
	switch {
	case stub == 0:
		return nil, wrong("stub-version", "the image does not say which version of systemd-stub it has; it must be given")
	case stub < pe.OldestStub:
		return nil, wrong("stub-version", "systemd-stub %d measures in ways that are not known here; %d is the oldest", stub, pe.OldestStub)
	}
	b := &Boot{Loaded: o.Loaded, Images: append(measured(o.Loaders), u.Authenticode), Unknown: map[int]string{}}
	for _, s := range u.Measured(stub) {
		b.Sections = append(b.Sections, Part{s.Name, s.Digest})
	}
	if err := o.addInner(b, u, stub); err != nil {
		return nil, err
	}
	b.shim(o.Loaders)
	o.addOptions(b, u, stub)
	o.addInitrd(b, u, stub)
	return b, nil
}

// shim says what it adds to the registers, if it is among the loaders.
func (b *Boot) shim(loaders []*pe.Image) {
	if slices.ContainsFunc(loaders, (*pe.Image).IsShim) {
		b.Unknown[pcrSecureBoot] = "shim measures its lists, and the keys of its own that vouch for images"
		b.Unknown[pcrOwner] = "shim measures the keys of the machine's owner"
	}
}

func measured(images []*pe.Image) (all []Measured) {
	for _, image := range images {
		all = append(all, image.Authenticode)
	}
	return all
}

// addInner adds the kernel within to what firmware loads.
func (o UKI) addInner(b *Boot, u *pe.UKI, stub int) error {
	inner := !o.SecureBoot
	if o.Inner != nil {
		inner = *o.Inner
	} else if stub >= newerStub {
		b.Unknown[pcrImages] = "versions of systemd-stub from 256 on differ in whether firmware loads the kernel within"
		return nil
	}
	if !inner {
		return nil
	}
	kernel, err := pe.Parse(u.Part(".linux"))
	if err != nil {
		return err
	}
	b.Images = append(b.Images, kernel.Authenticode)
	return nil
}

// addOptions adds the command lines: those that were handed over and measured, and
// the one that the kernel gets.
func (o UKI) addOptions(b *Boot, u *pe.UKI, stub int) {
	options := u.CommandLine()
	if o.Appended != "" && !o.SecureBoot {
		options = o.Appended
		b.Options = []string{options}
	}
	b.Kernel.LoadOptions = Text(options)
	switch {
	case len(o.Loaders) == 0:
	case o.Loaders[len(o.Loaders)-1].SystemdBoot() == 252 && stub == 252 && options != "" && o.Appended == "" && !o.SecureBoot:
		// systemd-boot hands over the image's own command line and measures it; the
		// stub, which was handed one, measures it again.
		b.Options = []string{options, options}
	default:
		b.Unknown[pcrOptions] = "boot loaders differ in what they hand to a unified kernel image and measure of it"
	}
}

// addInitrd adds the initrd if it is the section and nothing besides.
func (o UKI) addInitrd(b *Boot, u *pe.UKI, stub int) {
	if stub >= newerStub || u.Part(".pcrsig") != nil || u.Part(".pcrpkey") != nil {
		b.Unknown[pcrFiles] = "the stub adds archives of its own to the initrd"
	}
	for _, s := range u.Measured(stub) {
		if s.Name == ".initrd" {
			b.Kernel.Initrd = s.Digest
		}
	}
}

// Menu is a boot loader that starts a kernel as a file.
type Menu string

// The boot loaders, and that there is none: the hypervisor hands the kernel over.
const (
	NoMenu      Menu = ""
	SystemdBoot Menu = "systemd-boot"
	GRUB        Menu = "grub"
)

// Files says how a kernel and an initrd are booted that are files.
type Files struct {
	Menu    Menu
	Loaders []*pe.Image // in the order in which they are loaded; the menu is the last
	Kernel  *pe.Image
	// Patched is the kernel as QEMU hands it over, [QEMU.Patched]; nil: not known.
	Patched Measured
	Initrd  []byte // nil: none
	// InitrdPath is the initrd's, as systemd-boot names it to the kernel.
	InitrdPath string
	// CommandLine is what is configured; GRUB's kernels get BOOT_IMAGE= in front,
	// which must be part of it.
	CommandLine string
	// Commands and Read are what GRUB runs and reads, in order, with kernel and
	// initrd among the latter; if there are none, registers 8 and 9 are not foretold.
	Commands []string
	Read     [][]byte
}

// Boot returns the chain of a kernel.
func (o Files) Boot() (*Boot, error) {
	b := &Boot{Images: append(measured(o.Loaders), o.Kernel.Authenticode), Unknown: map[int]string{}}
	b.shim(o.Loaders)
	if o.Initrd != nil {
		b.Kernel.Initrd = Bytes(o.Initrd)
	}
	switch {
	case len(o.CommandLine) > maxCommandLine:
		return nil, wrong("cmdline", "the command line has %d bytes; at most %d are read", len(o.CommandLine), maxCommandLine)
	case o.Menu == NoMenu && len(o.Loaders) == 0:
		o.direct(b)
		return b, nil
	case o.Menu != NoMenu && len(o.Loaders) == 0:
		return nil, wrong("loader", "%s is an image that firmware measures; it must be given", o.Menu)
	case o.Menu == SystemdBoot:
		return b, o.systemdBoot(b)
	case o.Menu == GRUB:
		o.grub(b)
		return b, nil
	}
	return nil, wrong("menu", "which boot loader starts the kernel must be said: systemd-boot or grub, not %.64q", o.Menu)
}

// direct is QEMU's -kernel: firmware loads the kernel from it and names the
// initrd behind the command line.
func (o Files) direct(b *Boot) {
	b.Loaded = Directly
	if o.Patched != nil {
		b.Images = []Measured{o.Patched}
	} else {
		b.Unknown[pcrImages] = "QEMU writes the initrd's size and the machine's memory into the kernel's header before firmware measures it"
	}
	options := o.CommandLine
	if o.Initrd != nil {
		options = strings.TrimPrefix(options+" initrd=initrd", " ")
	}
	b.Kernel.LoadOptions = Text(options)
}

func (o Files) systemdBoot(b *Boot) error {
	options := o.CommandLine
	if o.Initrd != nil {
		if o.InitrdPath == "" {
			return wrong("initrd-path", "systemd-boot names the initrd to the kernel; its path must be given, such as \\initrd")
		}
		options = strings.TrimSuffix("initrd="+strings.ReplaceAll(o.InitrdPath, "/", `\`)+" "+options, " ")
	}
	b.Kernel.LoadOptions, b.Options = Text(options), []string{options}
	return nil
}

func (o Files) grub(b *Boot) {
	b.Commands, b.Kernel.LoadOptions = o.Commands, Text(o.CommandLine)
	for _, file := range o.Read {
		b.Files = append(b.Files, Bytes(file))
	}
	if len(o.Commands) == 0 {
		b.Unknown[pcrCommands] = "the commands that GRUB runs are not given"
	}
	if len(o.Read) == 0 {
		b.Unknown[pcrFiles] = "the files that GRUB reads are not given"
	}
}
