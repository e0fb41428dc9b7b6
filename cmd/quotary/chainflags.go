package main

import (
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"

	"github.com/quotary/quotary/tee/launch/pcr"
	"github.com/quotary/quotary/tee/launch/pe"
)

// chainFlagsHelp describes chainFlags.
const chainFlagsHelp = `  --uki FILE               a unified kernel image
  --kernel FILE            or a kernel that is a file of its own, with
  --initrd FILE            its initrd
  --cmdline STRING         its command line as configured; for GRUB, with BOOT_IMAGE= in
                           front; with --uki: one that is handed to the image
  --loader FILE            a boot loader in front of it, such as shim, systemd-boot or GRUB;
                           repeatable, in the order in which they are loaded
  --menu systemd-boot|grub which loader starts --kernel; without any, QEMU hands it over
  --memory MIB             the memory of QEMU's machine (q35), which then gets into PCR 4
  --initrd-path PATH       the initrd's path in systemd-boot's entry
  --grub-command STRING    a command that GRUB runs, as it logs it; repeatable, in order
  --grub-file FILE         a file that GRUB reads, kernel and initrd among them; likewise
  --from-disk              a boot option names --uki; otherwise QEMU hands it over (-kernel)
  --disk FILE              the disk that is booted from, or its first MiB: its GPT gets into
                           PCR 5
  --stub-version N         the version of systemd-stub, if the image does not say it
  --inner-kernel measured|unmeasured
                           whether firmware measures the kernel within; known up to 255
  --no-stub-events         the stub measures nothing (trust domains with older ones)
  --no-kernel-events       the kernel's own EFI stub measures nothing (older ones, and in
                           trust domains those that do not know their registers)
  --secure-boot            Secure Boot is on
  --pk, --kek, --db, --dbx FILE
                           its variables: signature lists, or files of efivarfs; those not
                           given are empty. Any of them, or --no-keys, foretells PCR 7
  --no-keys                no variable is set: Secure Boot cannot be on
  --authority FILE         the certificate in db (PEM or DER) that vouches for an image;
                           repeatable, each once, in the order of images
`

// chainFlags describe a boot chain.
type chainFlags struct {
	uki, kernel, initrd, cmdline string
	loaders                      list
	menu                         *choice
	initrdPath                   string
	commands, read               list
	fromDisk                     bool
	disk                         string
	stub                         int
	inner                        *choice
	memory                       uint
	noStub, noKernel             bool
	secureBoot, noKeys           bool
	pk, kek, db, dbx             string
	authorities                  list
}

func (c *chainFlags) define(fs *flag.FlagSet) {
	c.menu = &choice{"", []string{string(pcr.SystemdBoot), string(pcr.GRUB)}}
	c.inner = &choice{"", []string{"measured", "unmeasured"}}
	for name, value := range map[string]*string{
		"uki": &c.uki, "kernel": &c.kernel, "initrd": &c.initrd, "cmdline": &c.cmdline, "initrd-path": &c.initrdPath, "disk": &c.disk,
		"pk": &c.pk, "kek": &c.kek, "db": &c.db, "dbx": &c.dbx,
	} {
		fs.StringVar(value, name, "", "")
	}
	for name, value := range map[string]flag.Value{
		"loader": &c.loaders, "menu": c.menu, "grub-command": &c.commands, "grub-file": &c.read, "inner-kernel": c.inner, "authority": &c.authorities,
	} {
		fs.Var(value, name, "")
	}
	fs.BoolVar(&c.fromDisk, "from-disk", false, "")
	fs.IntVar(&c.stub, "stub-version", 0, "")
	fs.UintVar(&c.memory, "memory", 0, "")
	fs.BoolVar(&c.noStub, "no-stub-events", false, "")
	fs.BoolVar(&c.noKernel, "no-kernel-events", false, "")
	fs.BoolVar(&c.secureBoot, "secure-boot", false, "")
	fs.BoolVar(&c.noKeys, "no-keys", false, "")
}

// chainGiven reports whether any of the flags was given.
func chainGiven(fs *flag.FlagSet) (given bool) {
	chain := flagSet("")
	new(chainFlags).define(chain)
	fs.Visit(func(f *flag.Flag) { given = given || chain.Lookup(f.Name) != nil })
	return given
}

// boot reads the files and returns the chain.
func (c *chainFlags) boot(files *artefacts) (b *pcr.Boot, err error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	loaders, err := images(files, "loader", c.loaders...)
	if err != nil {
		return nil, err
	}
	if c.uki != "" {
		b, err = c.ukiBoot(files, loaders)
	} else {
		b, err = c.filesBoot(files, loaders)
	}
	if err != nil {
		return nil, err
	}
	if err := c.addDisk(b, files); err != nil {
		return nil, err
	}
	if c.noStub {
		b.Sections, b.Options = nil, nil
	}
	if c.noKernel {
		b.Kernel = pcr.Kernel{}
	}
	b.SecureBoot, err = c.variables(files)
	return b, err
}

// addDisk adds the partition table of the disk that is booted from.
func (c *chainFlags) addDisk(b *pcr.Boot, files *artefacts) (err error) {
	if c.disk == "" {
		return nil
	}
	if b.Loaded != pcr.FromDisk {
		return usage("--disk goes with what is booted from it", "say so with --from-disk, or with --loader")
	}
	data, err := files.readStart("disk", c.disk, pcr.DiskStart)
	if err != nil {
		return err
	}
	b.Disk, err = pcr.PartitionTable(data)
	return err
}

func (c *chainFlags) check() error {
	keys := c.pk+c.kek+c.db+c.dbx != ""
	switch {
	case (c.uki == "") == (c.kernel == ""):
		return usage("there must be either --uki or --kernel", "name what is booted")
	case c.uki != "" && (c.initrd != "" || c.menu.value != "" || c.initrdPath != "" || len(c.commands)+len(c.read) > 0):
		return usage("--initrd, --menu and what goes with them are of --kernel", "a unified kernel image has its initrd within")
	case c.kernel != "" && (c.fromDisk || c.stub != 0 || c.inner.value != ""):
		return usage("--from-disk, --stub-version and --inner-kernel are of --uki", "a kernel from a disk has a loader: name it with --loader and --menu")
	case c.memory != 0 && (c.kernel == "" || c.menu.value != "" || len(c.loaders) > 0):
		return usage("--memory is of a --kernel that QEMU hands over", "nothing else is changed on its way")
	case c.noStub && c.uki == "":
		return usage("--no-stub-events goes with --uki", "other kernels have no stub of systemd's")
	case c.noKeys && (keys || c.secureBoot):
		return usage("--no-keys contradicts --secure-boot and its variables", "leave one of them out")
	case c.secureBoot && c.db == "":
		return usage("--secure-boot goes with --db", "without its variables nothing can be said of PCR 7; without db, nothing boots")
	case len(c.authorities) > 0 && !c.secureBoot:
		return usage("--authority goes with --secure-boot", "only then images are vouched for")
	}
	return nil
}

func (c *chainFlags) ukiBoot(files *artefacts, loaders []*pe.Image) (*pcr.Boot, error) {
	image, err := images(files, "uki", c.uki)
	if err != nil {
		return nil, err
	}
	uki, err := image[0].UKI()
	if err != nil {
		return nil, err
	}
	o := pcr.UKI{Loaded: pcr.Directly, Loaders: loaders, Stub: c.stub, SecureBoot: c.secureBoot, Appended: c.cmdline}
	if c.fromDisk || len(loaders) > 0 {
		o.Loaded = pcr.FromDisk
	}
	if c.inner.value != "" {
		measured := c.inner.value == "measured"
		o.Inner = &measured
	}
	return o.Boot(uki)
}

func (c *chainFlags) filesBoot(files *artefacts, loaders []*pe.Image) (*pcr.Boot, error) {
	kernel, err := images(files, "kernel", c.kernel)
	if err != nil {
		return nil, err
	}
	o := pcr.Files{Menu: pcr.Menu(c.menu.value), Loaders: loaders, Kernel: kernel[0], InitrdPath: c.initrdPath, CommandLine: c.cmdline, Commands: c.commands}
	if o.Initrd, err = files.read("initrd", c.initrd, pe.MaxSize); err != nil {
		return nil, err
	}
	for _, path := range c.read {
		data, err := files.read("grub-file", path, pe.MaxSize)
		if err != nil {
			return nil, err
		}
		o.Read = append(o.Read, data)
	}
	if c.memory != 0 {
		machine := pcr.QEMU{Memory: uint64(c.memory) << 20, InitrdSize: uint32(len(o.Initrd))}
		if o.Patched, err = machine.Patched(kernel[0].Raw()); err != nil {
			return nil, err
		}
	}
	return o.Boot()
}

// maxVariableFile bounds a file with a variable in bytes.
const maxVariableFile = 1 << 20

// variables reads the variables of Secure Boot, nil if nothing was said of them.
func (c *chainFlags) variables(files *artefacts) (*pcr.SecureBoot, error) {
	if c.pk+c.kek+c.db+c.dbx == "" && !c.noKeys {
		return nil, nil
	}
	s := &pcr.SecureBoot{Enabled: c.secureBoot}
	for _, v := range []struct {
		flag, path string
		value      *[]byte
	}{{"pk", c.pk, &s.PK}, {"kek", c.kek, &s.KEK}, {"db", c.db, &s.DB}, {"dbx", c.dbx, &s.DBX}} {
		data, err := files.read(v.flag, v.path, maxVariableFile)
		if err != nil {
			return nil, err
		}
		if *v.value, err = pcr.ParseVariable(data); err != nil {
			return nil, fmt.Errorf("--%s: %w", v.flag, err)
		}
	}
	for _, path := range c.authorities {
		certificate, err := readCertificate(files, path)
		if err != nil {
			return nil, err
		}
		authority, err := pcr.FindAuthority(s.DB, certificate)
		if err != nil {
			return nil, err
		}
		s.Authorities = append(s.Authorities, authority)
	}
	return s, nil
}

func readCertificate(files *artefacts, path string) (*x509.Certificate, error) {
	data, err := files.read("authority", path, maxVariableFile)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	certificate, err := x509.ParseCertificate(data)
	return certificate, withHint(err, "--authority names one certificate, PEM or DER")
}

// words says how the machine boots.
func (c *chainFlags) words() string {
	switch {
	case c.menu.value != "":
		return fmt.Sprintf("kernel started by %s, command line %q", c.menu.value, c.cmdline)
	case c.kernel != "":
		return fmt.Sprintf("kernel handed over by QEMU, command line %q", c.cmdline)
	case c.fromDisk || len(c.loaders) > 0:
		return "unified kernel image from a disk"
	}
	return "unified kernel image handed over by QEMU"
}
