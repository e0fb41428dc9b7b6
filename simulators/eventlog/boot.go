package eventlog

import (
	"github.com/quotary/quotary/tee/eventlog"
)

// Boot is a boot of a unified kernel image that firmware starts itself, as OVMF
// and systemd's stub log it, or by shim and GRUB. The zero value is a boot without
// secure boot keys.
type Boot struct {
	// Firmware is what firmware measures of itself into PCR 0; nil is a volume that
	// every simulated machine has. A trust domain's is in MRTD.
	Firmware         []byte
	SecureBoot       bool
	PK, KEK, DB, DBX []byte // signature lists; empty where nothing is enrolled
	// Authority is the entry of db that the first image was verified with, behind its
	// owner; nil where firmware measures none.
	Authority []byte
	// GRUB is how the boot goes on if Image is shim; nil if it is a unified kernel image.
	GRUB *GRUB
	// Image is what firmware measures of the unified kernel image, and Kernel of the
	// kernel in it. Their digests stand for the Authenticode ones.
	Image, Kernel []byte
	CommandLine   string // in the image
	Initrd        []byte // in the image; nil for none
}

// The PCRs that a boot extends.
const (
	pcrFirmware, pcrConfiguration = 0, 1
	pcrLoader, pcrLoaderConfig    = 4, 5
	pcrSecureBoot                 = 7
	pcrKernel, pcrUKI             = 9, 11
)

// Log writes the log of the boot.
func (boot Boot) Log(registers eventlog.Registers, banks ...eventlog.Algorithm) *Builder {
	b := New(registers, banks...)
	boot.firmware(b)
	boot.keys(b)
	b.pcr(pcrLoader, eventlog.EFIApplication, boot.Image, []byte("simulated load event"))
	option := LoadOption("Simulated Disk")
	b.pcr(pcrConfiguration, eventlog.EFIVariableBoot, []byte{0, 0}, Variable(GUIDGlobal, "BootOrder", []byte{0, 0}))
	b.pcr(pcrConfiguration, eventlog.EFIVariableBoot, option, Variable(GUIDGlobal, "Boot0000", option))
	b.action(pcrLoader, "Calling EFI Application from Boot Option")
	b.separate()
	if boot.Authority != nil {
		data := Variable(GUIDSecurity, "db", append(GUID(GUIDOwner), boot.Authority...))
		b.pcr(pcrSecureBoot, eventlog.EFIVariableAuthority, data, data)
	}
	if boot.GRUB != nil {
		boot.GRUB.boot(b, &boot)
	} else {
		boot.kernel(b)
	}
	b.action(pcrLoaderConfig, "Exit Boot Services Invocation")
	b.action(pcrLoaderConfig, "Exit Boot Services Returned with Success")
	return b
}

func (boot Boot) firmware(b *Builder) {
	if b.Registers == eventlog.RTMRs {
		return // firmware is in MRTD
	}
	volume := boot.Firmware
	if volume == nil {
		volume = []byte("simulated firmware volume")
	}
	version := append(UTF16("Simulated Firmware 1"), 0, 0)
	b.Measure(pcrFirmware, eventlog.SCRTMVersion, version)
	b.Add(pcrFirmware, 0x8000_0008, volume, make([]byte, 16))
}

func (boot Boot) keys(b *Builder) {
	on := []byte{0}
	if boot.SecureBoot {
		on[0] = 1
	}
	for _, v := range []struct {
		vendor, name string
		value        []byte
	}{
		{GUIDGlobal, "SecureBoot", on}, {GUIDGlobal, "PK", boot.PK}, {GUIDGlobal, "KEK", boot.KEK},
		{GUIDSecurity, "db", boot.DB}, {GUIDSecurity, "dbx", boot.DBX},
	} {
		data := Variable(v.vendor, v.name, v.value)
		b.pcr(pcrSecureBoot, eventlog.EFIVariableConfig, data, data)
	}
	b.pcr(pcrSecureBoot, eventlog.Separator, make([]byte, 4), make([]byte, 4))
}

// kernel logs the image's sections, and what the kernel in it is started with.
func (boot Boot) kernel(b *Builder) {
	sections := []struct {
		name    string
		content []byte
	}{{".linux", boot.Kernel}, {".cmdline", []byte(boot.CommandLine)}, {".initrd", boot.Initrd}}
	for _, section := range sections {
		if section.content == nil {
			continue
		}
		label := append(UTF16(section.name), 0, 0)
		b.pcr(pcrUKI, eventlog.IPL, append([]byte(section.name), 0), label)
		b.pcr(pcrUKI, eventlog.IPL, section.content, label)
	}
	b.pcr(pcrLoader, eventlog.EFIApplication, boot.Kernel, []byte("simulated load event"))
	b.pcr(pcrKernel, eventlog.EventTag, append(UTF16(boot.CommandLine), 0, 0), Tagged(0x8f3b22ed, []byte("LOADED_IMAGE::LoadOptions\x00")))
	if boot.Initrd != nil {
		b.pcr(pcrKernel, eventlog.EventTag, boot.Initrd, Tagged(0x8f3b22ec, []byte("Linux initrd\x00")))
	}
}

// separate adds firmware's separators but that of PCR 7.
func (b *Builder) separate() {
	last := 6
	if b.Registers == eventlog.RTMRs {
		b.Measure(1, eventlog.Separator, make([]byte, 4))
		return
	}
	for pcr := range last + 1 {
		b.Measure(pcr, eventlog.Separator, make([]byte, 4))
	}
}

func (b *Builder) action(pcr int, text string) {
	b.pcr(pcr, eventlog.EFIAction, []byte(text), []byte(text))
}

// pcr adds an event to a PCR, or to the RTMR that stands for it (UEFI 2.10, 38.4.1).
func (b *Builder) pcr(pcr int, typ eventlog.EventType, measured, data []byte) {
	register := pcr
	if b.Registers == eventlog.RTMRs {
		switch {
		case pcr == 1 || pcr == 7:
			register = 0
		case pcr <= 6:
			register = 1
		default:
			register = 2
		}
	}
	b.Add(register, typ, measured, data)
}
