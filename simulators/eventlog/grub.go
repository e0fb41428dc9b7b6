package eventlog

import "github.com/quotary/quotary/tee/eventlog"

// GRUB is how shim and GRUB go on after firmware started them.
type GRUB struct {
	// Loader is what shim measures of GRUB; its digest stands for the Authenticode one.
	Loader []byte
	// Commands are those that GRUB runs, and KernelPath is where it has the kernel from. The
	// kernel's command line begins with the path.
	Commands   []string
	KernelPath string
	// SbatLevel is shim's revocation level; empty is none.
	SbatLevel string
	// Mok, MokX and MokTrusted are the machine owner's lists as shim measures them.
	Mok, MokX, MokTrusted []byte
}

const (
	pcrGRUB  = 8
	pcrFiles = 9
	pcrMok   = 14
)

// boot logs what shim, GRUB and the kernel measure.
func (g *GRUB) boot(b *Builder, boot *Boot) {
	for _, list := range []struct {
		name    string
		content []byte
	}{{"MokList", g.Mok}, {"MokListX", g.MokX}, {"MokListTrusted", g.MokTrusted}} {
		b.pcr(pcrMok, eventlog.IPL, list.content, append([]byte(list.name), 0))
	}
	if g.SbatLevel != "" {
		data := Variable(GUIDShim, "SbatLevel", []byte(g.SbatLevel))
		b.pcr(pcrSecureBoot, eventlog.EFIVariableAuthority, data, data)
	}
	b.pcr(pcrLoader, eventlog.EFIApplication, g.Loader, []byte("simulated load event"))
	for _, command := range g.Commands {
		b.pcr(pcrGRUB, eventlog.IPL, []byte(command), append([]byte("grub_cmd: "+command), 0))
	}
	line := g.KernelPath + " " + boot.CommandLine
	b.pcr(pcrLoader, eventlog.EFIApplication, boot.Kernel, []byte("simulated load event"))
	b.pcr(pcrFiles, eventlog.IPL, boot.Kernel, append([]byte(g.KernelPath), 0))
	b.pcr(pcrGRUB, eventlog.IPL, []byte(line), append([]byte("kernel_cmdline: "+line), 0))
	if boot.Initrd != nil {
		b.pcr(pcrFiles, eventlog.IPL, boot.Initrd, append([]byte("/initrd"), 0))
	}
}
